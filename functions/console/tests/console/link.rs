//! Links: shown, used once, and refused when anything is wrong with them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tidegate_domain::gate::{Approval, Door, Evidence, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldId, HoldReason};
use tidegate_domain::link::Link;
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::{Phase, Wave};

use crate::fixture::{
    ADDRESS, Console, FakeSigner, MAIL, OPERATOR, decide, evidence, notice, open, request, time,
};

/// What a page's form holds in its hidden field of that name.
fn field(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start).expect("the field");
    rest.split('"').next().expect("its value").to_owned()
}

#[tokio::test]
async fn a_page_shows_what_is_asked_and_changes_nothing() {
    let console = Console::with_open_gate().await;
    let before = console.store.inspect(Clone::clone);
    let response = console.send(open(&console.token(&console.link()))).await;
    assert_eq!(response.status_code, 200);
    let (_, body) = response.body.split_once("</head>").expect("a body");
    insta::assert_snapshot!(body);
    let after = console.store.inspect(Clone::clone);
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    assert!(console.executions.calls.borrow().is_empty());
}

#[tokio::test]
async fn a_person_opens_the_link_and_approves() {
    let console = Console::with_open_gate().await;
    let page = console
        .send(open(&console.token(&console.link())))
        .await
        .body;
    let form = decide(&field(&page, "token"), &field(&page, "nonce"), "approve");
    let response = console.send(form).await;
    assert_eq!(
        notice(&response),
        "200 Approval recorded: ops@example.com approves the cutover gate of wave orders. It \
         counts once; the wave goes on when enough people have approved. You can close this page."
    );
    let messages = console.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].by, Approver::Mail(MAIL.to_owned()));
    assert_eq!(
        messages[0].body,
        Body::Decide {
            gate: Gate::Cutover,
            verdict: Verdict::Approve,
            evidence: evidence().hash(),
            door: Door::Mail,
            only: Part::default(),
            reason: None,
        }
    );
    assert_eq!(console.driver("orders").await.wakes, 1);
}

#[tokio::test]
async fn a_link_counts_once_whatever_the_second_verdict() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let nonce = console.nonce(&token);
    let first = console.send(decide(&token, &nonce, "reject")).await;
    assert!(notice(&first).starts_with("200 Rejection recorded: "));
    for verdict in ["reject", "approve"] {
        let again = console.send(decide(&token, &nonce, verdict)).await;
        assert_eq!(
            notice(&again),
            "410 Too late: This link was used: ops@example.com rejected the cutover gate with it \
             at 2026-12-01 12:00 UTC, and a link counts once. The cutover gate of wave orders has \
             0 of 2 approvals and waits until 2026-12-05 20:00 UTC."
        );
    }
    assert_eq!(console.messages().len(), 1);
}

/// Open and use a link; both are refused in the same words and noted so, and nothing comes of it.
async fn refused(console: &Console, token: &str) -> String {
    let before = console.refusals().await;
    let shown = console.send(open(token)).await;
    let used = console
        .send(decide(token, &console.nonce(token), "approve"))
        .await;
    assert_eq!(notice(&shown), notice(&used));
    assert_eq!(console.refusals().await, before + 2);
    let noted = console.noted().await;
    assert_eq!((&*noted.door, noted.status), ("link", used.status_code));
    assert!(notice(&used).ends_with(&noted.reason), "{noted:?}");
    assert_eq!(noted.who, ADDRESS);
    assert!(console.messages().is_empty());
    assert_eq!(console.driver("orders").await.wakes, 0);
    notice(&shown)
}

#[tokio::test]
async fn forged_and_altered_links_are_refused() {
    let console = Console::with_open_gate().await;
    let link = console.link();
    let token = console.token(&link);
    let (payload, code) = token.split_once('.').expect("a token");
    let others = Link {
        approver: Approver::Mail("eve@example.com".to_owned()),
        ..link.clone()
    };
    let (others, _) = console
        .token(&others)
        .split_once('.')
        .map(|(p, c)| (p.to_owned(), c.to_owned()))
        .expect("a token");
    let with_another_key = link.token(&FakeSigner(b"another key").code(&link.signed()));
    let as_a_form = link.token(
        &console
            .signer
            .code(format!("tidegate form v1\n{payload}").as_bytes()),
    );
    for forged in [
        with_another_key,
        as_a_form,
        format!("{others}.{code}"),
        format!("{payload}."),
    ] {
        let refusal = refused(&console, &forged).await;
        assert_eq!(
            refusal,
            "403 Not allowed: This link was not made by Tidegate, or it was altered: use the one \
             in your mail as it is."
        );
    }
    for altered in [
        "",
        "token",
        &token[..token.len() - 1],
        &"A".repeat(5_000),
        payload,
    ] {
        let refusal = refused(&console, altered).await;
        assert!(refusal.starts_with("40"), "{altered}: {refusal}");
    }
}

