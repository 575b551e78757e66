//! The pure core of the MGN simulator: no clock, no I/O, no chance but the seed's.
//!
//! One file per subject. A call goes through [`simulator`] to the subject's file; what is
//! due by itself comes back through the timeline; what comes out is an [`Output`].
//!
//! **Invariant:** nothing in here knows HTTP, the AWS SDK or the time.

pub(crate) mod simulator;

// What is configured.
pub(crate) mod config;
pub(crate) mod durations;
pub(crate) mod faults;
pub(crate) mod guesses;
pub(crate) mod script;

// What MGN holds.
mod actions;
mod applications;
mod connectors;
pub(crate) mod instance;
pub(crate) mod job;
mod job_end;
mod launch;
mod launch_config;
mod lifecycle;
mod progress;
mod quota;
pub(crate) mod replication;
mod replication_config;
pub(crate) mod server;
mod tags;
mod templates;
mod waves;

// What every subject uses.
pub(crate) mod errors;
pub(crate) mod model;
pub(crate) mod output;
mod paging;
pub(crate) mod random;
mod timeline;
mod validate;
pub(crate) mod wire;

pub use config::{Config, Drift, InitialState, Machine, Quotas};
pub use durations::{Durations, parse_duration};
pub use errors::ApiError;
pub use faults::{
    CallFault, CallFaultKind, EventFault, EventFaultKind, FAULT_HELP, FailingStage, Faults,
    LaunchFault, LaunchFaultKind, ScheduledFault, ScheduledFaultKind,
};
pub use guesses::Guesses;
pub use instance::{Instance, StatusChecks};
pub use job::{Job, JobKind, JobStatus, LaunchStatus, LogItem, Participant};
pub use output::{LAUNCH_RESULT, LIFECYCLE_CHANGE, Output, STALLED_CHANGE};
pub use replication::ReplicationState;
pub use server::{Attempt, LaunchedInstance, LifeCycleState, SourceServer};
pub use simulator::{Reply, Simulator};

#[cfg(test)]
mod tests;
