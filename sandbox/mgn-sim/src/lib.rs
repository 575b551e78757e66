//! A simulator of AWS Application Migration Service (MGN), with the commands of Systems
//! Manager (SSM) beside it.
//!
//! [`Simulator`] is MGN and [`ssm::SsmSimulator`] is SSM: pure, deterministic, told the time.
//!
//! **Invariant:** what AWS does not document is a [`Guesses`] knob, never a silent choice.

mod core;
pub mod front;
pub mod region;
pub mod ssm;

pub use crate::core::*;