#[tokio::test]
async fn an_expired_link_is_refused() {
    let console = Console::with_open_gate().await;
    console.at("2026-12-05T20:00:00Z");
    assert_eq!(
        refused(&console, &console.token(&console.link())).await,
        "410 Too late: This link expired at 2026-12-05 20:00 UTC: nothing was decided with it. The \
         cutover gate of wave orders expired undecided at 2026-12-05 20:00 UTC."
    );
}

#[tokio::test]
async fn truncated_and_swapped_links_are_refused() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let (_, code) = token.split_once('.').expect("a code");
    let others = [
        Link {
            wave: tidegate_world::contract::fixtures::wave_id("billing"),
            ..console.link()
        },
        Link {
            gate: Gate::Finalize,
            ..console.link()
        },
        Link {
            evidence: "ab".repeat(32),
            ..console.link()
        },
        Link {
            expires: time("2027-12-05T20:00:00Z"),
            ..console.link()
        },
    ];
    for other in others {
        let genuine = console.token(&other);
        let (payload, _) = genuine.split_once('.').expect("a payload");
        let swapped = refused(&console, &format!("{payload}.{code}")).await;
        assert!(swapped.starts_with("403 Not allowed: This link was not made by Tidegate"));
        // And with a form's code that is another link's.
        let form = decide(&genuine, &console.nonce(&token), "approve");
        assert!((400..500).contains(&console.send(form).await.status_code));
    }
    for length in 0..token.len() {
        let response = console.send(open(&token[..length])).await;
        assert!(matches!(response.status_code, 400 | 403), "{length}");
        let form = decide(&token[..length], &console.nonce(&token), "approve");
        assert!(matches!(console.send(form).await.status_code, 400 | 403));
    }
    assert!(console.messages().is_empty());
}

#[tokio::test]
async fn a_link_of_a_wave_that_is_gone_is_refused() {
    let console = Console::with_open_gate().await;
    let wave = tidegate_world::contract::fixtures::wave_id("billing");
    let token = console.token(&Link {
        wave,
        ..console.link()
    });
    assert_eq!(
        refused(&console, &token).await,
        "404 Not found: There is no wave billing any more."
    );
}

/// What becomes of the link once the wave was changed so.
async fn after(change: impl FnOnce(&mut Wave)) -> String {
    let console = Console::with_open_gate().await;
    console.save("orders", change).await;
    refused(&console, &console.token(&console.link())).await
}

#[tokio::test]
async fn a_link_is_refused_when_the_gate_has_moved_on() {
    let ended = after(|wave| wave.phase = Phase::Aborted).await;
    assert_eq!(
        ended,
        "410 Too late: Wave orders has ended (Aborted): nothing is asked."
    );

    let closed = after(|wave| wave.gates.clear()).await;
    assert!(closed.starts_with("410 Too late: The cutover gate of wave orders is not open now."));

    let approved = after(|wave| {
        let approved = GateState::Approved {
            evidence: evidence().hash(),
            at: time("2026-12-01T13:00:00Z"),
            by: vec![MAIL.to_owned()],
            jobs: Default::default(),
            settings: Default::default(),
            put_off: Default::default(),
            question: None,
            acted_on: None,
            lapse: None,
        };
        wave.gates.insert(Gate::Cutover, approved);
    });
    assert_eq!(
        approved.await,
        "410 Too late: The cutover gate of wave orders was approved by ops@example.com at \
         2026-12-01 13:00 UTC. Nothing is left to decide with this link."
    );

    let rejected = after(|wave| {
        wave.gates.clear();
        wave.hold = Some(Hold {
            id: HoldId(3),
            since: time("2026-12-01T11:00:00Z"),
            reason: HoldReason::Rejected {
                gate: "cutover".to_owned(),
                by: "dev@example.com".to_owned(),
            },
        });
    });
    assert_eq!(
        rejected.await,
        "410 Too late: The cutover gate of wave orders was rejected by dev@example.com at \
         2026-12-01 11:00 UTC; the wave is held. Nothing is left to decide with this link."
    );

    let changed = after(|wave| {
        if let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) {
            open.evidence.servers.pop();
        }
    });
    assert!(
        changed
            .await
            .starts_with("410 Too late: What this link asked has changed")
    );

    let lapsed = after(|wave| {
        if let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) {
            open.expires = time("2026-12-01T11:00:00Z");
        }
    });
    assert!(
        lapsed
            .await
            .starts_with("410 Too late: The cutover gate of wave orders expired undecided at")
    );

    let dismissed = after(|wave| wave.plan.gates.cutover.approvers.clear()).await;
    assert_eq!(
        dismissed,
        "403 Not allowed: ops@example.com is no approver of the cutover gate."
    );
}

