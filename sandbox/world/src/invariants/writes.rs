//! Invariants 1, 2 and 6 at the table: an event counts a wake and writes nothing else, a person's
//! door appends and counts a wake, and each of the other records has one writer.

use super::violated;
use crate::cloud::{Cloud, Function};

/// What acts, and so claims and answers effects.
const ACTS: [Function; 7] = [
    Function::Prepare,
    Function::Launch,
    Function::Lifecycle,
    Function::Validate,
    Function::Gate,
    Function::Finalize,
    Function::Notify,
];

/// Before a function writes to the table; `call` is as the port's methods name it.
pub(crate) fn write(cloud: &Cloud, function: Function, call: &str) {
    let writers: &[Function] = match call {
        "save" | "make_due" | "note what is read" => &[Function::Advance],
        "save observations" | "save jobs" | "at work" => &[Function::Observe],
        "claim" | "answer" => &ACTS,
        "claim server" | "release server" => &[Function::Prepare],
        "remember" => &[Function::Validate],
        "append" | "create" | "note a refusal" => &[Function::Console],
        "park" => &[Function::Park],
        "unpark" | "count wake" | "take generation" => &[
            Function::Events,
            Function::Console,
            Function::Sweep,
            Function::Park,
        ],
        // A read.
        _ => return,
    };
    if !writers.contains(&function) {
        let name = function.name();
        let invariant = if function == Function::Events { 1 } else { 2 };
        violated(cloud, invariant, format!("{name} writes: {call}"));
    }
}
