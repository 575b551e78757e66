//! Decisions at gates, and what belongs to them: parts, reasons, withdrawals, waivers, asking again.

use serde_json::{Value, json};

use super::commands::{COMMANDS, EVIDENCE, gate, held};
use super::{Console, server, tidegate, told, view};

const DECISIONS: &str = "/base/api/waves/orders/gates/cutover/decisions";

/// A console that shows these views one after the other and takes whatever is posted.
fn shows(views: &[Value]) -> Console {
    let views: Vec<(u16, Value)> = views.iter().map(|view| (200, view.clone())).collect();
    let taken = [(202, json!({ "wave": "orders" }))];
    Console::default()
        .answer("GET /api/waves/orders", &views)
        .answer("POST /api/waves/orders/gates/cutover/decisions", &taken)
        .answer("POST /api/waves/orders/commands", &taken)
}

/// Run the program against these views: what it tells, and the console.
async fn run(views: &[Value], arguments: &[&str]) -> ((i32, String, String), Console) {
    let console = shows(views);
    let address = console.serve().await;
    let told = told(&tidegate(&address, arguments).await);
    (told, console)
}

/// Two applications: `db` with one server, `web` with two.
fn three_servers(changes: &Value) -> Value {
    let mut view = view(changes);
    let mut db = server("3", "db01");
    db["application"] = json!("db");
    view["servers"]
        .as_array_mut()
        .expect("servers")
        .insert(0, db);
    view
}

fn approved(changes: &Value) -> Value {
    let mut approved = gate(&json!({ "state": "approved", "approved_by": ["ops@example.com"] }));
    for (key, value) in changes.as_object().expect("changes") {
        approved["gates"][0][key] = value.clone();
    }
    approved
}

/// What is shown on standard error before a decision is sent.
fn question() -> String {
    format!("The cutover of wave orders\n  approved  by 0 of 1\n  evidence  {EVIDENCE}")
}

/// The question, and what else is told beside the answer.
fn beside(error: &str) -> String {
    format!("{}\n{error}", question())
}

#[tokio::test]
async fn a_decision_carries_the_evidence_that_the_gate_shows() {
    let after = gate(&json!({ "state": "approved", "approved_by": ["ops@example.com"] }));
    for arguments in [
        &["approve", "orders", "cutover", "--yes"][..],
        &["approve", "orders", "cutover", "--evidence", "3F2A91C0D7E4"][..],
    ] {
        let console = Console::default()
            .answer(
                "GET /api/waves/orders",
                &[(200, view(&gate(&json!({})))), (200, view(&after))],
            )
            .answer(
                "POST /api/waves/orders/gates/cutover/decisions",
                &[(202, json!({}))],
            );
        let address = console.serve().await;
        let (code, output, error) = told(&tidegate(&address, arguments).await);
        assert_eq!(code, 0);
        let seen = !arguments.contains(&"--yes");
        assert_eq!(error, if seen { String::new() } else { question() });
        assert!(
            output.starts_with("The cutover of wave orders is approved."),
            "{output}"
        );
        assert_eq!(
            console.posted(DECISIONS),
            [json!({ "verdict": "approve", "evidence": EVIDENCE })]
        );
    }
}

#[tokio::test]
async fn one_approval_of_two_is_told() {
    let before = gate(&json!({ "quorum": 2 }));
    let after = gate(&json!({ "quorum": 2, "approved_by": ["ops@example.com"] }));
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[(200, view(&before)), (200, view(&after))],
        )
        .answer(
            "POST /api/waves/orders/gates/cutover/decisions",
            &[(202, json!({}))],
        );
    let address = console.serve().await;
    let (code, output, _) =
        told(&tidegate(&address, &["approve", "orders", "cutover", "--yes"]).await);
    assert_eq!(code, 0);
    assert_eq!(
        output,
        "Your approval counts: 1 of 2 have approved the cutover of wave orders."
    );
}

#[tokio::test]
async fn a_decision_that_the_console_refuses_is_told() {
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(200, view(&gate(&json!({}))))])
        .answer(
            "POST /api/waves/orders/gates/cutover/decisions",
            &[(
                403,
                json!({ "error": "You are no approver of the cutover gate." }),
            )],
        );
    let address = console.serve().await;
    let (code, _, error) =
        told(&tidegate(&address, &["reject", "orders", "cutover", "--yes"]).await);
    assert_eq!(
        (code, error.as_str()),
        (
            4,
            &*beside("error: You are no approver of the cutover gate.")
        )
    );
}

