//! Launch settings: shown with what changed since the test, bound to the approval, read again
//! before anything is stopped and before anything is launched.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{Evidence, Gate, GateState, WarningKind};
use tidegate_domain::launch_settings::list;
use tidegate_domain::observation::{Failing, ReplicationState};
use tidegate_domain::plan::{GatePlan, Plan};

use crate::fixture::{Hand, plan, server_id, settings};

const CUTOVER: Gate = Gate::Cutover;

fn asking(change: impl FnOnce(&mut Plan)) -> Hand {
    let mut plan = plan(2, 1);
    change(&mut plan);
    let mut hand = Hand::new(plan);
    hand.asked_again(0);
    hand
}

impl Hand {
    fn shown(&self) -> &Evidence {
        self.shown_at(CUTOVER)
    }

    fn shown_at(&self, gate: Gate) -> &Evidence {
        match self.wave().gates.get(&gate) {
            Some(GateState::Open(open)) => &open.evidence,
            other => panic!("the gate is not open: {other:?}"),
        }
    }

    /// Turns until the finalize gate asks.
    fn finalize_asked(&mut self) -> &mut Self {
        self.until_that("the finalize gate", |hand| {
            let gates = hand.wave.as_ref().map(|wave| &wave.gates);
            gates.is_some_and(|gates| gates.contains_key(&Gate::Finalize))
        })
    }

    /// What the finalize gate warns of.
    fn warned_of(&self) -> Vec<&str> {
        let warnings = &self.shown_at(Gate::Finalize).warnings;
        warnings.iter().map(|w| w.text.as_str()).collect()
    }

    /// Turns until the gate asks for the time after so many.
    pub(crate) fn asked_again(&mut self, round: u32) -> &mut Self {
        self.until_that("an open gate", |hand| {
            let gate = hand.wave.as_ref().and_then(|wave| wave.gates.get(&CUTOVER));
            matches!(gate, Some(GateState::Open(open)) if open.evidence.round == round)
        })
    }

    /// Somebody makes another version the default one of these servers.
    fn change(&mut self, servers: &[usize], version: u64, instance_type: &str) {
        for n in servers {
            let settings = settings(version, instance_type);
            self.settings.insert(server_id(*n), settings);
        }
    }

    fn changed(&self) -> Vec<&str> {
        self.shown()
            .changed
            .told
            .iter()
            .map(String::as_str)
            .collect()
    }

    fn cutovers(&self) -> usize {
        let cutover = |task: &&Task| matches!(task, Task::StartCutover { .. });
        self.tasks.iter().filter(cutover).count()
    }
}

#[test]
fn settings_as_tested_are_shown_and_nothing_is_said() {
    let hand = asking(|_| {});
    let shown = hand.shown();
    assert_eq!(shown.warnings, []);
    for server in &shown.servers {
        assert_eq!(server.settings, Some(settings(1, "m5.large").mark()));
        assert_eq!(server.differences, []);
    }
}

#[test]
fn a_template_that_changes_lapses_the_approval_and_people_see_the_difference() {
    let mut hand = asking(|plan| plan.gates.cutover.quorum = 1);
    hand.change(&[1], 2, "m5.xlarge");
    hand.asked_again(1);
    let difference = "instance type was m5.large, is m5.xlarge";
    assert_eq!(
        hand.changed(),
        [format!("host01 would be launched otherwise: {difference}")]
    );
    let warning = &hand.shown().warnings[0];
    assert_eq!((warning.kind, warning.servers), (WarningKind::Changed, 1));
    assert_eq!(
        warning.text,
        format!("Would be launched otherwise than tested: {difference}: host01.")
    );
    assert_eq!(hand.shown().servers[1].differences.len(), 1);
    // It was no failure, and what is approved now is what is launched.
    hand.approve();
    hand.until("Completed");
    assert!(hand.servers.iter().all(|server| server.tests == 1));
}

