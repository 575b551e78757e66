//! The bars, as a terminal shows them.

use indicatif::InMemoryTerm;
use serde_json::{Value, json};

use super::*;

/// A terminal and the bars on it.
struct Screen {
    terminal: InMemoryTerm,
    bars: Bars,
    look: Look,
}

impl Screen {
    fn new(width: u16) -> Self {
        let terminal = InMemoryTerm::new(30, width);
        let look = Look::plain(width);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bars = Bars::on(target, &look).expect("bars");
        Self {
            terminal,
            bars,
            look,
        }
    }

    fn show(&mut self, changes: &Value) -> String {
        self.bars.show(&view(changes), &self.look);
        self.terminal.contents()
    }
}

/// A server of two, with some of it replaced.
fn server(number: u32, changes: &Value) -> Value {
    let mut server = json!({
        "server": format!("s-{number:017}"), "hostname": format!("web0{number}"),
        "application": "web", "stage": "tested", "detail": null, "lag_seconds": 0,
        "backlog_bytes": 0, "replicated_percent": 100, "eta": null, "tests": 1, "cutovers": 0
    });
    for (key, value) in changes.as_object().expect("changes") {
        server[key] = value.clone();
    }
    server
}

/// Wave `orders` of two servers, with some of it replaced.
fn view(changes: &Value) -> WaveView {
    let mut view = json!({
        "wave": "orders", "phase": "Testing", "since": "2026-12-05T21:18:00Z", "held": false,
        "waiting_for": "the tests of its servers", "server_count": 2, "ended": false,
        "hold": null, "window": null, "gates": [], "stages": { "tested": 2 },
        "servers": [server(1, &json!({})), server(2, &json!({}))], "downtime": {}
    });
    for (key, value) in changes.as_object().expect("changes") {
        view[key] = value.clone();
    }
    serde_json::from_value(view).expect("a view")
}

fn replicating() -> Value {
    let copied = json!({ "stage": "replicating", "lag_seconds": 95, "tests": 0 });
    let copying = json!({
        "stage": "replicating", "lag_seconds": 7_260, "backlog_bytes": 1_610_612_736_u64,
        "replicated_percent": 41, "eta": "2026-12-05T23:00:00Z", "tests": 0
    });
    json!({
        "phase": "Waiting", "since": "2026-12-05T20:00:00Z",
        "waiting_for": "replication of every server to be in step",
        "stages": { "replicating": 2 },
        "servers": [server(1, &copied), server(2, &copying)]
    })
}

#[test]
fn the_copy_is_shown_with_its_lag() {
    insta::assert_snapshot!("copy", Screen::new(100).show(&replicating()));
}

#[test]
fn each_phase_is_a_line_above_and_the_bars_go_on() {
    let mut screen = Screen::new(100);
    screen.show(&replicating());
    let validating = json!({ "stage": "validating" });
    let launching = json!({ "stage": "launching test", "tests": 0 });
    screen.show(&json!({
        "stages": { "validating": 1, "launching test": 1 },
        "servers": [server(1, &validating), server(2, &launching)]
    }));
    let validating = json!({ "stage": "validating", "cutovers": 1 });
    let over = json!({ "stage": "cut over", "cutovers": 1, "lag_seconds": null });
    let text = screen.show(&json!({
        "phase": "CuttingOver", "since": "2026-12-05T22:01:00Z",
        "waiting_for": "the cutovers of its servers",
        "stages": { "validating": 1, "cut over": 1 },
        "servers": [server(1, &validating), server(2, &over)]
    }));
    insta::assert_snapshot!("phases", text);
}

#[test]
fn an_open_gate_names_the_command_that_decides() {
    let text = Screen::new(120).show(&json!({
        "phase": "AwaitingCutover", "waiting_for": "a decision at the cutover gate",
        "gates": [{
            "gate": "cutover", "state": "open",
            "evidence": "3f2a91c0d7e4b5a697887766554433221100ffeeddccbbaa9988776655443322",
            "expires": null, "approved_by": ["ops@example.com"], "quorum": 2
        }]
    }));
    insta::assert_snapshot!("gate", text);
}

#[test]
fn a_held_wave_says_why_and_what_releases_it() {
    let failed = json!({ "stage": "failed", "detail": "its check failed 3 times" });
    let text = Screen::new(100).show(&json!({
        "held": true, "waiting_for": "a person: Servers failed: web02.",
        "stages": { "tested": 1, "failed": 1 },
        "servers": [server(1, &json!({})), server(2, &failed)],
        "hold": {
            "id": 17, "since": "2026-12-05T21:25:00Z", "reason": "Servers failed: web02.",
            "commands": [
                ["tidegate resume orders", "try the failed servers again"],
                ["tidegate skip orders SERVER…", "go on without them"]
            ]
        }
    }));
    insta::assert_snapshot!("held", text);
}

#[test]
fn the_last_screen_is_left_standing() {
    let mut screen = Screen::new(100);
    screen.show(&replicating());
    let trouble = Failure::Unreachable("the console does not answer".to_owned());
    screen.bars.trouble(&trouble, &screen.look);
    let text = screen.terminal.contents();
    let looking = format!("looking again: {trouble}");
    assert!(text.contains(&looking), "{text}");

    let finalized = json!({ "stage": "finalized", "cutovers": 1, "lag_seconds": null });
    screen.show(&json!({
        "phase": "Completed", "since": "2026-12-06T23:59:59Z", "ended": true,
        "waiting_for": "nothing", "stages": { "finalized": 2 },
        "servers": [server(1, &finalized), server(2, &finalized)]
    }));
    screen.bars.end();
    let text = screen.terminal.contents();
    drop(screen.bars);
    assert_eq!(screen.terminal.contents(), text);
    insta::assert_snapshot!("end", text);
}

#[test]
fn a_line_that_is_too_long_is_cut() {
    let text = Screen::new(60).show(&replicating());
    assert!(
        text.lines().all(|line| line.chars().count() <= 60),
        "{text}"
    );
    assert_eq!(text.lines().count(), 6, "{text}");
}