#[tokio::test]
async fn a_part_and_a_reason_go_along() {
    let (told, console) = run(
        &[
            three_servers(&gate(&json!({}))),
            three_servers(&approved(&json!({ "put_off": 1 }))),
        ],
        &[
            "approve",
            "orders",
            "cutover",
            "--yes",
            "--only",
            "db",
            "--only",
            "WEB01",
            "--only",
            "db",
            "--reason",
            "web02 is not ready",
        ],
    )
    .await;
    assert_eq!(
        told,
        (
            0,
            "The cutover of wave orders is approved in part; the other 1 server can wait until \
             `tidegate ask orders cutover`. The wave waits for the tests of its servers."
                .to_owned(),
            question()
        )
    );
    assert_eq!(
        console.posted(DECISIONS),
        [json!({
            "verdict": "approve", "evidence": EVIDENCE, "reason": "web02 is not ready",
            "only": { "applications": ["db"], "servers": ["s-11111111111111111"] }
        })]
    );
}

#[tokio::test]
async fn a_part_that_is_not_there_is_told_and_nothing_is_sent() {
    let (told, console) = run(
        &[three_servers(&gate(&json!({})))],
        &[
            "approve", "orders", "cutover", "--yes", "--only", "db", "--only", "cache",
        ],
    )
    .await;
    let sentence = "error: wave orders has no server cache; `tidegate status orders --all` lists its \
                    servers";
    assert_eq!(told, (3, String::new(), sentence.to_owned()));
    assert_eq!(console.posted(DECISIONS), [] as [Value; 0]);
}

#[tokio::test]
async fn a_rejection_has_a_reason_and_no_part() {
    let mut rejected = view(&held(9));
    rejected["waiting_for"] = json!("a person: The cutover gate was rejected by anna: no.");
    let (told, console) = run(
        &[view(&gate(&json!({}))), rejected],
        &["reject", "orders", "cutover", "--yes", "--reason", "no"],
    )
    .await;
    assert_eq!(
        told,
        (
            0,
            "The cutover of wave orders is rejected. The wave waits for a person: The cutover gate \
             was rejected by anna: no."
                .to_owned(),
            question()
        )
    );
    assert_eq!(
        console.posted(DECISIONS),
        [json!({ "verdict": "reject", "evidence": EVIDENCE, "reason": "no" })]
    );

    let arguments = ["reject", "orders", "cutover", "--yes", "--only", "db"];
    let ((code, _, error), console) = run(&[], &arguments).await;
    assert_eq!((code, console.requests().len()), (2, 0), "{error}");
}

#[tokio::test]
async fn what_came_too_late_is_not_told_as_done() {
    let changed = "error: this came too late: what the cutover gate of wave orders showed has \
                   changed, and it asks again; look at it with `tidegate status orders`";
    let other = "0".repeat(64);
    for (verdict, after, sentence) in [
        (
            "approve",
            gate(&json!({ "state": "lapsed", "evidence": "" })),
            changed,
        ),
        (
            "reject",
            gate(&json!({ "state": "lapsed", "evidence": "" })),
            changed,
        ),
        ("approve", gate(&json!({ "evidence": other })), changed),
        ("reject", gate(&json!({ "evidence": other })), changed),
        (
            "approve",
            json!({ "held": true, "gates": [], "waiting_for": "a person: rejected." }),
            "error: this came too late: the cutover gate of wave orders is not open any more; the \
             wave waits for a person: rejected",
        ),
        (
            "reject",
            approved(&json!({})),
            "error: this came too late: the cutover gate of wave orders is approved by \
             ops@example.com",
        ),
    ] {
        let views = [view(&gate(&json!({}))), view(&after)];
        let (told, console) = run(&views, &[verdict, "orders", "cutover", "--yes"]).await;
        assert_eq!(told, (4, String::new(), beside(sentence)), "{verdict}");
        assert_eq!(console.posted(DECISIONS).len(), 1);
    }
}

#[tokio::test]
async fn an_approval_is_withdrawn_for_the_evidence_that_it_was_given_for() {
    let before = approved(&json!({ "withdrawable": true }));
    let (told, console) = run(
        &[view(&before), view(&before), view(&gate(&json!({})))],
        &["withdraw", "orders", "cutover"],
    )
    .await;
    assert_eq!(
        told,
        (
            0,
            "Your approval of the cutover of wave orders is withdrawn. The wave waits for the tests \
             of its servers."
                .to_owned(),
            String::new()
        )
    );
    assert_eq!(
        console.posted(DECISIONS),
        [json!({ "verdict": "withdraw", "evidence": EVIDENCE })]
    );

    for view in [
        view(&json!({})),
        view(&gate(&json!({}))),
        view(&approved(&json!({ "withdrawable": false }))),
    ] {
        let (told, console) = run(&[view], &["withdraw", "orders", "cutover"]).await;
        let sentence = "error: at the cutover gate of wave orders there is no approval that could be \
                        withdrawn";
        assert_eq!(told, (4, String::new(), sentence.to_owned()));
        assert_eq!(console.posted(DECISIONS), [] as [Value; 0]);
    }
}