#[test]
fn another_version_that_says_the_same_changes_nothing() {
    let mut hand = asking(|_| {});
    hand.change(&[0, 1, 2], 7, "m5.large");
    hand.now += SignedDuration::from_hours(1);
    hand.turn();
    hand.turn();
    assert_eq!(hand.shown().round, 0);
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn what_was_approved_may_change_back_only_with_another_approval() {
    let mut hand = asking(|_| {});
    hand.change(&[0], 2, "m5.xlarge");
    hand.asked_again(1);
    hand.change(&[0], 3, "m5.2xlarge");
    hand.asked_again(2);
    assert_eq!(
        hand.changed(),
        [
            "host00 would be launched otherwise again: since its test, instance type was m5.large, \
          is m5.2xlarge"
        ]
    );
    hand.change(&[0], 4, "m5.large");
    hand.asked_again(3);
    assert_eq!(
        hand.changed(),
        ["host00 would be launched as it was tested again"]
    );
    assert_eq!(hand.shown().warnings, []);
}

#[test]
fn a_change_after_the_approval_is_seen_before_anything_is_stopped() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until("CuttingOver");
    hand.change(&[1], 2, "m5.xlarge");
    hand.asked_again(1);
    assert_eq!(hand.phase(), "AwaitingCutover");
    assert!(hand.servers.iter().all(|s| s.stage.name() == "tested"));
    assert!(hand.servers.iter().all(|s| s.quiesced_at.is_none()));
    assert_eq!(hand.cutovers(), 0);
    hand.approve();
    hand.until("Completed");
}

#[test]
fn a_change_after_the_quiesce_starts_the_source_again_and_costs_no_attempt() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until_that("a stopped source", |hand| {
        hand.servers.iter().any(|s| s.stage.name() == "catching up")
    });
    hand.change(&[0, 1], 2, "m5.xlarge");
    hand.asked_again(1);
    assert_eq!(hand.cutovers(), 0);
    assert!(hand.servers.iter().all(|s| s.quiesced_at.is_none()));
    assert!(
        hand.told
            .iter()
            .any(|line| line.starts_with("SourceRestarted"))
    );
    assert!(
        hand.servers
            .iter()
            .all(|s| (s.tests, s.cutovers, s.failed) == (1, 0, false))
    );
    assert_eq!(hand.shown().warnings[0].servers, 2);
    hand.approve();
    hand.until("Completed");
}

#[test]
fn a_gate_that_decides_by_itself_goes_on_with_what_is_there_now() {
    let mut hand = Hand::new({
        let mut plan = plan(2, 0);
        plan.gates.cutover = GatePlan::automatic();
        plan
    });
    hand.until("CuttingOver");
    hand.change(&[0], 2, "m5.xlarge");
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 2);
}

#[test]
fn settings_that_cannot_be_read_are_a_warning_and_block_nothing() {
    let mut hand = Hand::new(plan(2, 1));
    hand.unreadable = Some("not allowed: ec2:DescribeLaunchTemplates");
    hand.asked_again(0);
    let warnings = &hand.shown().warnings;
    assert_eq!(
        warnings.iter().map(|w| w.text.as_str()).collect::<Vec<_>>(),
        [
            "Launch settings are not known, so that a change would not be seen (not allowed: \
          ec2:DescribeLaunchTemplates): host00, host01, host02."
        ]
    );
    assert_eq!(hand.shown().servers[0].settings, None);
    hand.approve();
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn settings_that_can_be_read_no_more_are_asked_about_in_the_end() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until("CuttingOver");
    hand.unreadable = Some("failed: RequestLimitExceeded");
    let since = hand.now;
    hand.asked_again(1);
    assert!(hand.now.duration_since(since) >= SignedDuration::from_mins(5));
    assert_eq!(
        hand.changed()[0],
        "the launch settings of host00 cannot be read any more (failed: RequestLimitExceeded)"
    );
    hand.approve();
    hand.until("Completed");
}

#[test]
fn a_short_failure_is_waited_for() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until("CuttingOver");
    hand.unreadable = Some("failed: RequestLimitExceeded");
    for _ in 0..4 {
        hand.turn();
        hand.now += SignedDuration::from_secs(15);
    }
    assert!(hand.servers.iter().all(|s| s.stage.name() == "tested"));
    hand.unreadable = None;
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