#[tokio::test]
async fn a_link_whose_approval_was_counted_shows_so() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    console
        .send(decide(&token, &console.nonce(&token), "approve"))
        .await;
    console
        .save("orders", |wave| {
            if let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) {
                let by = Approver::Mail(MAIL.to_owned());
                open.approvals.push(Approval {
                    by,
                    at: time("2026-12-01T12:00:00Z"),
                    door: Door::Mail,
                    only: Vec::new(),
                    reason: None,
                });
            }
        })
        .await;
    let shown = console.send(open(&token)).await;
    assert_eq!(
        notice(&shown),
        "410 Too late: This link was used: ops@example.com approved the cutover gate with it at \
         2026-12-01 12:00 UTC, and a link counts once. The cutover gate of wave orders has 1 of 2 \
         approvals and waits until 2026-12-05 20:00 UTC."
    );
}

/// The driver counts what the mail approver approved, at noon.
async fn counted(console: &Console, approved: bool) {
    console
        .save("orders", |wave| {
            let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) else {
                panic!("it is open");
            };
            open.approvals.push(Approval {
                by: Approver::Mail(MAIL.to_owned()),
                at: time("2026-12-01T12:00:00Z"),
                door: Door::Mail,
                only: Vec::new(),
                reason: None,
            });
            if approved {
                let question = Some(Box::new(open.clone()));
                wave.gates.insert(Gate::Cutover, approved_on(question));
            }
        })
        .await;
}

fn approved_on(question: Option<Box<OpenGate>>) -> GateState {
    GateState::Approved {
        evidence: evidence().hash(),
        at: time("2026-12-01T12:00:00Z"),
        by: vec![MAIL.to_owned()],
        jobs: Default::default(),
        settings: Default::default(),
        put_off: Default::default(),
        question,
        acted_on: None,
        lapse: None,
    }
}

#[tokio::test]
async fn a_used_link_says_how_to_decide_anew_only_once_it_is_known_not_to_count() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    console
        .send(decide(&token, &console.nonce(&token), "approve"))
        .await;
    console
        .save("orders", |wave| {
            let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) else {
                panic!("it is open");
            };
            open.withdrawals = 1;
        })
        .await;
    let anew = "have the question sent once more (tidegate ask orders cutover)";
    let first = console.send(open(&token)).await;
    assert!(!notice(&first).contains(anew), "it may not be read yet");
    console.at("2026-12-01T12:10:00Z");
    let later = console.send(open(&token)).await;
    assert!(notice(&later).contains(anew), "{}", later.body);
    counted(&console, false).await;
    let counts = console.send(open(&token)).await;
    assert!(!notice(&counts).contains(anew), "{}", counts.body);
}

#[tokio::test]
async fn an_approval_is_taken_back_by_its_link_until_it_is_acted_on() {
    for approved in [false, true] {
        let console = Console::with_open_gate().await;
        let token = console.token(&console.link());
        console
            .send(decide(&token, &console.nonce(&token), "approve"))
            .await;
        counted(&console, approved).await;
        console.at("2026-12-01T12:10:00Z");
        let page = console.send(open(&token)).await;
        assert!(page.body.contains("Withdraw the approval"), "{}", page.body);
        assert_eq!(console.messages().len(), 1, "looking takes nothing back");
        let form = decide(
            &field(&page.body, "token"),
            &field(&page.body, "nonce"),
            "withdraw",
        );
        let response = console.send(form.clone()).await;
        assert!(
            notice(&response).starts_with("200 Withdrawal recorded: ops@example.com takes back"),
            "{}",
            response.body
        );
        let messages = console.messages();
        assert_eq!(messages.len(), 2);
        let withdrawn = messages.iter().find_map(|message| match &message.body {
            Body::Withdraw {
                gate,
                evidence,
                door,
            } => Some((&message.by, *gate, evidence.clone(), *door)),
            _ => None,
        });
        let by = Approver::Mail(MAIL.to_owned());
        let expected = (&by, Gate::Cutover, evidence().hash(), Door::Mail);
        assert_eq!(withdrawn, Some(expected));
        assert_eq!(console.driver("orders").await.wakes, 2);
        // Once, and the link decides nothing any more.
        for form in [
            form,
            decide(&token, &console.nonce(&token), "approve"),
            open(&token),
        ] {
            let again = console.send(form).await;
            assert!(
                notice(&again).contains("and took that back at 2026-12-01 12:10 UTC"),
                "{}",
                again.body
            );
            assert!(!again.body.contains("Withdraw the approval"));
        }
        assert_eq!(console.messages().len(), 2);
    }
}

