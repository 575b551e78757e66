//! Each command: what it asks, what it sends, what it tells.

use std::io::Write;

use serde_json::{Value, json};

use super::{Console, tidegate, told, view};

pub(super) const COMMANDS: &str = "/base/api/waves/orders/commands";
pub(super) const EVIDENCE: &str =
    "3f2a91c0d7e4b5a697887766554433221100ffeeddccbbaa9988776655443322";

const PLAN: &str = "wave: orders
start: { on: manual }
gates: { cutover: { automatic: true }, finalize: { automatic: true } }
applications: [{ name: web, servers: [{ hostname: web01 }] }]
";

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("a path")
}

pub(super) fn held(id: u64) -> Value {
    json!({
        "held": true,
        "hold": { "id": id, "since": "2026-12-05T21:18:00Z", "reason": "Held by anna: wait.", "commands": [] }
    })
}

pub(super) fn gate(changes: &Value) -> Value {
    let mut gate = json!({
        "gate": "cutover", "state": "open", "evidence": EVIDENCE,
        "expires": "2026-12-12T21:18:00Z", "approved_by": [], "quorum": 1
    });
    for (key, value) in changes.as_object().expect("changes") {
        gate[key] = value.clone();
    }
    json!({ "phase": "AwaitingCutover", "gates": [gate] })
}

#[tokio::test]
async fn check_needs_no_console() {
    let good = file(PLAN);
    let (code, output, error) = told(&tidegate("", &["check", path(&good)]).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(
        output.starts_with("orders is a good plan: 1 application, 1 server."),
        "{output}"
    );

    let bad = file(
        &PLAN
            .replace("manual", "dawn")
            .replace("name: web", "name: Web"),
    );
    let (code, output, error) = told(&tidegate("", &["check", path(&bad)]).await);
    let name = path(&bad);
    assert_eq!((code, output.as_str()), (2, ""));
    assert_eq!(
        error,
        format!(
            "{name}:2:14: `on`: expected `replication`, `schedule` or `manual`; found `dawn`\n\
             {name}:4:24: `name`: expected a name of 1 to 60 lower-case letters, digits and hyphens \
             that begins with a letter; found `Web`\n\
             error: {name} has 2 errors"
        )
    );

    let (code, _, error) = told(&tidegate("", &["check", "/nonexistent/plan.yaml"]).await);
    assert_eq!(code, 2);
    assert!(
        error.contains("/nonexistent/plan.yaml cannot be read"),
        "{error}"
    );
}

#[tokio::test]
async fn apply_waits_until_the_wave_can_be_seen() {
    let none = (404, json!({ "error": "There is no wave orders." }));
    let seen = (
        200,
        view(&json!({ "phase": "Waiting", "waiting_for": "a person: tidegate start orders" })),
    );
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[none.clone(), none.clone(), none, seen],
        )
        .answer("POST /api/waves", &[(202, json!({ "wave": "orders" }))]);
    let address = console.serve().await;
    let good = file(PLAN);
    let (code, output, error) = told(&tidegate(&address, &["apply", path(&good)]).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        output,
        "Wave orders is applied. It waits for a person: tidegate start orders.\n\
         Follow it: tidegate watch orders"
    );
    assert_eq!(console.posted("/base/api/waves"), [json!({ "plan": PLAN })]);
}

#[tokio::test]
async fn apply_tells_a_plans_errors_with_what_the_console_finds_beside_them() {
    let problems = json!([
        { "line": 2, "column": 14, "message": "`on`: expected a start" },
        { "line": 4, "column": 31, "message": "s-00000000000000001 belongs to wave billing" },
    ]);
    let wrong = json!({ "error": "The plan has 2 errors.", "problems": problems });
    let console = Console::default().answer("POST /api/waves", &[(422, wrong)]);
    let address = console.serve().await;
    let bad = PLAN
        .replace("manual", "dawn")
        .replace("hostname: web01", "id: s-00000000000000001");
    let bad = file(&bad);
    let (code, output, error) = told(&tidegate(&address, &["apply", path(&bad)]).await);
    let name = path(&bad);
    assert_eq!((code, output.as_str()), (2, ""));
    assert_eq!(
        error,
        format!(
            "{name}:2:14: `on`: expected a start\n\
             {name}:4:31: s-00000000000000001 belongs to wave billing\n\
             error: {name} has 2 errors"
        )
    );
    assert_eq!(console.requests().len(), 1);
}