#[tokio::test]
async fn a_waiver_names_servers_or_applications_a_check_and_a_reason() {
    let mut after = three_servers(&json!({}));
    for server in after["servers"].as_array_mut().expect("servers") {
        server["waived"] = json!(["Tidegate-CheckPort"]);
    }
    let (told, console) = run(
        &[three_servers(&json!({})), after],
        &[
            "waive",
            "orders",
            "web",
            "DB01",
            "web01",
            "--check",
            "Tidegate-CheckPort",
            "--reason",
            "the port opens at noon",
        ],
    )
    .await;
    assert_eq!(
        told,
        (
            0,
            "Wave orders is told to let them pass. It is in Testing and waits for the tests of its \
             servers."
                .to_owned(),
            String::new()
        )
    );
    assert_eq!(
        console.posted(COMMANDS),
        [json!({
            "command": "waive", "check": "Tidegate-CheckPort", "reason": "the port opens at noon",
            "servers": ["s-11111111111111111", "s-22222222222222222", "s-33333333333333333"]
        })]
    );

    let check = ["waive", "orders", "web01", "--check", "Tidegate-CheckPort"];
    let unknown = [
        &["waive", "orders", "web09"][..],
        &check[3..],
        &["--reason", "known"],
    ]
    .concat();
    for (arguments, code) in [(&check[..], 2), (&unknown[..], 3)] {
        let ((found, _, error), console) = run(&[three_servers(&json!({}))], arguments).await;
        assert_eq!(found, code, "{error}");
        assert_eq!(console.posted(COMMANDS), [] as [Value; 0]);
    }
}

#[tokio::test]
async fn a_gate_asks_again_about_what_was_left() {
    let before = view(&approved(&json!({ "put_off": 2 })));
    let after = gate(&json!({}));
    for (arguments, gates) in [
        (&["ask", "orders"][..], "cutover"),
        (&["ask", "orders", "cutover"][..], "cutover"),
    ] {
        let (told, console) = run(&[before.clone(), view(&after)], arguments).await;
        assert_eq!(
            told,
            (
                0,
                "Wave orders is asked again. It is in AwaitingCutover and waits for the tests of its \
                 servers."
                    .to_owned(),
                String::new()
            )
        );
        assert_eq!(
            console.posted(COMMANDS),
            [json!({ "command": "ask", "gate": gates })]
        );
    }
    for (view, gate) in [
        (view(&approved(&json!({}))), "cutover"),
        (before, "finalize"),
    ] {
        let (told, console) = run(&[view], &["ask", "orders", gate]).await;
        let sentence = format!(
            "error: the {gate} gate of wave orders is not open, and nothing was left for later there"
        );
        assert_eq!(told, (4, String::new(), sentence));
        assert_eq!(console.posted(COMMANDS), [] as [Value; 0]);
    }
}

#[tokio::test]
async fn an_open_gate_asks_those_again_who_have_not_decided() {
    let before = view(&gate(&json!({})));
    let after = gate(&json!({ "reminded": "2026-12-05T18:00:00Z" }));
    let ask = ["ask", "orders"];
    let (told, console) = run(&[before.clone(), before, view(&after)], &ask).await;
    assert_eq!((told.0, told.2.as_str()), (0, ""));
    assert!(
        told.1.starts_with("Wave orders is asked again."),
        "{told:?}"
    );
    let order = json!({ "command": "ask", "gate": "cutover" });
    assert_eq!(console.posted(COMMANDS), [order]);
}

#[tokio::test]
async fn what_the_console_refuses_is_told_in_its_words() {
    let taken = [
        (
            "withdraw",
            view(&approved(&json!({ "withdrawable": true }))),
        ),
        ("ask", view(&approved(&json!({ "put_off": 1 })))),
    ];
    for (command, shown) in taken {
        let refusal = [(409, json!({ "error": "That does not fit." }))];
        let console = Console::default()
            .answer("GET /api/waves/orders", &[(200, shown)])
            .answer("POST /api/waves/orders/gates/cutover/decisions", &refusal)
            .answer("POST /api/waves/orders/commands", &refusal);
        let address = console.serve().await;
        let told = told(&tidegate(&address, &[command, "orders", "cutover"]).await);
        let sentence = "error: That does not fit.".to_owned();
        assert_eq!(told, (4, String::new(), sentence), "{command}");
    }
}