/// A form of a used link that takes back is refused, and its page does not offer it.
async fn not_taken_back(verdict: &str, change: impl FnOnce(&mut Wave)) -> String {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let nonce = console.nonce(&token);
    console.send(decide(&token, &nonce, verdict)).await;
    counted(&console, true).await;
    console.save("orders", change).await;
    let page = console.send(open(&token)).await;
    assert!(
        !page.body.contains("Withdraw the approval"),
        "{}",
        page.body
    );
    let before = console.refusals().await;
    let response = console.send(decide(&token, &nonce, "withdraw")).await;
    assert_eq!(console.messages().len(), 1);
    assert_eq!(console.refusals().await, before + 1);
    notice(&response)
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_not() {
    let acted = not_taken_back("approve", |wave| {
        wave.gates.insert(Gate::Cutover, approved_on(None));
    });
    assert_eq!(
        acted.await,
        "409 Nothing was changed: The approval of the cutover gate of wave orders is being acted \
         on: hold the wave instead."
    );
    let rejected = not_taken_back("reject", |_| {}).await;
    assert!(
        rejected.contains("Nothing was approved with this link"),
        "{rejected}"
    );
    let asked_anew = not_taken_back("approve", |wave| {
        let evidence = Evidence::new(wave.id.clone(), Gate::Cutover, 2);
        let asked = OpenGate::new(evidence, wave.phase_since, time("2026-12-06T20:00:00Z"));
        wave.gates.insert(Gate::Cutover, GateState::Open(asked));
    });
    let asked_anew = asked_anew.await;
    assert!(
        asked_anew.contains("does not count any more"),
        "{asked_anew}"
    );
    let ended = not_taken_back("approve", |wave| wave.phase = Phase::Aborted).await;
    assert!(ended.contains("has ended (Aborted)"), "{ended}");
    let dismissed = not_taken_back("approve", |wave| {
        wave.plan.gates.cutover.approvers.clear();
    });
    assert!(dismissed.await.starts_with("403 Not allowed"));

    // Nor what nobody approved, by another's form, by a GET, or once the link has expired.
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let nonce = console.nonce(&token);
    let nothing = console.send(decide(&token, &nonce, "withdraw")).await;
    assert_eq!(nothing.status_code, 409);
    console.send(decide(&token, &nonce, "approve")).await;
    let forged = console.send(decide(&token, "AAAA", "withdraw")).await;
    assert_eq!(forged.status_code, 403);
    let mut elsewhere = decide(&token, &nonce, "withdraw");
    let site = ("sec-fetch-site".to_owned(), "cross-site".to_owned());
    elsewhere.headers.extend([site]);
    assert_eq!(console.send(elsewhere).await.status_code, 403);
    let mut look = open(&token);
    look.raw_query_string
        .push_str(&format!("&nonce={nonce}&verdict=withdraw"));
    assert_eq!(console.send(look).await.status_code, 410);
    console.at("2026-12-05T20:00:00Z");
    let late = console.send(decide(&token, &nonce, "withdraw")).await;
    assert!(notice(&late).starts_with("410 Too late: This link expired"));
    assert_eq!(console.messages().len(), 1);
}

#[tokio::test]
async fn a_link_is_not_enough_where_the_plan_wants_more() {
    let console = Console::with_open_gate().await;
    console
        .save("orders", |wave| wave.plan.gates.cutover.minimum = Door::Iam)
        .await;
    let by_page = Link {
        approver: Approver::Iam(OPERATOR.to_owned()),
        door: Door::Page,
        ..console.link()
    };
    for (link, door) in [
        (console.link(), "a mail link"),
        (by_page, "a page opened with AWS credentials"),
    ] {
        assert_eq!(
            refused(&console, &console.token(&link)).await,
            format!(
                "403 Not allowed: the plan wants more than {door} at the cutover gate: decide by \
                 AWS credentials."
            )
        );
    }
}

#[tokio::test]
async fn a_part_and_a_reason_are_recorded() {
    let console = Console::with_large(25, |_| {}).await;
    let token = console.token(&console.large_link().await);
    let nonce = console.nonce(&token);
    let with = |more: &str| {
        let mut form = decide(&token, &nonce, "approve");
        let body = format!("token={token}&nonce={nonce}&verdict=approve&{more}");
        form.body = Some(STANDARD.encode(body));
        form
    };
    for (unknown, status) in [("only=billing", 409), ("only=%3Cb%3E", 400), ("only=", 400)] {
        let response = console.send(with(unknown)).await;
        assert_eq!(response.status_code, status, "{unknown}");
    }
    assert!(console.messages().is_empty());
    let response = console
        .send(with(
            "only=application-0001&only=application-0001&only=application-0000&reason=%20a%0Ab%20",
        ))
        .await;
    assert!(notice(&response).contains("for application-0000, application-0001 alone"));
    let messages = console.messages();
    let Body::Decide { only, reason, .. } = &messages[0].body else {
        panic!("a decision");
    };
    let names: Vec<_> = only.applications.iter().map(|a| a.as_str()).collect();
    assert_eq!(names, ["application-0000", "application-0001"]);
    assert_eq!(reason.as_deref(), Some("a b"));
}

#[tokio::test]
async fn a_held_wave_says_so_on_the_page() {
    let console = Console::with_open_gate().await;
    console
        .save("orders", |wave| {
            wave.hold = Some(Hold {
                id: HoldId(7),
                since: time("2026-12-01T12:00:00Z"),
                reason: HoldReason::Asked {
                    by: "x".to_owned(),
                    note: "<b>wait</b>".to_owned(),
                },
            });
        })
        .await;
    let page = console
        .send(open(&console.token(&console.link())))
        .await
        .body;
    assert!(
        page.contains("<b>The wave is held.</b> Held by x: &#60;b&#62;wait&#60;/b&#62;"),
        "{page}"
    );
}

#[tokio::test]
async fn pages_say_nothing_to_anybody_else() {
    let console = Console::with_open_gate().await;
    let pages = [
        console.send(request("GET", "/")).await,
        console.send(open(&console.token(&console.link()))).await,
        console.send(open("forged")).await,
        console.send(request("GET", "/favicon.ico")).await,
    ];
    for page in pages {
        let policy = &page.headers["content-security-policy"];
        let (_, style) = page.body.split_once("<style>").expect("a style");
        let (style, _) = style.split_once("</style>").expect("its end");
        let hash = STANDARD.encode(Sha256::digest(style));
        let expected = format!("default-src 'none'; style-src 'sha256-{hash}';");
        assert!(policy.starts_with(&expected), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert!(!page.body.contains("<script"), "{}", page.body);
    }
    let home = console.send(request("GET", "/")).await;
    assert_eq!(home.status_code, 200);
    assert!(!home.body.contains("orders"));
    assert_eq!(
        console
            .send(request("GET", "/favicon.ico"))
            .await
            .status_code,
        404
    );
    assert_eq!(
        console.send(request("DELETE", "/decide")).await.status_code,
        405
    );
    assert_eq!(console.send(request("HEAD", "/")).await.status_code, 200);
}

#[tokio::test]
async fn who_applied_the_plan_can_only_reject() {
    let console = Console::with_open_gate().await;
    console
        .save("orders", |wave| {
            wave.applied_by = Approver::Mail(MAIL.to_uppercase());
        })
        .await;
    let token = console.token(&console.link());
    let page = console.send(open(&token)).await.body;
    assert!(page.contains("You can only reject.") && !page.contains("value=\"approve\""));
    let nonce = console.nonce(&token);
    let approved = console.send(decide(&token, &nonce, "approve")).await;
    assert!(notice(&approved).starts_with("403 Not allowed: ops@example.com applied this wave"));
    assert!(console.messages().is_empty());
    let rejected = console.send(decide(&token, &nonce, "reject")).await;
    assert_eq!(rejected.status_code, 200);
}
