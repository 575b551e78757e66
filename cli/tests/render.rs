//! What people see, from views as the console sends them.

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate::render;
use tidegate::terminal::{Look, Paint};
use tidegate_domain::plan::parse;
use tidegate_domain::view::{TimelineEntry, WaveSummary, WaveView};

fn now() -> Timestamp {
    "2026-12-05T21:30:00Z".parse().expect("a time")
}

fn server(number: u32, hostname: &str, application: &str, stage: &str) -> Value {
    json!({
        "server": format!("s-{number:017}"),
        "hostname": hostname,
        "application": application,
        "stage": stage,
        "detail": null,
        "lag_seconds": 0,
        "backlog_bytes": 0,
        "replicated_percent": 100,
        "eta": null,
        "tests": 1,
        "cutovers": 0
    })
}

fn base() -> Value {
    json!({
        "wave": "orders",
        "phase": "Testing",
        "since": "2026-12-05T21:18:00Z",
        "held": false,
        "waiting_for": "the tests of its servers",
        "server_count": 3,
        "ended": false,
        "hold": null,
        "window": { "opens": "2026-12-05T21:00:00Z", "closes": "2026-12-06T01:00:00Z", "time_zone": "Europe/Berlin" },
        "gates": [],
        "stages": { "replicating": 1, "failed": 1, "validating": 1 },
        "servers": [
            server(1, "db01", "orders-db", "validating"),
            server(2, "web01", "orders-web", "replicating"),
            server(3, "web02", "orders-web", "failed"),
        ],
        "downtime": {}
    })
}

/// The base with some of it replaced.
fn view(changes: Value) -> WaveView {
    let mut json = base();
    for (key, value) in changes.as_object().expect("changes") {
        json[key] = value.clone();
    }
    serde_json::from_value(json).expect("a view")
}

fn shown(changes: Value, width: u16) -> String {
    render::wave::wave(&view(changes), now(), false, &Look::plain(width))
}

#[test]
fn a_view_survives_its_way_over_the_wire() {
    let view = view(json!({}));
    let text = serde_json::to_string(&view).expect("to JSON");
    assert_eq!(
        serde_json::from_str::<WaveView>(&text).expect("from JSON"),
        view
    );
}

#[test]
fn a_wave_under_way() {
    let mut servers = base()["servers"].clone();
    servers[1]["lag_seconds"] = json!(95);
    servers[1]["backlog_bytes"] = json!(1_610_612_736_u64);
    servers[1]["replicated_percent"] = json!(41);
    servers[1]["tests"] = json!(0);
    servers[2]["detail"] = json!("its check Tidegate-CheckPort failed 3 times");
    insta::assert_snapshot!("wave_under_way", shown(json!({ "servers": servers }), 120));
}

#[test]
fn a_wave_fits_a_narrow_terminal() {
    let text = shown(json!({}), 60);
    let table = text.split("SERVER").nth(1).expect("a table");
    assert!(
        table.lines().all(|line| line.chars().count() <= 60),
        "{text}"
    );
}

#[test]
fn a_wave_whose_approval_lapsed() {
    let changed = json!(["web02 stalls", "web03 left the wave: it was retired"]);
    let gates = json!([
        {
            "gate": "cutover", "state": "approved", "evidence": "00112233445566778899",
            "expires": null, "approved_by": ["ops@example.com"], "quorum": 1,
            "lapsed": 2, "changed": changed
        },
        {
            "gate": "finalize", "state": "lapsed", "evidence": "", "expires": null,
            "approved_by": [], "quorum": 1, "changed": changed
        }
    ]);
    insta::assert_snapshot!("wave_lapsed", shown(json!({ "gates": gates }), 100));
}

#[test]
fn a_wave_that_is_held() {
    insta::assert_snapshot!(
        "wave_held",
        shown(
            json!({
                "held": true,
                "waiting_for": "a person: Servers failed: web02.",
                "hold": {
                    "id": 17,
                    "since": "2026-12-05T21:25:00Z",
                    "reason": "Servers failed: web02.",
                    "commands": [
                        ["tidegate resume orders", "try the failed servers again"],
                        ["tidegate skip orders SERVER…", "go on without them"],
                        ["tidegate abort orders", "end the wave"]
                    ]
                }
            }),
            100
        )
    );
}

