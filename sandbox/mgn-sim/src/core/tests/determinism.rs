//! The same configuration and calls give the same outputs; other draws leave the rest as it was.

use serde_json::json;

use super::super::{InitialState, Output};
use super::{World, config};

fn run(seed: u64, extra_call: bool) -> (Vec<Output>, String) {
    let mut config = config(5);
    config.seed = seed;
    config.initial = InitialState::NotReady;
    config.durations.jitter = 0.3;
    config.faults.add("launch-failure=0.3").expect("a fault");
    config.faults.add("delay-event=0.5:20s").expect("a fault");
    let mut world = World::new(config);
    world.pass(2_000);
    let servers = world.servers(5);
    if extra_call {
        world.ok("DescribeJobs", json!({}));
    }
    world.start("StartTest", &servers);
    world.pass(2_000);
    let state = world.simulator.state()["servers"].to_string();
    (world.outputs, state)
}

#[test]
fn a_run_replays_from_its_seed() {
    assert_eq!(run(1, false), run(1, false));
    assert_ne!(run(1, false).0, run(2, false).0);
}

#[test]
fn another_call_leaves_the_rest_as_it_was() {
    assert_eq!(run(1, false), run(1, true));
}

#[test]
fn stepping_or_jumping_comes_to_the_same() {
    let run = |step: i64| {
        let mut config = config(3);
        config.initial = InitialState::NotReady;
        let mut world = World::new(config);
        let mut left = 1_400;
        while left > 0 {
            world.pass(step.min(left));
            left -= step;
        }
        world.outputs
    };
    assert_eq!(run(1), run(1_400));
}

#[test]
fn the_clock_can_jump_from_change_to_change() {
    let mut world = World::ready(2);
    let servers = world.servers(2);
    let job = world.start("StartTest", &servers);
    let mut jumps = 0;
    while let Some(next) = world.simulator.next_change() {
        world.now = next;
        let outputs = world.simulator.advance_to(next);
        world.outputs.extend(outputs);
        jumps += 1;
        assert!(jumps < 100, "it comes to rest");
    }
    assert_eq!(world.job(&job)["status"], "COMPLETED");
    assert_eq!(world.events().len(), 2);
}

#[test]
fn time_never_goes_back() {
    let mut world = World::ready(1);
    let server = world.server(1);
    world.start("StartTest", &[&server]);
    world.pass(100);
    let early = "2020-01-01T00:00:00Z".parse().expect("a time");
    world.simulator.advance_to(early);
    assert_eq!(world.simulator.now(), world.now);
}
