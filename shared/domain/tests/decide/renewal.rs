//! An execution's history is finite: the driver goes on in a new one in time.

use jiff::SignedDuration;
use tidegate_domain::decide::{Facts, Next, decide};
use tidegate_domain::effect::{EffectStatus, Task};

use crate::fixture::{Hand, plan};

#[test]
fn an_execution_whose_history_fills_goes_on_in_a_new_one_with_what_is_open() {
    // A launch was handed out and never begun, so that there is something to hand out.
    let mut hand = Hand::new(plan(2, 0));
    hand.until_that("a launch", |hand| {
        let mut tasks = hand.tasks.iter();
        tasks.any(|task| matches!(task, Task::StartTest { .. }))
    });
    let mut facts = hand.facts();
    facts.now += SignedDuration::from_mins(1);
    for effect in &mut facts.effects {
        effect.status = EffectStatus::Planned;
    }
    let full = |history: u32| {
        let mut facts = facts.clone();
        facts.wave.as_mut().expect("a wave").history = history;
        facts
    };
    let below = decide(full(17_900));
    assert_eq!(below.next, Next::Act);
    let wanted: Vec<_> = below.hand_out.iter().map(|(id, _)| id.clone()).collect();
    assert!(!wanted.is_empty());

    let over = decide(full(17_990));
    assert_eq!(
        (over.next, over.hand_out.as_slice()),
        (Next::Renew, [].as_slice())
    );
    let wave = over.wave.expect("a wave");
    for effect in &wanted {
        assert_eq!(
            wave.open.get(effect).map(|open| open.tries),
            Some(1),
            "{effect}"
        );
    }

    // The next execution is of a higher generation, and hands it out.
    let mut effects = facts.effects;
    effects.extend(over.effects);
    let next = decide(Facts {
        generation: 2,
        wave: Some(wave),
        servers: over.servers,
        slots: over.slots,
        effects,
        ..facts
    });
    assert_eq!(next.next, Next::Act);
    let handed_out: Vec<_> = next.hand_out.into_iter().map(|(id, _)| id).collect();
    assert_eq!(handed_out, wanted);
    assert!(next.wave.expect("a wave").history < 100);
}