#[test]
fn a_read_that_failed_is_tried_again_although_one_before_it_did_not() {
    let mut hand = asking(|_| {});
    hand.approve();
    hand.until("CuttingOver");
    let replicates = |hand: &mut Hand, state| {
        let seen = hand.seen.get_mut(&server_id(0)).expect("a server");
        seen.replication.state = state;
    };
    replicates(&mut hand, ReplicationState::Rescan);
    hand.turn();
    hand.turn();
    let at = hand.now;
    for seen in hand.seen.values_mut() {
        assert!(
            seen.settings.configuration_at > Some(hand.wave.as_ref().expect("a wave").phase_since)
        );
        seen.settings.failing = Some(Failing {
            since: at,
            at,
            message: "failed: throttled".to_owned(),
            configuration: true,
        });
    }
    replicates(&mut hand, ReplicationState::Continuous);
    hand.until("Completed");
    assert_eq!(hand.wave().rounds[&CUTOVER], 1);
}

/// A wave whose cutover gate asks, and whose finalize gate will.
fn asking_twice() -> Hand {
    asking(|plan| plan.gates.finalize = plan.gates.cutover.clone())
}

#[test]
fn the_finalize_gate_shows_with_what_was_cut_over() {
    let mut hand = asking_twice();
    hand.approve();
    hand.finalize_asked();
    assert_eq!(hand.warned_of(), [""; 0]);
    for server in &hand.shown_at(Gate::Finalize).servers {
        assert_eq!(server.settings, Some(settings(1, "m5.large").mark()));
        assert_eq!(server.differences, []);
    }
}

#[test]
fn what_was_approved_otherwise_than_tested_is_shown_and_no_warning() {
    let mut hand = asking_twice();
    hand.change(&[1], 2, "m5.xlarge");
    hand.asked_again(1);
    hand.approve();
    hand.finalize_asked();
    assert_eq!(hand.warned_of(), [""; 0]);
    let server = &hand.shown_at(Gate::Finalize).servers[1];
    assert_eq!(server.settings, Some(settings(2, "m5.xlarge").mark()));
    assert_eq!(
        list(&server.differences),
        "instance type was m5.large, is m5.xlarge"
    );
}

#[test]
fn a_template_that_changes_while_mgn_launches_is_told_before_finalizing() {
    let mut hand = asking_twice();
    hand.approve();
    hand.until_that("a cutover", |hand| hand.cutovers() == 1);
    hand.change(&[1], 2, "m5.xlarge");
    hand.finalize_asked();
    assert_eq!(
        hand.warned_of(),
        ["Launched otherwise than approved: instance type was m5.large, is m5.xlarge: host01."]
    );
}

#[test]
fn a_cutover_whose_settings_nobody_could_read_is_told_before_finalizing() {
    let mut hand = asking_twice();
    hand.approve();
    hand.until_that("the last cutover", |hand| hand.cutovers() == 2);
    hand.unreadable = Some("not allowed: ec2:DescribeLaunchTemplates");
    hand.finalize_asked();
    assert_eq!(
        hand.warned_of(),
        ["Not known with which launch settings they were cut over: host02."]
    );
}

#[test]
fn the_largest_wave_is_decided_within_one_transaction() {
    const SHARE: usize = 10;
    let bytes = |json: serde_json::Result<Vec<u8>>| json.expect("it is JSON").len();
    let mut hand = Hand::new(plan(150, 150));
    // The question with its evidence, in the wave and in the effect that asks it.
    hand.asked_again(0);
    let ask = |task: &&Task| matches!(task, Task::OpenGate { .. });
    let asked = bytes(serde_json::to_vec(&hand.tasks.iter().find(ask)));
    let wave = bytes(serde_json::to_vec(hand.wave()));
    assert!(
        (asked + wave) * SHARE < 3_500_000,
        "{wave} and {asked} bytes"
    );
    // All of its servers at once, until they know the most of themselves.
    hand.approve();
    hand.until_that("Soaking", |hand| {
        let wave = bytes(serde_json::to_vec(hand.wave()));
        let servers = bytes(serde_json::to_vec(&hand.servers));
        assert!(
            (servers + wave) * SHARE < 4_000_000,
            "{wave} and {servers} bytes"
        );
        hand.phase() == "Soaking"
    });
}
