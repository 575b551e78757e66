//! Random calls at random times: the quotas hold and the life cycle keeps to its table.

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

use super::super::{Guesses, JobStatus, LaunchStatus, LifeCycleState, Simulator};
use super::{World, config};

const SERVERS: usize = 12;

#[derive(Clone, Debug)]
enum Step {
    Launch(usize, Vec<usize>),
    Change(usize, usize),
    One(usize, usize),
    Pass(i64),
    Stall(usize),
    Down(usize),
    Up(usize),
    Fail(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let server = 1..=SERVERS;
    prop_oneof![
        4 => (0..3_usize, proptest::collection::vec(server.clone(), 1..5)).prop_map(|(kind, servers)| Step::Launch(kind, servers)),
        3 => (server.clone(), 0..3_usize).prop_map(|(server, state)| Step::Change(server, state)),
        2 => (server.clone(), 0..8_usize).prop_map(|(server, operation)| Step::One(server, operation)),
        5 => (0..400_i64).prop_map(Step::Pass),
        1 => server.clone().prop_map(Step::Stall),
        1 => server.clone().prop_map(Step::Down),
        1 => server.clone().prop_map(Step::Up),
        1 => server.prop_map(Step::Fail),
    ]
}

/// The moves of the table, whoever makes them.
fn may_become(from: LifeCycleState, to: LifeCycleState) -> bool {
    use LifeCycleState as S;
    matches!(
        (from, to),
        (S::NotReady, S::ReadyForTest | S::Testing)
            | (
                S::ReadyForTest,
                S::Testing | S::CuttingOver | S::ReadyForCutover
            )
            | (S::Testing, S::ReadyForTest | S::ReadyForCutover)
            | (
                S::ReadyForCutover,
                S::ReadyForTest | S::CuttingOver | S::Testing
            )
            | (
                S::CuttingOver,
                S::ReadyForCutover | S::Cutover | S::Testing
            )
            | (_, S::Disconnected | S::Stopped)
            // Stopped and started again; the life cycle may not have told of the stop.
            | (
                S::Stopped | S::ReadyForTest | S::Testing | S::ReadyForCutover | S::CuttingOver,
                S::NotReady
            )
            | (S::Disconnected, S::Cutover)
    )
}

fn check_invariants(simulator: &Simulator) {
    let quotas = &simulator.config().quotas;
    assert!(simulator.open_jobs().count() <= quotas.concurrent_jobs);
    assert!(simulator.servers_in_jobs() <= quotas.servers_in_all_jobs);
    for server in simulator.servers().values() {
        let jobs = simulator
            .open_jobs()
            .filter(|job| {
                job.participants
                    .get(&server.id)
                    .is_some_and(|participant| !participant.ended)
            })
            .count();
        assert!(jobs <= 1, "{} is in {jobs} jobs", server.id);
        if jobs == 1 {
            assert!(server.job.is_some());
        }
        let alive = simulator
            .instances()
            .values()
            .filter(|instance| instance.server == server.id && instance.terminated.is_none())
            .count();
        assert!(alive <= 1, "{} has {alive} instances", server.id);
    }
    for job in simulator.jobs().values() {
        let over = job
            .participants
            .values()
            .all(|participant| participant.ended);
        if job.status == JobStatus::Completed {
            assert!(over && job.ended.is_some());
            assert_eq!(job.log.last().map(|item| item.event), Some("JOB_END"));
            assert!(job.participants.values().all(|participant| matches!(
                participant.status,
                LaunchStatus::Launched
                    | LaunchStatus::Failed
                    | LaunchStatus::Terminated
                    | LaunchStatus::Pending
            )));
        }
        assert!(
            job.log.windows(2).all(|pair| pair[0].at <= pair[1].at),
            "the log is in order"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quotas_and_life_cycle_hold(
        steps in proptest::collection::vec(step(), 1..80),
        flips in proptest::collection::vec(any::<bool>(), Guesses::ALL.len()),
        seed in any::<u64>(),
    ) {
        let mut config = config(SERVERS);
        config.seed = seed;
        config.durations.jitter = 0.3;
        config.quotas.concurrent_jobs = 3;
        config.quotas.servers_in_all_jobs = 6;
        for ((name, default, _), flip) in Guesses::ALL.iter().zip(flips) {
            config.guesses.set(name, *default ^ flip);
        }
        let mut world = World::new(config);
        for step in steps {
            let before: Vec<_> = world
                .simulator
                .servers()
                .values()
                .map(|server| (server.id.clone(), server.life_cycle))
                .collect();
            let jumped = matches!(step, Step::Pass(_));
            apply(&mut world, step);
            check_invariants(&world.simulator);
            for (id, from) in before {
                let Some(server) = world.simulator.servers().get(&id) else { continue };
                let to = server.life_cycle;
                // A long jump may pass several moves at once.
                if from != to && !jumped {
                    prop_assert!(may_become(from, to), "{from:?} became {to:?}");
                }
            }
        }
        // Left alone, everything comes to rest and every job ends.
        world.simulator.heal();
        let mut jumps = 0;
        while let Some(next) = world.simulator.next_change() {
            world.simulator.advance_to(next);
            jumps += 1;
            prop_assert!(jumps < 20_000);
        }
        check_invariants(&world.simulator);
        prop_assert!(world.simulator.jobs().values().all(|job| job.status == JobStatus::Completed));
    }
}

fn apply(world: &mut World, step: Step) {
    match step {
        Step::Launch(kind, numbers) => {
            let servers: Vec<String> = numbers
                .into_iter()
                .filter_map(|number| world.simulator.server_id(&format!("server{number:04}")))
                .map(str::to_owned)
                .collect();
            let operation = ["StartTest", "StartCutover", "TerminateTargetInstances"][kind];
            let _ = world.call(operation, json!({"sourceServerIDs": servers}));
        }
        Step::Change(number, state) => {
            let state = ["READY_FOR_TEST", "READY_FOR_CUTOVER", "CUTOVER"][state];
            if let Some(server) = known(world, number) {
                let _ = world.change(&server, state);
            }
        }
        Step::One(number, operation) => {
            let operation = [
                "FinalizeCutover",
                "DisconnectFromService",
                "MarkAsArchived",
                "StopReplication",
                "StartReplication",
                "PauseReplication",
                "ResumeReplication",
                "RetryDataReplication",
            ][operation];
            if let Some(server) = known(world, number) {
                let _ = world.call(operation, json!({"sourceServerID": server}));
            }
        }
        Step::Pass(seconds) => {
            world.now += SignedDuration::from_secs(seconds);
            world.simulator.advance_to(world.now);
        }
        Step::Stall(number) => {
            world.simulator.stall(&format!("server{number:04}"));
        }
        Step::Down(number) => {
            world.simulator.source_down(&format!("server{number:04}"));
        }
        Step::Up(number) => {
            world.simulator.source_up(&format!("server{number:04}"));
        }
        Step::Fail(number) => {
            world
                .simulator
                .fail_next_launch(&format!("server{number:04}"));
        }
    }
}

fn known(world: &World, number: usize) -> Option<String> {
    let name = format!("server{number:04}");
    world.simulator.server_id(&name).map(str::to_owned)
}
