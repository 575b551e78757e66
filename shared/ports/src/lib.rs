//! The outside boundaries of the functions: one narrow trait for each role, so that a handler
//! runs on AWS, on the local DynamoDB and in memory alike.
//!
//! Implementations are named by technology: `tidegate-aws` and `tidegate-ec2` over the SDK,
//! `tidegate-world` in memory.
#![expect(
    async_fn_in_trait,
    reason = "handlers run on one thread; no bound on Send is needed"
)]

pub mod error;

pub mod clock;

pub mod act;

pub mod audit;
pub mod claims;
pub mod driver;
pub mod effects;
pub mod inbox;
pub mod observations;
pub mod references;
pub mod refusals;
pub mod turns;
pub mod waves;

pub mod commands;
pub mod executions;
pub mod instances;
pub mod mail;
pub mod mgn;
pub mod settings;
pub mod signer;
pub mod slack;
