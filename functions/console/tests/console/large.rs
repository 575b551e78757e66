//! A wave of any size, with everything that a page of it can show.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tidegate_domain::audit::{About, Entry};
use tidegate_domain::gate::{Evidence, Gate, GateState, OpenGate, ServerEvidence, Summary};
use tidegate_domain::id::{ApplicationName, InstanceId, JobId};
use tidegate_domain::link::Link;
use tidegate_domain::observation::ServerSeen;
use tidegate_domain::plan::{Application, Approver};
use tidegate_domain::server::{End, Purpose, Server, Stage, TestInstance};
use tidegate_domain::wave::Phase;
use tidegate_ports::driver::Drivers;
use tidegate_ports::observations::Observations;
use tidegate_ports::turns::Turns;
use tidegate_world::contract::fixtures::{Draft, launch_settings, round, seen, servers, wave_id};

use crate::fixture::{Console, MAIL, STRANGER, time};

/// The servers of an application.
const TOGETHER: usize = 10;

fn application(number: usize) -> ApplicationName {
    ApplicationName::parse(format!("application-{number:04}")).expect("an application")
}

/// Where a server stands: one in ten failed, the others on their way.
fn stage(number: usize) -> Stage {
    let until = time("2026-12-01T13:00:00Z");
    match number % 10 {
        0 => Stage::Ended {
            end: End::Failed {
                purpose: Purpose::Test,
                reason: format!("Tidegate-CheckPort failed on i-{number:017x}: exit status 1"),
            },
        },
        1..5 => Stage::Tested {
            instance: TestInstance::Kept { until },
        },
        5 => Stage::CutOver { at: until },
        _ => Stage::Replicating,
    }
}

fn observed(server: &Server, number: usize) -> ServerSeen {
    let mut seen = seen(&server.id, number, time("2026-12-01T11:59:00Z"));
    let lag = [0, 5, 90, 4_000][number % 4];
    seen.replication.lag = (!number.is_multiple_of(7)).then(|| SignedDuration::from_secs(lag));
    seen.replication.backlog_bytes = (number as u64 * 7_919) % 1_000_000_007;
    seen.replication.total_bytes = 1 << 36;
    seen.replication.replicated_bytes = (number as u64 * 104_729_123) % (1 << 36);
    seen
}

impl Console {
    /// A console with the wave `orders` of that many servers, whose cutover gate is open; `change`
    /// does the rest.
    pub(crate) async fn with_large(count: usize, change: impl FnOnce(&mut Draft)) -> Self {
        let console = Self::empty();
        let id = wave_id("orders");
        let now = time("2026-12-01T12:00:00Z");
        console.store.create(&id, now).await.expect("created");
        let loaded = console.store.load(&id).await.expect("loaded");
        let mut draft = Draft::next(&id, loaded, now);
        draft.servers = servers("orders", count);
        for (number, server) in draft.servers.iter_mut().enumerate() {
            server.application = application(number / TOGETHER);
            server.stage = stage(number);
            server.tests = 1 + u32::from(number % 3 == 0);
        }
        let template = draft.wave.plan.applications[0].clone();
        draft.wave.plan.applications = (0..count.div_ceil(TOGETHER))
            .map(|number| Application {
                name: application(number),
                ..template.clone()
            })
            .collect();
        draft.wave.phase = Phase::AwaitingCutover;
        draft.wave.applied_by = Approver::Iam(STRANGER.to_owned());
        let asked = draft.servers.iter().enumerate();
        let evidence = Evidence {
            servers: asked
                .map(|(number, server)| ServerEvidence {
                    checks: 2,
                    lag: Some(SignedDuration::from_secs(1)),
                    last_snapshot: Some(now),
                    settings: Some(launch_settings(number, "m5.xlarge").mark()),
                    differences: launch_settings(number, "m5.xlarge")
                        .differences(&launch_settings(number, "m5.large")),
                    ..ServerEvidence::new(
                        server.id.clone(),
                        server.hostname.clone(),
                        server.application.clone(),
                        JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
                        InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
                        now,
                    )
                })
                .collect(),
            summary: Summary {
                servers: u32::try_from(count).expect("small"),
                applications: u32::try_from(count.div_ceil(TOGETHER)).expect("small"),
                checks_passed: 2 * u32::try_from(count).expect("small"),
                longest_lag: Some(SignedDuration::from_secs(1)),
                oldest_snapshot: Some(now),
                ..Summary::default()
            },
            ..Evidence::new(id.clone(), Gate::Cutover, 0)
        };
        let open = OpenGate::new(evidence, now, time("2026-12-05T20:00:00Z"));
        draft
            .wave
            .gates
            .insert(Gate::Cutover, GateState::Open(open));
        let entries = ["Waiting", "Preflight", "Testing", "AwaitingCutover"]
            .into_iter()
            .map(|phase| Entry {
                event: "PhaseEntered".to_owned(),
                text: format!("The wave is now {phase}."),
                by: None,
                reference: None,
                about: About::default(),
            })
            .collect();
        let generation = draft.wave.generation;
        let began = time("2026-12-01T09:30:00Z");
        draft.audit = Some(
            draft
                .wave
                .audit
                .append(&id, generation, began, entries, Vec::new()),
        );
        change(&mut draft);
        Turns::save(&console.store, &draft.turn())
            .await
            .expect("saved");
        let seen: BTreeMap<_, _> = draft
            .servers
            .iter()
            .enumerate()
            .map(|(number, server)| (server.id.clone(), observed(server, number)))
            .collect();
        Observations::save(&console.store, &id, &round(now), &seen)
            .await
            .expect("observed");
        console
    }

    /// The link of the mail approver for what the gate of a large wave shows.
    pub(crate) async fn large_link(&self) -> Link {
        let loaded = self.store.load(&wave_id("orders")).await.expect("loaded");
        let wave = loaded.wave.expect("a wave");
        let Some(GateState::Open(open)) = wave.gates.get(&Gate::Cutover) else {
            panic!("the gate is open");
        };
        Link {
            evidence: open.evidence.hash(),
            approver: Approver::Mail(MAIL.to_owned()),
            ..self.link()
        }
    }
}
