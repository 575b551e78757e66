//! The page of a wave: for holders of a pass, short however large the wave is, and it changes
//! nothing.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use console::{Request, Response};
use flate2::read::GzDecoder;
use serde_json::Value;
use tidegate_domain::gate::{Approval, Door, Gate, GateState};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Phase;

use crate::fixture::{
    Console, FakeSigner, MAIL, OPERATOR, STRANGER, decide, notice, open, request, signed, time,
};

/// The most bytes of a page, compressed.
const MOST_BYTES: usize = 150_000;

/// Ask for a wave's page as a tool does; gives its query.
async fn pass(console: &Console, arn: &str) -> String {
    let response = console
        .send(signed("GET", "/api/waves/orders/page", arn))
        .await;
    assert_eq!(response.status_code, 200, "{}", response.body);
    let body: Value = serde_json::from_str(&response.body).expect("JSON");
    let path = body["path"].as_str().expect("a path");
    path.strip_prefix("wave?").expect("the page").to_owned()
}

fn look(query: &str) -> Request {
    let mut request = request("GET", "/wave");
    request.raw_query_string = query.to_owned();
    request
}

/// The addresses of a page that begin so, as a browser reads them.
fn addresses(page: &str, path: &str) -> Vec<String> {
    let start = format!("href=\"{path}?");
    page.split(&start)
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .map(|query| query.replace("&#38;", "&").replace("&amp;", "&"))
        .collect()
}

fn bytes(response: &Response) -> usize {
    assert!(response.is_base64_encoded, "{:?}", response.headers);
    assert_eq!(response.headers["content-encoding"], "gzip");
    STANDARD.decode(&response.body).expect("base64").len()
}

fn compressed(mut request: Request) -> Request {
    let accepted = "gzip, deflate, br, zstd".to_owned();
    request
        .headers
        .insert("accept-encoding".to_owned(), accepted);
    request
}

#[tokio::test]
async fn a_wave_is_shown_at_a_glance() {
    let console = Console::with_large(25, |_| {}).await;
    let before = console.store.inspect(Clone::clone);
    let query = pass(&console, STRANGER).await;
    let response = console.send(look(&query)).await;
    assert_eq!(response.status_code, 200);
    assert_eq!(response.headers["refresh"], "15");
    for word in [
        "<h1>orders</h1>",
        "25 servers",
        "It waits for a decision at the cutover gate, by",
        "<li class=\"now\" aria-current=\"step\">Cutover gate",
        "<li class=\"done\">Tests",
        "Cutover gate: waits for a decision",
        "application-0002",
        "Decide by",
        "<dt>up to 1 min</dt>",
        "copied",
        "The wave is now AwaitingCutover.",
    ] {
        assert!(response.body.contains(word), "{word}:\n{}", response.body);
    }
    assert!(
        !response.body.contains("<form"),
        "a page that refreshes has no form"
    );
    assert!(
        addresses(&response.body, "decide").is_empty(),
        "a stranger decides nothing"
    );
    let after = console.store.inspect(Clone::clone);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert!(console.executions.calls.borrow().is_empty());
}

#[tokio::test]
async fn an_approver_with_aws_credentials_decides_through_the_page() {
    let console = Console::with_large(3, |_| {}).await;
    let query = pass(&console, OPERATOR).await;
    let page = console.send(look(&query)).await.body;
    let links = addresses(&page, "decide");
    assert_eq!(links.len(), 1);
    let mut request = request("GET", "/decide");
    request.raw_query_string = links[0].clone();
    let asked = console.send(request).await;
    assert_eq!(asked.status_code, 200);
    assert!(asked.body.contains(OPERATOR));
    assert!(!asked.headers.contains_key("refresh"), "its form stays");
    assert!(!addresses(&asked.body, "wave").is_empty());
}