#[tokio::test]
async fn apply_tells_a_plans_errors_whatever_the_console_says() {
    let bad = file(&PLAN.replace("manual", "dawn"));
    let own = format!("{}:2:14: `on`: expected `replication`", path(&bad));
    let not_now = json!({ "error": "Somebody else has to do that." });
    for (status, answer, expected, code) in [
        (403, not_now, "own its servers: Somebody else", 2),
        (422, json!({ "error": "No." }), "has 1 error", 2),
        (
            202,
            json!({ "wave": "orders" }),
            "took the plan all the same",
            1,
        ),
    ] {
        let console = Console::default().answer("POST /api/waves", &[(status, answer)]);
        let address = console.serve().await;
        let (exit, _, error) = told(&tidegate(&address, &["apply", path(&bad)]).await);
        assert_eq!(exit, code, "{error}");
        assert!(error.contains(&own) && error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn apply_changes_a_wave_whose_window_is_over_and_tells_of_its_hold() {
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(200, view(&held(17)))])
        .answer("POST /api/waves", &[(202, json!({ "wave": "orders" }))]);
    let address = console.serve().await;
    let window = "window: { opens: 2026-01-05T22:00, lasts: 4h, time_zone: UTC }\n";
    let over = file(&format!("{PLAN}{window}"));
    let (code, output, error) = told(&tidegate(&address, &["apply", path(&over)]).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        output,
        "The console took the change of wave orders, which is in Testing; what it comes to stands \
         in `tidegate timeline orders`.\n\
         It is held: Held by anna: wait. Let it go on with the change: tidegate resume orders"
    );
    // `check`, which asks nobody, says so.
    let (code, _, error) = told(&tidegate("", &["check", path(&over)]).await);
    assert_eq!(code, 2);
    assert!(error.contains("the window is over"), "{error}");
}

#[tokio::test]
async fn apply_tells_what_the_console_found() {
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(404, json!({ "error": "There is no wave orders." }))])
        .answer(
            "POST /api/waves",
            &[(422, json!({ "error": "The plan has 1 error.", "problems": [{ "line": 4, "column": 7, "message": "not today" }] }))],
        );
    let address = console.serve().await;
    let good = file(PLAN);
    let (code, _, error) = told(&tidegate(&address, &["apply", path(&good)]).await);
    let name = path(&good);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        format!("{name}:4:7: not today\nerror: {name} has 1 error")
    );
}

#[tokio::test]
async fn resume_names_the_hold_that_it_saw() {
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[
                (200, view(&held(17))),
                (200, view(&held(17))),
                (200, view(&json!({}))),
            ],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let (code, output, error) = told(&tidegate(&address, &["resume", "orders"]).await);
    assert_eq!(
        (code, error.as_str()),
        (0, "Releasing hold 17: Held by anna: wait.")
    );
    assert_eq!(
        output,
        "Wave orders is resumed. It is in Testing and waits for the tests of its servers."
    );
    assert_eq!(
        console.posted(COMMANDS),
        [json!({ "command": "resume", "hold": 17 })]
    );
}

#[tokio::test]
async fn a_wave_that_is_held_again_at_once_is_told() {
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[(200, view(&held(17))), (200, view(&held(18)))],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let (code, output, _) = told(&tidegate(&address, &["resume", "orders"]).await);
    assert_eq!(
        (code, output.as_str()),
        (
            0,
            "Wave orders was resumed and is held again: Held by anna: wait."
        )
    );
}

