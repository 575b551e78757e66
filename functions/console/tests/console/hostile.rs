//! Whatever comes in, it is answered, changes nothing that it may not, and is escaped on its way
//! out.

use console::Response;
use jiff::Timestamp;
use proptest::prelude::*;
use tidegate_domain::gate::{
    Approval, CheckShown, Door, Evidence, Gate, GateState, Lapse, LeftOut, ServerEvidence, Waived,
    Warning, WarningKind,
};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::id::CommandId;
use tidegate_domain::launch_settings::Difference;
use tidegate_domain::plan::{Approver, Window};
use tidegate_domain::server::{End, Purpose, Stage, Waiver};
use tidegate_world::contract::fixtures::{Draft, launch_settings};

use crate::fixture::{Console, decide, open, post, request, signed};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// A page without its texts: each tag with the names of its attributes, in order. Nothing that others
/// wrote may add to it.
fn skeleton(page: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut tag = String::new();
        let mut value = false;
        let mut end = after.len();
        for (at, c) in after.char_indices() {
            match c {
                '"' => value = !value,
                '>' if !value => {
                    end = at + 1;
                    break;
                }
                _ if !value => tag.push(c),
                _ => {}
            }
        }
        tags.push(tag);
        rest = &after[end..];
    }
    tags
}

/// Where a page leads.
fn addresses(page: &str) -> Vec<&str> {
    ["href=\"", "action=\""]
        .iter()
        .flat_map(|start| page.split(start).skip(1))
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect()
}

/// How many reasons a hold has, and none.
const HOLDS: usize = 18;

/// The hold of that number, in which everything says this; the first is none. A new reason breaks
/// the build here.
fn held(text: &str, number: usize) -> Option<HoldReason> {
    let says = || text.to_owned();
    let all = || vec![says(), says()];
    (0..number).fold(None, |before, _| {
        Some(match before {
            None => HoldReason::Asked {
                by: says(),
                note: says(),
            },
            Some(HoldReason::Asked { .. }) => HoldReason::Selection { problems: all() },
            Some(HoldReason::Selection { .. }) => HoldReason::Preflight { problems: all() },
            Some(HoldReason::Preflight { .. }) => HoldReason::Uninitialized,
            Some(HoldReason::Uninitialized) => HoldReason::Denied { message: says() },
            Some(HoldReason::Denied { .. }) => HoldReason::Unanswered { message: says() },
            Some(HoldReason::Unanswered { .. }) => HoldReason::Quota { message: says() },
            Some(HoldReason::Quota { .. }) => HoldReason::ServersFailed { servers: all() },
            Some(HoldReason::ServersFailed { .. }) => HoldReason::Stalled { servers: all() },
            Some(HoldReason::Stalled { .. }) => HoldReason::BudgetSpent {
                failed: 2,
                allowed: 1,
            },
            Some(HoldReason::BudgetSpent { .. }) => HoldReason::SourcesStopped { servers: all() },
            Some(HoldReason::SourcesStopped { .. }) => HoldReason::Rejected {
                gate: "cutover".to_owned(),
                by: says(),
            },
            Some(HoldReason::Rejected { .. }) => HoldReason::Expired {
                gate: "cutover".to_owned(),
            },
            Some(HoldReason::Expired { .. }) => HoldReason::WindowMissed,
            Some(HoldReason::WindowMissed) => HoldReason::Unhealthy { servers: all() },
            Some(HoldReason::Unhealthy { .. }) => HoldReason::Refused {
                task: says(),
                message: says(),
            },
            Some(HoldReason::Refused { .. }) => HoldReason::Quarantined { messages: all() },
            Some(HoldReason::Quarantined { .. }) => return None,
        })
    })
}

/// That evidence with every text of others replaced: whole, so that a new field breaks the build.
fn evidence_says(text: &str, evidence: &Evidence, now: Timestamp) -> Evidence {
    let says = || text.to_owned();
    let server = evidence.servers[0].server.clone();
    let waived = Waived {
        server: server.clone(),
        hostname: says(),
        check: says(),
        by: says(),
        reason: says(),
    };
    let servers = evidence.servers.iter();
    Evidence {
        wave: evidence.wave.clone(),
        gate: evidence.gate,
        round: 1,
        summary: evidence.summary.clone(),
        changed: std::iter::once(says()).collect(),
        warnings: vec![Warning {
            kind: WarningKind::Stalled,
            text: says(),
            servers: 1,
        }],
        window: Some(Window {
            opens: now,
            closes: now,
            time_zone: says(),
        }),
        projected_downtime: evidence.projected_downtime,
        waited: evidence.waited,
        max_lag: evidence.max_lag,
        servers: servers.map(|server| server_says(text, server)).collect(),
        checks: vec![CheckShown {
            document: says(),
            command: CommandId::parse("11111111-2222-3333-4444-555555555555").expect("a command"),
            waived: true,
        }],
        waived: vec![waived.clone()],
        may_fail: vec![waived],
        left_out: vec![LeftOut {
            server,
            hostname: says(),
            reason: says(),
        }],
    }
}

