//! The world: the functions' own handlers over simulated services and a virtual clock, for
//! simulation tests, rehearsals and benchmarks.
//!
//! **Invariant**: a world is a function of its seed. The decision, the handlers and the state
//! machine file are those that are deployed; only what lies outside the ports is played.

pub mod asl;
pub mod random;
pub mod runtime;

pub mod memory;

pub mod cloud;
pub mod coverage;
pub mod faults;
pub mod invariants;
pub mod journal;

pub mod mischief;
pub mod people;
pub mod scenario;
pub mod simulation;

pub mod contract;
pub mod fakes;