#[tokio::test]
async fn what_does_not_fit_is_told_without_asking_the_wave() {
    for (arguments, changes, code, sentence) in [
        (
            &["resume", "orders"][..],
            json!({}),
            4,
            "wave orders is not held; it waits for the tests of its servers",
        ),
        (
            &["hold", "orders"][..],
            held(3),
            4,
            "wave orders is held already: Held by anna: wait.",
        ),
        (
            &["start", "orders"][..],
            json!({}),
            4,
            "wave orders has started already: it is in Testing",
        ),
        (
            &["abort", "orders", "--yes"][..],
            json!({ "ended": true, "phase": "Completed" }),
            4,
            "wave orders has ended: it is Completed",
        ),
        (
            &["skip", "orders", "web09"][..],
            json!({}),
            3,
            "wave orders has no server web09; `tidegate status orders --all` lists its servers",
        ),
        (
            &["approve", "orders", "cutover", "--yes"][..],
            json!({}),
            4,
            "the cutover gate of wave orders is not open: the wave is in Testing and waits for the \
             tests of its servers",
        ),
        (
            &["approve", "orders", "cutover", "--yes"][..],
            gate(&json!({ "state": "approved", "approved_by": ["ops@example.com"] })),
            4,
            "the cutover gate of wave orders is approved already, by ops@example.com",
        ),
        (
            &["approve", "orders", "cutover", "--evidence", "000000000000"][..],
            gate(&json!({})),
            4,
            "the cutover gate of wave orders shows other evidence by now (3f2a91c0d7e4): look at it \
             again with `tidegate status orders`",
        ),
        (
            &["approve", "orders", "cutover"][..],
            gate(&json!({})),
            2,
            "this asks before it acts, and nobody can answer here: add --yes, or --evidence HASH",
        ),
    ] {
        let console = Console::default().answer("GET /api/waves/orders", &[(200, view(&changes))]);
        let address = console.serve().await;
        let (found, output, error) = told(&tidegate(&address, arguments).await);
        assert_eq!(
            (found, output.as_str()),
            (code, ""),
            "{arguments:?}: {error}"
        );
        assert_eq!(
            error.lines().last(),
            Some(format!("error: {sentence}").as_str())
        );
        assert!(
            console
                .requests()
                .iter()
                .all(|request| request.method == "GET")
        );
    }
}

#[tokio::test]
async fn abort_asks_nobody_where_nobody_can_answer() {
    let aborting = view(&json!({ "phase": "Aborting", "waiting_for": "the clean-up" }));
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[(200, view(&json!({}))), (200, aborting)],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let (code, output, error) = told(&tidegate(&address, &["abort", "orders"]).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        output,
        "Wave orders is told to end. It is in Aborting and waits for the clean-up."
    );
    assert_eq!(console.posted(COMMANDS), [json!({ "command": "abort" })]);
}

#[tokio::test]
async fn rollback_says_why_and_asks_nobody_where_nobody_can_answer() {
    let back =
        view(&json!({ "phase": "RollingBack", "waiting_for": "the way back of its servers" }));
    let soaking = view(&json!({ "phase": "Soaking" }));
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(200, soaking), (200, back)])
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let command = ["rollback", "orders", "--note", "orders are slow"];
    let (code, output, error) = told(&tidegate(&address, &command).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        output,
        "Wave orders is told to roll back. It is in RollingBack and waits for the way back of its \
         servers."
    );
    assert_eq!(
        console.posted(COMMANDS),
        [json!({ "command": "rollback", "note": "orders are slow" })]
    );
}

#[tokio::test]
async fn a_wave_that_cut_nothing_over_is_not_rolled_back() {
    let console = Console::default().answer(
        "GET /api/waves/orders",
        &[(200, view(&json!({ "phase": "Preflight" })))],
    );
    let address = console.serve().await;
    let (code, _, error) = told(&tidegate(&address, &["rollback", "orders", "--yes"]).await);
    assert_eq!(code, 4);
    assert!(error.contains("`tidegate abort orders` ends it"), "{error}");
    assert!(console.posted(COMMANDS).is_empty());
}

#[tokio::test]
async fn a_wave_that_is_held_starts_when_it_is_resumed() {
    let mut wave = view(&held(3));
    wave["phase"] = json!("Waiting");
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(200, wave)])
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let (code, output, _) = told(&tidegate(&address, &["start", "orders"]).await);
    assert_eq!(code, 0);
    assert!(output.contains("starts when it is resumed"), "{output}");
}

