//! Every observation in every stage: the table of what becomes of a server.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::SignedDuration;
use tidegate_domain::decide::decide;
use tidegate_domain::message::Body;
use tidegate_domain::observation::{
    CommandStatus, LaunchStatus, LifeCycle, ReplicationState, ServerSeen, StatusChecks,
};
use tidegate_domain::server::{Server, Stage};

use crate::fixture::{Hand, plan, server_id};

/// A change of what is seen.
type Change = (&'static str, fn(&mut ServerSeen));

const CHANGES: [Change; 14] = [
    ("nothing", |_| {}),
    ("launch failed", |s| {
        with_job(s, |j| j.launch = LaunchStatus::Failed)
    }),
    ("launch in progress", |s| {
        with_job(s, |j| {
            j.launch = LaunchStatus::InProgress;
            j.completed = false;
        });
    }),
    ("job ended without launch", |s| {
        with_job(s, |j| j.launch = LaunchStatus::Pending)
    }),
    ("previous snapshot", |s| {
        with_job(s, |j| j.previous_snapshot = true)
    }),
    ("skipped by MGN", |s| with_job(s, |j| j.skipped = true)),
    ("status checks fail", |s| {
        if let Some(i) = &mut s.instance {
            i.checks = StatusChecks::Failed;
        }
    }),
    ("status checks pend", |s| {
        if let Some(i) = &mut s.instance {
            i.checks = StatusChecks::Pending;
        }
    }),
    ("instance gone", |s| {
        if let Some(i) = &mut s.instance {
            i.gone = true;
        }
    }),
    ("commands fail", |s| {
        for status in s.commands.values_mut() {
            *status = CommandStatus::Failed("exit 1".to_owned());
        }
    }),
    ("replication stalls", |s| {
        s.replication.state = ReplicationState::Stalled
    }),
    ("lag", |s| {
        s.replication.lag = Some(SignedDuration::from_mins(5));
        s.replication.backlog_bytes = 1 << 20;
    }),
    ("set back by somebody", |s| {
        s.life_cycle = LifeCycle::ReadyForTest
    }),
    ("finalized by somebody", |s| {
        s.life_cycle = LifeCycle::Cutover
    }),
];

fn with_job(seen: &mut ServerSeen, change: impl Fn(&mut tidegate_domain::observation::JobSeen)) {
    if let Some(job) = &mut seen.job {
        change(job);
    }
}

/// How a wave goes until it ends.
enum Way {
    ByTheBook,
    /// It is rolled back during the soak.
    RolledBack,
    /// It is aborted at the cutover gate, where its test instance is kept.
    Aborted,
    /// Its cutover fails, and then it is aborted.
    CutoverFailed,
}

/// The facts of each decision at which the first server's stage was another than before.
fn in_each_stage() -> Vec<(Hand, Server)> {
    let mut found: Vec<(Hand, Server)> = Vec::new();
    for way in [
        Way::ByTheBook,
        Way::RolledBack,
        Way::Aborted,
        Way::CutoverFailed,
    ] {
        for (hand, server) in walk(&way) {
            let known = found.iter().any(|(other, last)| {
                heading(&last.stage, other.phase()) == heading(&server.stage, hand.phase())
            });
            if !known {
                found.push((hand, server));
            }
        }
    }
    let stages: BTreeSet<usize> = found
        .iter()
        .map(|(_, server)| number(&server.stage))
        .collect();
    assert_eq!(
        stages.len(),
        STAGES,
        "every stage is in the table: {stages:?}"
    );
    found
}

fn walk(way: &Way) -> Vec<(Hand, Server)> {
    let mut hand = Hand::new(plan(1, 0));
    let mut found: Vec<(Hand, Server)> = Vec::new();
    let mut ended_by_hand = false;
    for _ in 0..200 {
        let decision = hand.turn();
        let gate = hand.wave().gates.get(&tidegate_domain::gate::Gate::Cutover);
        let asked = matches!(gate, Some(tidegate_domain::gate::GateState::Open(_)));
        let end = match way {
            Way::ByTheBook => None,
            Way::RolledBack => (hand.phase() == "Soaking").then(|| Body::RollBack {
                note: String::new(),
            }),
            Way::Aborted => asked.then_some(Body::Abort),
            Way::CutoverFailed => hand.wave().hold.is_some().then_some(Body::Abort),
        };
        if let Some(end) = end.filter(|_| !ended_by_hand) {
            ended_by_hand = true;
            hand.send(end);
        } else if asked && hand.inbox.is_empty() {
            if matches!(way, Way::CutoverFailed) {
                hand.launches = vec![LaunchStatus::Failed; 9];
            }
            hand.approve();
        }
        if let Some(server) = hand.servers.first()
            && found
                .last()
                .is_none_or(|(_, last)| last.stage != server.stage)
        {
            found.push((hand.clone(), server.clone()));
        }
        if hand.wave().phase.terminal() {
            return found;
        }
        if decision.hand_out.is_empty() && decision.wake_at > hand.now {
            hand.now = decision.wake_at;
        }
    }
    panic!("the wave does not end");
}

/// How many stages there are.
const STAGES: usize = 19;

/// A stage's place. A new stage has to be added to the table: this no longer compiles then.
fn number(stage: &Stage) -> usize {
    match stage {
        Stage::Replicating => 0,
        Stage::Launching { .. } => 1,
        Stage::Checking { .. } => 2,
        Stage::Validating { .. } => 3,
        Stage::Accepting { .. } => 4,
        Stage::Tested { .. } => 5,
        Stage::Quiescing { .. } => 6,
        Stage::Settling { .. } => 7,
        Stage::CutOver { .. } => 8,
        Stage::Finalizing { .. } => 9,
        Stage::Finalized { .. } => 10,
        Stage::Silencing { .. } => 11,
        Stage::Stopping { .. } => 12,
        Stage::Keeping { .. } => 13,
        Stage::Copying { .. } => 14,
        Stage::Restarting { .. } => 15,
        Stage::Returning { .. } => 16,
        Stage::Terminating { .. } => 17,
        Stage::Ended { .. } => 18,
    }
}

/// How a stage is called in the table, with how far what it asked for is.
fn heading(stage: &Stage, phase: &str) -> String {
    format!("{} ({}), {phase}", stage.name(), step(stage))
}

fn step(stage: &Stage) -> &'static str {
    let json = serde_json::to_string(stage).expect("JSON");
    let steps = ["due", "requested", "running", "sending", "calling"];
    let step = steps.iter().find(|s| json.contains(&format!("\"{s}\"")));
    step.copied().unwrap_or("-")
}