#[tokio::test]
async fn a_page_that_aws_credentials_opened_proves_more_than_a_mail_and_less_than_slack() {
    let decided = async |minimum: Door| {
        let console = Console::with_large(3, |draft| {
            draft.wave.plan.gates.cutover.minimum = minimum;
        })
        .await;
        let query = pass(&console, OPERATOR).await;
        let page = console.send(look(&query)).await.body;
        let query = addresses(&page, "decide").remove(0);
        let token = query.strip_prefix("token=").expect("the link");
        let form = decide(token, &console.nonce(token), "approve");
        let answer = notice(&console.send(form).await);
        (answer, console.messages())
    };
    let (answer, messages) = decided(Door::Page).await;
    assert!(answer.starts_with("200 Approval recorded: "), "{answer}");
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].by, Approver::Iam(OPERATOR.to_owned()));
    assert!(matches!(
        messages[0].body,
        Body::Decide {
            door: Door::Page,
            ..
        }
    ));

    for (minimum, proof) in [(Door::Slack, "Slack"), (Door::Iam, "AWS credentials")] {
        let (answer, messages) = decided(minimum).await;
        assert_eq!(
            answer,
            format!(
                "403 Not allowed: the plan wants more than a page opened with AWS credentials at \
                 the cutover gate: decide by {proof}."
            )
        );
        assert_eq!(messages, []);
    }

    let mailed = Console::with_large(3, |draft| {
        draft.wave.plan.gates.cutover.minimum = Door::Page;
    })
    .await;
    let link = mailed.large_link().await;
    let answer = notice(&mailed.send(open(&mailed.token(&link))).await);
    assert_eq!(
        answer,
        "403 Not allowed: the plan wants more than a mail link at the cutover gate: decide by a \
         page opened with AWS credentials."
    );
}

#[tokio::test]
async fn the_pass_of_a_mailed_link_only_looks() {
    let console = Console::with_large(3, |_| {}).await;
    let link = console.large_link().await;
    let asked = console.send(open(&console.token(&link))).await;
    let passes = addresses(&asked.body, "wave");
    let shown = console.send(look(&passes[0])).await;
    assert_eq!(shown.status_code, 200);
    assert!(addresses(&shown.body, "decide").is_empty());
}

#[tokio::test]
async fn passes_that_are_not_ours_or_not_good_any_more_show_nothing() {
    let console = Console::with_large(3, |_| {}).await;
    let query = pass(&console, OPERATOR).await;
    let token = query.strip_prefix("view=").expect("the pass");
    let (payload, code) = token.split_once('.').expect("a code");
    let link = console.token(&console.large_link().await);
    let with_another_key =
        FakeSigner(b"another key").code(format!("tidegate pass v1\n{payload}").as_bytes());
    let altered = payload.replace('e', "f");
    for forged in [
        String::new(),
        ".".to_owned(),
        payload.to_owned(),
        format!("{payload}."),
        format!("{payload}.{}", URL_SAFE_NO_PAD.encode(with_another_key)),
        format!("{altered}.{code}"),
        format!("{payload}.{}", &code[..code.len() - 4]),
        link.clone(),
        format!("{}.{code}", "A".repeat(5_000)),
    ] {
        let response = console.send(look(&format!("view={forged}"))).await;
        assert!(
            notice(&response).starts_with("403 Not allowed: This address"),
            "{forged}"
        );
        assert!(!response.body.contains("orders"));
    }
    // And a pass is no link.
    let refused = console.send(open(token)).await;
    assert_eq!(refused.status_code, 403);

    console.at("2026-12-01T12:59:59Z");
    assert_eq!(console.send(look(&query)).await.status_code, 200);
    console.at("2026-12-01T13:00:00Z");
    assert_eq!(
        notice(&console.send(look(&query)).await),
        "410 Too late: This address was good until 2026-12-01 13:00 UTC: open the page again from \
         your mail or with tidegate page orders."
    );
    assert_eq!(
        console
            .send(signed("GET", "/api/waves/billing/page", OPERATOR))
            .await
            .status_code,
        404
    );
    assert_eq!(
        console
            .send(request("GET", "/api/waves/orders/page"))
            .await
            .status_code,
        403
    );
    assert_eq!(
        console.send(request("POST", "/wave")).await.status_code,
        405
    );
}