/// One server's evidence, in the same way.
fn server_says(text: &str, server: &ServerEvidence) -> ServerEvidence {
    let says = || text.to_owned();
    ServerEvidence {
        server: server.server.clone(),
        hostname: says(),
        application: server.application.clone(),
        job: server.job.clone(),
        instance: server.instance.clone(),
        validated_at: server.validated_at,
        checks: server.checks,
        ran: vec![0],
        took: server.took,
        life_cycle: server.life_cycle,
        replication: server.replication,
        lag: server.lag,
        last_snapshot: server.last_snapshot,
        seen_at: server.seen_at,
        trouble: Some(says()),
        settings: Some(launch_settings(0, text).mark()),
        differences: vec![Difference {
            what: says(),
            was: Some(says()),
            is: None,
        }],
    }
}

/// A wave in which everything that others write says this, with the hold of that number.
fn everything_says(text: &str, hold: usize, draft: &mut Draft) {
    let says = || text.to_owned();
    let application = draft.wave.plan.applications[0].name.clone();
    for (number, server) in draft.servers.iter_mut().enumerate() {
        let reason = says();
        server.hostname = says();
        server.stage = Stage::Ended {
            end: match number {
                0 => End::Skipped { reason },
                _ => End::Failed {
                    purpose: Purpose::Test,
                    reason,
                },
            },
        };
        server.waivers.push(Waiver {
            check: says(),
            by: says(),
            at: draft.now,
            reason: says(),
        });
    }
    draft.wave.hold = held(text, hold).map(|reason| Hold {
        id: HoldId(1),
        since: draft.now,
        reason,
    });
    let Some(GateState::Open(open)) = draft.wave.gates.get_mut(&Gate::Cutover) else {
        panic!("the gate is open");
    };
    open.approvals.push(Approval {
        by: Approver::Slack(says()),
        at: draft.now,
        door: Door::Slack,
        only: Vec::new(),
        reason: Some(says()),
    });
    open.unreached = vec![Approver::Mail(says())];
    open.evidence = evidence_says(text, &open.evidence, draft.now);
    draft.wave.plan.window = open.evidence.window.clone();
    for server in &mut open.evidence.servers {
        server.application = application.clone();
    }
    let finalize = GateState::Lapsed {
        at: draft.now,
        changes: std::iter::once(says()).collect(),
    };
    draft.wave.gates.insert(Gate::Finalize, finalize);
    if let Some(record) = &mut draft.audit {
        for entry in &mut record.entries {
            entry.text = format!("The wave is now {text}.");
            entry.by = Some(says());
        }
    }
}

/// Every page of such a wave: the question, the wave, the decision recorded, the second click, and
/// the same once others decided.
async fn pages(text: &str, hold: usize) -> Vec<Response> {
    let console = Console::with_large(3, |draft| everything_says(text, hold, draft)).await;
    let link = console.large_link().await;
    let token = console.token(&link);
    let question = console.send(open(&token)).await;
    let (_, view) = question
        .body
        .split_once("href=\"wave?")
        .expect("the wave's page");
    let mut look = request("GET", "/wave");
    look.raw_query_string = view.split('"').next().unwrap_or_default().to_owned();
    let mut pages = vec![question.clone(), console.send(look.clone()).await];
    let mut form = decide(&token, &console.nonce(&token), "approve");
    let hostile = [
        ("token", token.as_str()),
        ("nonce", &console.nonce(&token)),
        ("verdict", "approve"),
        ("reason", text),
    ];
    form.body = serde_urlencoded::to_string(hostile).ok();
    form.is_base64_encoded = false;
    pages.push(console.send(form).await);
    pages.push(console.send(open(&token)).await);
    console
        .save("orders", |wave| {
            let approved = GateState::Approved {
                evidence: text.to_owned(),
                at: wave.phase_since,
                by: vec![text.to_owned()],
                jobs: Default::default(),
                settings: Default::default(),
                put_off: Default::default(),
                question: None,
                acted_on: None,
                lapse: Some(Lapse {
                    servers: Default::default(),
                    changes: std::iter::once(text.to_owned()).collect(),
                }),
            };
            wave.gates.insert(Gate::Cutover, approved);
        })
        .await;
    pages.push(console.send(open(&token)).await);
    pages.push(console.send(look).await);
    pages
}

