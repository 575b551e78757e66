//! Every guess, and what is seen of it through the API when it stands either way.

mod launches;
mod replies;
mod states;

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::Guesses;
use super::{World, config};

/// A guess, and what its probe sees when the answer is no, and when it is yes.
struct Row {
    guess: &'static str,
    no: &'static str,
    yes: &'static str,
    probe: fn(Guesses) -> String,
}

fn rows() -> impl Iterator<Item = &'static Row> {
    [states::ROWS, launches::ROWS, replies::ROWS]
        .into_iter()
        .flatten()
}

/// A world of servers that are READY_FOR_TEST, guessed so.
fn world(servers: usize, guesses: Guesses) -> World {
    World::new(super::Config {
        guesses,
        ..config(servers)
    })
}

/// What a call answers: `accepted`, or the status of the refusal.
fn answer(world: &mut World, operation: &str, input: Value) -> String {
    match world.call(operation, input) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.chars().take(3).collect(),
    }
}

#[test]
fn each_guess_shows_both_ways() {
    for row in rows() {
        assert_ne!(row.no, row.yes, "{}: the row tells nothing", row.guess);
        for (answer, expected) in [(false, row.no), (true, row.yes)] {
            let mut guesses = Guesses::default();
            assert!(guesses.set(row.guess, answer), "{} is no guess", row.guess);
            assert_eq!((row.probe)(guesses), expected, "{}={answer}", row.guess);
        }
    }
}

#[test]
fn each_guess_has_one_row() {
    let mut without: BTreeSet<&str> = Guesses::ALL.iter().map(|(name, ..)| *name).collect();
    for row in rows() {
        assert!(without.remove(row.guess), "{}: a row too many", row.guess);
    }
    assert!(without.is_empty(), "guesses without a row: {without:?}");
}
