//! What each error becomes, with and without the header that names it.

use jiff::Timestamp;
use tidegate_domain::effect::{LifeCycleTarget, RefusalKind};
use tidegate_domain::id::{EffectId, JobId, ServerId};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mgn::{Finalizes, Launches, LifeCycles, SourceServers};

use crate::answers::{Answer, mgn};

fn server() -> ServerId {
    ServerId::parse("s-3949d5a8b4f8e0d12").expect("an ID")
}

async fn start(answers: &[Answer<'_>]) -> Result<JobId, CallError> {
    let effect = EffectId::parse("orders-1-0").expect("an ID");
    mgn(answers).start_test(&[server()], &effect).await
}

async fn refused(answer: Answer<'_>, expected: RefusalKind) {
    let label = format!("{answer:?}");
    match start(&[answer]).await {
        Err(CallError::Refused(refusal)) => {
            assert_eq!(refusal.kind, expected, "{label}");
            assert!(!refusal.message.is_empty(), "{label}");
        }
        other => panic!("{label} should be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_is_known_by_its_header_its_body_or_its_status() {
    let busy = "One or more of the Source Servers included in API call are currently being \
                processed by a Job";
    let body = |code: &str| format!(r#"{{"code": "{code}", "message": "{busy}"}}"#);
    let conflict = body("ConflictException");
    refused(
        (409, Some("ConflictException"), &conflict),
        RefusalKind::Conflict,
    )
    .await;
    refused(
        (409, Some("ConflictException:http://internal/"), "{}"),
        RefusalKind::Conflict,
    )
    .await;
    refused((409, None, &conflict), RefusalKind::Conflict).await;
    refused(
        (409, None, &body("SOURCE_SERVER_BUSY")),
        RefusalKind::Conflict,
    )
    .await;
    refused((409, None, ""), RefusalKind::Conflict).await;
    let quota = body("ServiceQuotaExceededException");
    refused(
        (402, Some("ServiceQuotaExceededException"), &quota),
        RefusalKind::Quota,
    )
    .await;
    refused((402, None, "{}"), RefusalKind::Quota).await;
    refused(
        (429, Some("ThrottlingException"), "{}"),
        RefusalKind::Throttled,
    )
    .await;
    refused((429, None, "slow down"), RefusalKind::Throttled).await;
    refused(
        (403, Some("AccessDeniedException"), "{}"),
        RefusalKind::Denied,
    )
    .await;
    refused(
        (403, Some("ExpiredTokenException"), "{}"),
        RefusalKind::Denied,
    )
    .await;
    refused(
        (404, Some("ResourceNotFoundException"), "{}"),
        RefusalKind::NotFound,
    )
    .await;
    refused(
        (400, Some("ValidationException"), "{}"),
        RefusalKind::Invalid,
    )
    .await;
    let uninitialized = Some("UninitializedAccountException");
    refused((400, uninitialized, "{}"), RefusalKind::Uninitialized).await;
}

#[tokio::test]
async fn a_conflict_says_which_servers() {
    let body = r#"{"message": "Conflict", "errors": [
        {"resourceId": "s-3949d5a8b4f8e0d12", "message": "is in TESTING"},
        {"code": "BUSY"}, {}]}"#;
    match start(&[(409, Some("ConflictException"), body)]).await {
        Err(CallError::Refused(refusal)) => assert_eq!(
            refusal.message,
            "ConflictException: Conflict (s-3949d5a8b4f8e0d12: is in TESTING; ?: BUSY; ?: ?)"
        ),
        other => panic!("should be refused: {other:?}"),
    }
}

#[tokio::test]
async fn nobody_knows_what_a_broken_answer_said() {
    let answers: [&[Answer<'_>]; 9] = [
        &[],
        &[(500, Some("InternalServerException"), "{}")],
        &[(503, None, "")],
        &[(502, None, "<html>Bad gateway</html>")],
        &[(202, None, "<html>Welcome to the hotel</html>")],
        &[(202, None, r#"{"job": {"jobID": "mgnjob-3949d5a8b4f8e0d"#)],
        &[(202, None, "{}")],
        &[(202, None, r#"{"job": {}}"#)],
        &[(202, None, r#"{"job": {"jobID": "job 1"}}"#)],
    ];
    for answers in answers {
        let started = start(answers).await;
        assert!(
            matches!(started, Err(CallError::Unknown(_))),
            "{answers:?}: {started:?}"
        );
    }
    let mgn = mgn(&[(500, None, "{}"), (500, None, "{}")]);
    let changed = mgn.change(&server(), LifeCycleTarget::ReadyForTest).await;
    assert!(matches!(changed, Err(CallError::Unknown(_))), "{changed:?}");
    let finalized = mgn.finalize(&server()).await;
    assert!(
        matches!(finalized, Err(CallError::Unknown(_))),
        "{finalized:?}"
    );
}

#[tokio::test]
async fn a_read_fails_as_a_whole() {
    let page = r#"{"items": [{"sourceServerID": "s-3949d5a8b4f8e0d12"}], "nextToken": "2"}"#;
    let read = async |answers: &[Answer<'_>]| mgn(answers).all_servers(Timestamp::UNIX_EPOCH).await;
    let failed = |read: Result<_, ReadError>| matches!(read, Err(ReadError::Failed(_)));
    // The second page is missing or broken.
    assert!(failed(read(&[(200, None, page)]).await.map(|_| ())));
    assert!(failed(
        read(&[(200, None, page), (500, None, "")])
            .await
            .map(|_| ())
    ));
    assert!(failed(
        read(&[(200, None, page), (200, None, "[]]")])
            .await
            .map(|_| ())
    ));

    let denied = read(&[(403, Some("AccessDeniedException"), r#"{"message": "no"}"#)]).await;
    assert_eq!(
        denied,
        Err(ReadError::Denied("AccessDeniedException: no".to_owned()))
    );
    let uninitialized = read(&[(400, Some("UninitializedAccountException"), "{}")]).await;
    assert_eq!(uninitialized, Err(ReadError::Uninitialized));
}
