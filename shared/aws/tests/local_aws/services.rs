//! Signatures, executions and messages.

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_sdk_sfn::types::ExecutionStatus;
use tidegate_aws::kms::KmsSigner;
use tidegate_aws::sfn::SfnExecutions;
use tidegate_aws::sns::SnsMails;
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::executions::Executions;
use tidegate_ports::mail::{Mail, Mails};
use tidegate_ports::signer::Signer;

use crate::ministack::config;

fn kind(result: Result<(), CallError>) -> RefusalKind {
    match result {
        Err(CallError::Refused(refusal)) => refusal.kind,
        other => panic!("should be refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_signature_is_its_messages_alone() {
    let key = aws_sdk_kms::Client::new(&config())
        .create_key()
        .key_spec(KeySpec::Hmac256)
        .key_usage(KeyUsageType::GenerateVerifyMac)
        .send()
        .await
        .expect("a key")
        .key_metadata
        .expect("a key");
    let signer = KmsSigner::new(&config(), key.key_id());
    let code = signer.sign(b"approve orders").await.expect("a code");
    assert_eq!(signer.sign(b"approve orders").await, Ok(code.clone()));
    assert_eq!(signer.verify(b"approve orders", &code).await, Ok(true));
    assert_eq!(signer.verify(b"approve others", &code).await, Ok(false));
    let mut altered = code.clone();
    altered[0] ^= 1;
    assert_eq!(signer.verify(b"approve orders", &altered).await, Ok(false));
    for forged in [&[][..], &code[1..], &[0; 7_000]] {
        assert_eq!(signer.verify(b"approve orders", forged).await, Ok(false));
    }

    let nobody = KmsSigner::new(&config(), "00000000-0000-4000-8000-000000000000");
    let signed = nobody.sign(b"approve orders").await;
    assert!(matches!(signed, Err(ReadError::NotFound(_))), "{signed:?}");
    let verified = nobody.verify(b"approve orders", &code).await;
    assert!(
        matches!(verified, Err(ReadError::NotFound(_))),
        "{verified:?}"
    );
}

#[tokio::test]
async fn a_driver_is_started_once() {
    let client = aws_sdk_sfn::Client::new(&config());
    let machine = client
        .create_state_machine()
        .name("driver")
        .role_arn("arn:aws:iam::000000000000:role/driver")
        .definition(r#"{"StartAt":"End","States":{"End":{"Type":"Succeed"}}}"#)
        .send()
        .await
        .expect("a state machine")
        .state_machine_arn;
    let executions = SfnExecutions::new(&config(), &machine);
    let wave = WaveId::parse("orders").expect("a wave");
    for generation in [1, 1, 2, 1] {
        executions.start(&wave, generation).await.expect("started");
    }
    let list = client
        .list_executions()
        .state_machine_arn(&machine)
        .send()
        .await;
    let mut names = Vec::new();
    for execution in list.expect("executions").executions {
        assert_ne!(execution.status, ExecutionStatus::Failed);
        names.push(execution.name);
    }
    names.sort();
    assert_eq!(names, ["orders-g1", "orders-g2"]);

    let nobody = SfnExecutions::new(&config(), &machine.replace("driver", "nobody"));
    assert_eq!(kind(nobody.start(&wave, 1).await), RefusalKind::NotFound);
}

#[tokio::test]
async fn nobody_sleeps_with_a_token_that_was_never_given() {
    let executions = SfnExecutions::new(&config(), "");
    let woken = executions.wake("AAAAKgAAAAIAAAAAAAAAAQ").await;
    assert_eq!(kind(woken), RefusalKind::NotFound);
}

#[tokio::test]
async fn a_message_is_taken_by_its_topic() {
    let topic = aws_sdk_sns::Client::new(&config())
        .create_topic()
        .name("people")
        .send()
        .await
        .expect("a topic")
        .topic_arn
        .expect("an ARN");
    let mut mail = Mail {
        subject: "orders: decide at the cutover gate".to_owned(),
        text: "ä\nb".to_owned(),
        wave: "orders".to_owned(),
        to: Some(Approver::Mail("ops@example.com".to_owned())),
        kind: "gate_opened",
        action_required: true,
    };
    let mails = SnsMails::new(&config(), &topic);
    mails.send(&mail).await.expect("sent");
    mail.to = None;
    mails.send(&mail).await.expect("sent");
    let nobody = SnsMails::new(&config(), &topic.replace("people", "nobody"));
    assert_eq!(kind(nobody.send(&mail).await), RefusalKind::NotFound);
}