#[tokio::test]
async fn what_is_asked_for_is_shown_and_what_names_nothing_is_left_out() {
    let console = Console::with_large(250, |_| {}).await;
    let query = pass(&console, STRANGER).await;
    let page = async |more: &str| console.send(look(&format!("{query}&{more}"))).await.body;
    let rows = |page: &str| page.matches("<li class=\"server\">").count();
    let all = page("").await;
    assert_eq!(rows(&all), 100);
    assert!(all.contains("Page 1 of 3"));
    assert_eq!(rows(&page("page=3").await), 50);
    let failed = page("stage=failed").await;
    assert_eq!(rows(&failed), 25);
    assert!(failed.contains("25 servers, failed"));
    assert_eq!(rows(&page("application=application-0003").await), 10);
    assert_eq!(
        rows(&page("application=application-0003&stage=cut+over").await),
        1
    );
    for hostile in [
        "stage=%22%3E%3Cscript%3E",
        "application=%22%3E%3Cscript%3E",
        "application=application-9999",
        "page=0",
        "page=-1",
        "page=1%27",
        "page=99999999999999999999999",
        "applications=%00",
    ] {
        let page = page(hostile).await;
        assert!(
            page.contains("names nothing that this wave has"),
            "{hostile}"
        );
        assert_eq!(rows(&page), 100, "{hostile}");
        assert!(!page.contains("<script"));
    }
    assert_eq!(rows(&page("page=99999").await), 50, "the last there is");
    assert!(page("still=yes").await.contains("let it load itself again"));
    // Every address on the page leads to a page.
    for address in addresses(&all, "wave") {
        assert_eq!(
            console.send(look(&address)).await.status_code,
            200,
            "{address}"
        );
    }
}

#[tokio::test]
async fn a_held_and_an_ended_wave_say_so() {
    let held = Console::with_large(3, |draft| {
        draft.wave.hold = Some(Hold {
            id: HoldId(7),
            since: draft.now,
            reason: HoldReason::Asked {
                by: "x".to_owned(),
                note: "<b>wait</b>".to_owned(),
            },
        });
    })
    .await;
    let page = held.send(look(&pass(&held, STRANGER).await)).await.body;
    assert!(page.contains("Held since 2026-12-01 12:00 UTC"));
    assert!(page.contains("&#60;b&#62;wait") && page.contains("tidegate resume orders"));

    let ended = Console::with_large(3, |draft| draft.wave.phase = Phase::Aborted).await;
    let response = ended.send(look(&pass(&ended, STRANGER).await)).await;
    assert!(!response.headers.contains_key("refresh"));
    assert!(response.body.contains("It has ended.") && response.body.contains(">Aborted<"));
}

#[tokio::test]
async fn the_pages_of_three_thousand_servers_are_short() {
    let console = Console::with_large(3_000, |_| {}).await;
    let glance = look(&pass(&console, STRANGER).await);
    let question = open(&console.token(&console.large_link().await));
    for request in [glance, question] {
        let plain = console.send(request.clone()).await;
        assert!(!plain.is_base64_encoded);
        let response = console.send(compressed(request)).await;
        assert_eq!(response.status_code, 200);
        assert!(bytes(&response) < MOST_BYTES, "{}", bytes(&response));
        let zipped = STANDARD.decode(&response.body).expect("base64");
        let mut text = String::new();
        GzDecoder::new(zipped.as_slice())
            .read_to_string(&mut text)
            .expect("gzip");
        assert_eq!(text, plain.body);
        assert_eq!(plain.headers["vary"], "accept-encoding");
    }
}

#[tokio::test]
async fn everybody_who_approves_is_named() {
    let console = Console::with_open_gate().await;
    let query = pass(&console, STRANGER).await;
    let page = console.send(look(&query)).await.body;
    assert!(page.contains("0 of 2"), "{page}");
    assert!(
        !page.contains(MAIL) && !page.contains("slack:U024BE7LH"),
        "{page}"
    );
    let approved = [
        (Approver::Mail(MAIL.to_owned()), Door::Mail),
        (Approver::Slack("U024BE7LH".to_owned()), Door::Slack),
    ];
    let mut names = Vec::new();
    for (by, door) in approved {
        names.push(by.to_string());
        console
            .save("orders", |wave| {
                let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) else {
                    panic!("it is open");
                };
                open.approvals.push(Approval {
                    by,
                    at: time("2026-12-01T12:00:00Z"),
                    door,
                    only: Vec::new(),
                    reason: None,
                });
            })
            .await;
        let page = console.send(look(&query)).await.body;
        assert!(page.contains(&format!("{} of 2", names.len())), "{page}");
        for name in &names {
            assert!(page.contains(name.as_str()), "{name}: {page}");
        }
    }
}