#[tokio::test]
async fn skip_takes_hostnames_and_ids() {
    let mut gone = view(&json!({}));
    gone["servers"][0]["stage"] = json!("skipped");
    gone["servers"][1]["stage"] = json!("skipped");
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[(200, view(&json!({}))), (200, gone)],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let arguments = ["skip", "orders", "WEB01", "s-22222222222222222", "web02"];
    let (code, _, error) = told(&tidegate(&address, &arguments).await);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(
        console.posted(COMMANDS),
        [json!({ "command": "skip", "servers": ["s-11111111111111111", "s-22222222222222222"] })]
    );
}

#[tokio::test]
async fn skip_in_a_wave_that_is_being_ended_says_what_it_means_there() {
    let rolling = |stage: &str| {
        let mut wave = view(&json!({ "phase": "RollingBack", "held": true }));
        wave["servers"][0]["stage"] = json!(stage);
        wave
    };
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[
                (200, rolling("keeping data")),
                (200, rolling("copying data")),
            ],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let (code, output, _) = told(&tidegate(&address, &["skip", "orders", "web01"]).await);
    assert_eq!(code, 0);
    assert!(
        output.starts_with("Wave orders is told that this was done by hand."),
        "{output}"
    );
}

#[tokio::test]
async fn a_hostname_that_several_servers_have_is_not_guessed() {
    let mut wave = view(&json!({}));
    wave["servers"][1]["hostname"] = json!("Web01");
    let console = Console::default().answer("GET /api/waves/orders", &[(200, wave)]);
    let address = console.serve().await;
    let (code, _, error) = told(&tidegate(&address, &["skip", "orders", "web01"]).await);
    assert_eq!(code, 2);
    assert!(
        error.contains("s-11111111111111111, s-22222222222222222"),
        "{error}"
    );
}

#[tokio::test]
async fn watch_ends_with_the_wave() {
    let ended =
        |phase: &str| view(&json!({ "ended": true, "phase": phase, "waiting_for": "nothing" }));
    for (phase, expected) in [("Completed", 0), ("Aborted", 1)] {
        let console = Console::default().answer(
            "GET /api/waves/orders",
            &[
                (200, view(&json!({}))),
                (200, view(&json!({}))),
                (200, view(&held(3))),
                (200, ended(phase)),
            ],
        );
        let address = console.serve().await;
        let arguments = ["watch", "orders", "--every", "200ms"];
        let (code, output, _) = told(&tidegate(&address, &arguments).await);
        assert_eq!(code, expected);
        let lines: Vec<&str> = output.lines().map(|line| &line[9..]).collect();
        assert_eq!(
            lines,
            [
                "orders Testing: 2 tested; waits for the tests of its servers; lag none",
                "orders Testing: 2 tested; HELD: Held by anna: wait. Go on with: ; lag none",
                &format!("orders {phase}: 2 tested; lag none"),
            ]
        );
    }
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_before_anything_is_sent() {
    for arguments in [
        &["status", "../secrets"][..],
        &["approve", "orders", "coutover"][..],
        &["approve", "orders", "cutover", "--evidence", "xyz"][..],
        &["watch", "orders", "--every", "0s"][..],
        &["skip", "orders"][..],
    ] {
        let console = Console::default();
        let address = console.serve().await;
        let (code, _, error) = told(&tidegate(&address, arguments).await);
        assert_eq!(
            (code, console.requests().len()),
            (2, 0),
            "{arguments:?}: {error}"
        );
    }
}

#[tokio::test]
async fn json_is_what_the_console_said() {
    let wave = view(&json!({}));
    let console = Console::default()
        .answer("GET /api/waves/orders", &[(200, wave.clone())])
        .answer("GET /api/waves/orders/timeline", &[(200, json!([]))])
        .answer("GET /api/waves", &[(200, json!([]))]);
    let address = console.serve().await;
    let (_, output, _) = told(&tidegate(&address, &["status", "orders", "--json"]).await);
    assert_eq!(serde_json::from_str::<Value>(&output).expect("JSON"), wave);
    for arguments in [
        &["status", "--json"][..],
        &["timeline", "orders", "--json"][..],
    ] {
        let (_, output, _) = told(&tidegate(&address, arguments).await);
        assert_eq!(output, "[]");
    }
}

#[tokio::test]
async fn completions_are_scripts() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, output, _) = told(&tidegate("", &["completions", shell]).await);
        assert_eq!(code, 0);
        assert!(output.contains("timeline"), "{shell}");
    }
}