#[test]
fn every_reason_of_a_hold_is_among_those_that_are_shown() {
    assert!(matches!(
        held("x", HOLDS - 1),
        Some(HoldReason::Quarantined { .. })
    ));
    assert_eq!(held("x", HOLDS), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn other_peoples_words_stay_text(
        text in "[<>&\"'`/a-z =\\-!\r\n]{1,30}|\\PC{1,30}|[\u{0}-\u{1f}<>\"\u{202e}\u{2028}]{1,20}",
        hold in 0..HOLDS,
    ) {
        let (hostile, plain) = wait(async { (pages(&text, hold).await, pages("x", hold).await) });
        for (hostile, plain) in hostile.iter().zip(&plain) {
            prop_assert_eq!(hostile.status_code, plain.status_code);
            prop_assert_eq!(skeleton(&hostile.body), skeleton(&plain.body));
            for address in addresses(&hostile.body) {
                let ours = ["wave?view=", "decide?token=", "decide", "#main"];
                prop_assert!(ours.iter().any(|start| address.starts_with(start)), "{}", address);
            }
            for (name, value) in &hostile.headers {
                let printable = value.bytes().all(|b| (0x20..0x7f).contains(&b));
                prop_assert!(printable, "{}: {:?}", name, value);
                prop_assert_eq!(Some(value), plain.headers.get(name));
            }
        }
    }

    #[test]
    fn any_request_is_answered(
        method in "GET|POST|PUT|HEAD|[A-Z]{0,8}",
        path in prop_oneof![
            "/(api|decide|waves|orders|gates|cutover|decisions|commands|[/.%~\\PC]){0,8}|\\PC{0,40}",
            "/(wave|decide|slack/actions|api/refused|api/waves/orders/(audit|timeline|page|commands))",
        ],
        query in prop_oneof![
            "token=\\PC{0,40}|\\PC{0,40}",
            "((token|view|stage|application|page|after|seals|day)=(true|[0-9]{1,20}|\\PC{0,20})&?){1,5}",
        ],
        body in prop::option::of("\\PC{0,60}"),
        media_type in "application/json|application/x-www-form-urlencoded|\\PC{0,20}",
        encoded in any::<bool>(),
        arn in prop::option::of("arn:\\PC{0,30}"),
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let mut request = match &arn {
                Some(arn) => signed(&method, &path, arn),
                None => request(&method, &path),
            };
            request.raw_query_string = query;
            request.body = body;
            request.is_base64_encoded = encoded;
            request.headers.insert("content-type".to_owned(), media_type);
            let response = console.send(request).await;
            prop_assert!((200..500).contains(&response.status_code), "{:?}", response);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn an_altered_link_or_form_decides_nothing(
        at in any::<prop::sample::Index>(),
        byte in 0x21u8..0x7f,
        in_token in any::<bool>(),
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let token = console.token(&console.link());
            let nonce = console.nonce(&token);
            let mut bytes = if in_token { token.clone() } else { nonce.clone() }.into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let altered = String::from_utf8(bytes).expect("ASCII");
            let form = if in_token {
                decide(&altered, &console.nonce(&altered), "approve")
            } else {
                decide(&token, &altered, "approve")
            };
            let response = console.send(form).await;
            prop_assert!((400..500).contains(&response.status_code), "{:?}", response);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn no_json_crashes_the_api(body in "\\PC{0,80}", path in prop::sample::select(vec![
        "/api/waves", "/api/waves/orders/commands", "/api/waves/orders/gates/cutover/decisions",
    ])) {
        wait(async {
            let console = Console::with_open_gate().await;
            let mut request = post(path, crate::fixture::OPERATOR, &serde_json::Value::Null);
            request.body = Some(body);
            let response = console.send(request).await;
            prop_assert_eq!(response.status_code, 400);
            Ok(())
        })?;
    }
}