fn answered(effect: &tidegate_domain::effect::Effect) -> bool {
    matches!(
        effect.status,
        tidegate_domain::effect::EffectStatus::Answered { .. }
    )
}

fn step_waits(step: &str) -> bool {
    matches!(step, "requested" | "sending" | "calling")
}

#[test]
fn every_observation_in_every_stage() {
    let mut table = String::new();
    for (hand, server) in in_each_stage() {
        let json = serde_json::to_string(&server.stage).expect("JSON");
        writeln!(table, "## {}", heading(&server.stage, hand.phase())).expect("text");
        let waits = step_waits(step(&server.stage));
        let answers: &[bool] = if hand.facts().effects.iter().any(answered) && waits {
            &[false, true]
        } else {
            &[false]
        };
        for (name, change, answer) in answers
            .iter()
            .flat_map(|a| CHANGES.map(|(name, change)| (name, change, *a)))
        {
            let mut facts = hand.facts();
            facts.now += SignedDuration::from_secs(2);
            // First what was asked for is not answered yet, then it is.
            let seen = facts.seen.get_mut(&server_id(0)).expect("a server");
            seen.at = facts.now - SignedDuration::from_secs(1);
            for effect in facts.effects.iter_mut().filter(|_| !answer) {
                effect.status = tidegate_domain::effect::EffectStatus::Planned;
            }
            if let Some(i) = json.find("\"command\":\"") {
                let command: String = json[i + 11..].chars().take_while(|c| *c != '"').collect();
                let command = tidegate_domain::id::CommandId::parse(command).expect("an ID");
                seen.commands.insert(command, CommandStatus::Succeeded);
            }
            change(seen);
            let decision = decide(facts);
            let after = decision.servers.first().expect("a server");
            let hold = decision
                .wave
                .and_then(|w| w.hold)
                .map(|h| h.reason.sentence());
            writeln!(
                table,
                "{name}{}: {}{}",
                if answer { ", its effect answered" } else { "" },
                after.stage.name(),
                hold.map(|h| format!(" | {h}")).unwrap_or_default()
            )
            .expect("text");
        }
    }
    insta::assert_snapshot!(table);
}