fn gates() -> Value {
    json!([
        {
            "gate": "cutover",
            "state": "open",
            "evidence": "3f2a91c0d7e4b5a697887766554433221100ffeeddccbbaa9988776655443322",
            "expires": "2026-12-06T21:30:00Z",
            "approved_by": ["ops@example.com"],
            "quorum": 2,
            "shown": {
                "summary": {
                    "servers": 3, "applications": 2, "checks_passed": 6, "checks_waived": 0,
                    "left_out": 1, "longest_lag": "PT12S", "oldest_snapshot": null
                },
                "facts": [
                    ["Window opens", "2026-12-05 22:00 Europe/Berlin (21:00 UTC)"],
                    ["Window closes", "2026-12-06 02:00 Europe/Berlin (01:00 UTC)"],
                    ["Projected downtime", "12 min for an application, as its tests went"],
                    ["Checks", "5 passed, 1 failed and was waived"],
                    ["Longest lag", "12 s; the plan allows 1 min"],
                    ["Left out", "1 server"]
                ],
                "changed": ["web01 would be launched otherwise: subnet was subnet-1, is subnet-2"],
                "warnings": ["Would be launched otherwise than tested: subnet was subnet-1, is subnet-2: web01."],
                "projected_downtime": "PT12M",
                "waited": { "instances": 0, "instance_hours": 0 },
                "waived": [{
                    "server": "s-00000000000000002", "hostname": "web01",
                    "check": "Tidegate-CheckPort", "by": "user/ann", "reason": "opens at noon"
                }],
                "left_out": [{
                    "server": "s-00000000000000004", "hostname": "web03",
                    "reason": "its check\u{1b}[2J failed 3 times"
                }],
                "applications": [["orders-db", 1], ["orders-web", 2]]
            }
        }
    ])
}

#[test]
fn a_wave_with_an_open_gate() {
    insta::assert_snapshot!(
        "wave_gate_open",
        shown(
            json!({
                "phase": "AwaitingCutover",
                "waiting_for": "a decision at the cutover gate",
                "gates": gates(),
            }),
            100
        )
    );
}

#[test]
fn what_an_approver_sees() {
    // How the wave stands by now is not what is decided on.
    let mut lagging = server(1, "db01", "orders-db", "failed");
    lagging["lag_seconds"] = json!(7_200);
    for servers in [base()["servers"].clone(), json!([lagging])] {
        let view = view(json!({
            "gates": gates(),
            "servers": servers,
            "downtime": { "orders-db": "PT4M12S" },
            "window": null
        }));
        insta::assert_snapshot!(
            "question",
            render::gate::question(&view, &view.gates[0], &Look::plain(100))
        );
    }
}

#[test]
fn a_wave_that_has_ended() {
    let mut finalized = server(1, "db01", "orders-db", "finalized");
    finalized["cutovers"] = json!(2);
    insta::assert_snapshot!(
        "wave_ended",
        shown(
            json!({
                "phase": "Completed",
                "waiting_for": "nothing",
                "ended": true,
                "window": null,
                "gates": [{
                    "gate": "finalize", "state": "approved", "evidence": "00112233445566778899",
                    "expires": null, "approved_by": [], "quorum": 1
                }],
                "stages": { "finalized": 1 },
                "servers": [finalized],
                "downtime": { "orders-db": "PT4M12S", "orders-web": "PT1H5M" }
            }),
            100
        )
    );
}

#[test]
fn a_wave_whose_servers_are_not_picked_yet() {
    insta::assert_snapshot!(
        "wave_waiting",
        shown(
            json!({ "phase": "Waiting", "stages": {}, "servers": [], "server_count": 0,
                    "waiting_for": "a person: tidegate start orders", "window": null }),
            100
        )
    );
}

#[test]
fn of_many_servers_those_that_need_somebody_come_first() {
    let mut servers: Vec<Value> = (0..3_000)
        .map(|n| server(n, &format!("h{n}"), "big", "cut over"))
        .collect();
    servers[2_999]["stage"] = json!("failed");
    servers[2_998]["stage"] = json!("validating");
    let changes =
        json!({ "servers": servers, "stages": { "cut over": 2998, "failed": 1, "validating": 1 } });
    let text = shown(changes.clone(), 120);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('h')).collect();
    assert_eq!(rows.len(), 40);
    assert!(
        rows[0].starts_with("h2999") && rows[1].starts_with("h2998"),
        "{text}"
    );
    assert!(
        text.contains("and 2960 more: tidegate status orders --all"),
        "{text}"
    );
    let text = render::wave::wave(&view(changes), now(), true, &Look::plain(120));
    assert_eq!(
        text.lines().filter(|line| line.starts_with('h')).count(),
        3_000
    );
}

#[test]
fn colours_are_escapes_around_words() {
    let look = Look {
        paint: Paint { colours: true },
        ..Look::plain(100)
    };
    let text = render::wave::wave(&view(json!({ "gates": gates() })), now(), false, &look);
    assert!(text.contains("\u{1b}[1;33mopen\u{1b}[0m"), "{text:?}");
    assert!(!shown(json!({ "gates": gates() }), 100).contains('\u{1b}'));
}

#[test]
fn all_waves() {
    assert_eq!(
        render::waves::list(&[], now(), &Look::plain(80)),
        "There are no waves yet. Begin one: tidegate apply FILE"
    );
    let line = |wave: &str, phase: &str, held: bool, waiting: &str| -> WaveSummary {
        serde_json::from_value(json!({
            "wave": wave, "phase": phase, "since": "2026-12-03T21:18:00Z", "held": held,
            "waiting_for": waiting, "server_count": 1200
        }))
        .expect("a line")
    };
    insta::assert_snapshot!(
        "waves",
        render::waves::list(
            &[
                line(
                    "orders",
                    "AwaitingCutover",
                    false,
                    "a decision at the cutover gate: tidegate approve orders cutover"
                ),
                line(
                    "payroll",
                    "Testing",
                    true,
                    "a person: Servers failed: pay07."
                ),
                line("intranet", "Completed", false, "nothing"),
            ],
            now(),
            &Look::plain(110)
        )
    );
}

#[test]
fn a_timeline() {
    let entry = |at: &str, event: &str, text: &str, by: Option<&str>| -> TimelineEntry {
        serde_json::from_value(json!({ "at": at, "event": event, "text": text, "by": by }))
            .expect("an entry")
    };
    insta::assert_snapshot!(
        "timeline",
        render::timeline::timeline(
            &[
                entry(
                    "2026-12-05T17:00:00.123456Z",
                    "WaveApplied",
                    "The plan was applied.",
                    Some("arn:aws:sts::111122223333:assumed-role/ops/anna")
                ),
                entry(
                    "2026-12-05T17:02:10Z",
                    "LaunchFailed",
                    "web02: the test launch failed in job mgnjob-0123456789abcdef0; it is tried again (2 of 3).",
                    None
                ),
                entry(
                    "2026-12-05T21:00:00Z",
                    "GateApproved",
                    "The cutover gate was approved.",
                    Some("ops@example.com")
                ),
            ],
            &Look::plain(100)
        )
    );
    assert_eq!(
        render::timeline::timeline(&[], &Look::plain(80)),
        "Nothing has happened yet."
    );
}

#[test]
fn a_plan() {
    let text = include_str!("../../shared/domain/tests/plan/every-key.yaml");
    let plan = parse(text, "2026-11-21T12:00:00Z".parse().expect("a time")).expect("a good plan");
    insta::assert_snapshot!("plan", render::plan::summary(&plan, &Look::plain(100)));
}

#[test]
fn progress_counts_what_was_reached() {
    let mut servers = vec![
        server(1, "a", "x", "replicating"),
        server(2, "b", "x", "replicating"),
        server(3, "c", "x", "launching test"),
        server(4, "d", "x", "validating"),
        server(5, "e", "x", "validating"),
        server(6, "f", "x", "cut over"),
        server(7, "g", "x", "finalized"),
        server(8, "h", "x", "failed"),
    ];
    servers[0]["replicated_percent"] = json!(30);
    servers[0]["lag_seconds"] = json!(61);
    servers[4]["cutovers"] = json!(1);
    let progress = render::progress::Progress::of(&view(json!({ "servers": servers })));
    assert_eq!(
        (
            progress.servers,
            progress.replicated,
            progress.tested,
            progress.cut_over,
            progress.finalized
        ),
        (7, 6, 3, 2, 1)
    );
    assert_eq!(progress.left_out, ["h (failed)"]);
    assert_eq!(progress.copied_percent, 90);
    assert_eq!(progress.lag(), "up to 1m 1s");
}
