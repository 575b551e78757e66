//! Replication: from the agent's first word to CONTINUOUS, and what can interrupt it.
//!
//! INITIATING (eleven steps) → INITIAL_SYNC → BACKLOG → CREATING_SNAPSHOT → CONTINUOUS.
//! READY_FOR_TEST follows the first launchable snapshot, not the last byte.
//!
//! **Invariant:** a server has at most one planned step; its epoch tells it from older ones.

use jiff::{SignedDuration, Timestamp};

use super::durations::scaled;
use super::faults::{ScheduledFault, ScheduledFaultKind};
use super::output::later;
use super::server::{LifeCycleState, SourceServer};
use super::simulator::Simulator;
use super::timeline::Due;

mod operations;
mod shown;

/// The steps that set up a replication, in order.
const STEPS: [&str; 11] = [
    "WAIT",
    "CREATE_SECURITY_GROUP",
    "LAUNCH_REPLICATION_SERVER",
    "BOOT_REPLICATION_SERVER",
    "AUTHENTICATE_WITH_SERVICE",
    "DOWNLOAD_REPLICATION_SOFTWARE",
    "CREATE_STAGING_DISKS",
    "ATTACH_STAGING_DISKS",
    "PAIR_REPLICATION_SERVER_WITH_AGENT",
    "CONNECT_AGENT_TO_REPLICATION_SERVER",
    "START_DATA_TRANSFER",
];

/// DataReplicationState, as far as agents get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicationState {
    /// Not replicating; no resources left.
    Stopped,
    /// Being set up.
    Initiating,
    /// The first copy.
    InitialSync,
    /// Catching up with what was written meanwhile.
    Backlog,
    /// The first launchable snapshot.
    CreatingSnapshot,
    /// In step with the source.
    Continuous,
    /// PauseReplication was called.
    Paused,
    /// Reading the disks again.
    Rescan,
    /// Stalled.
    Stalled,
    /// Ended for good.
    Disconnected,
}

impl ReplicationState {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::Initiating => "INITIATING",
            Self::InitialSync => "INITIAL_SYNC",
            Self::Backlog => "BACKLOG",
            Self::CreatingSnapshot => "CREATING_SNAPSHOT",
            Self::Continuous => "CONTINUOUS",
            Self::Paused => "PAUSED",
            Self::Rescan => "RESCAN",
            Self::Stalled => "STALLED",
            Self::Disconnected => "DISCONNECTED",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Replication {
    pub(crate) state: ReplicationState,
    pub(crate) epoch: u32,
    pub(crate) initiated: Option<Timestamp>,
    pub(crate) steps_done: usize,
    pub(crate) stage_length: SignedDuration,
    pub(crate) stage_ends: Timestamp,
    pub(crate) interrupted: Option<Interrupted>,
    pub(crate) last_snapshot: Option<Timestamp>,
    pub(crate) error: Option<(&'static str, String)>,
    pub(crate) replicator: String,
    pub(crate) total_zeroed: bool,
}

/// What a stall or a pause interrupted.
#[derive(Clone, Debug)]
pub(crate) struct Interrupted {
    state: ReplicationState,
    remaining: SignedDuration,
    since: Timestamp,
}

impl Replication {
    pub(crate) fn new(at: Timestamp, replicator: String) -> Self {
        Self {
            state: ReplicationState::Initiating,
            epoch: 0,
            initiated: None,
            steps_done: 0,
            stage_length: SignedDuration::ZERO,
            stage_ends: at,
            interrupted: None,
            last_snapshot: None,
            error: None,
            replicator,
            total_zeroed: false,
        }
    }

    /// Which part of the first copy is done, 0 to 1.
    fn copied(&self, now: Timestamp) -> f64 {
        let (state, remaining) = match &self.interrupted {
            Some(interrupted) => (interrupted.state, interrupted.remaining),
            None => (self.state, self.stage_ends.duration_since(now)),
        };
        match state {
            ReplicationState::Stopped | ReplicationState::Initiating => 0.0,
            ReplicationState::InitialSync => {
                let length = self.stage_length.as_secs_f64().max(f64::MIN_POSITIVE);
                (1.0 - remaining.as_secs_f64() / length).clamp(0.0, 1.0)
            }
            ReplicationState::Backlog
            | ReplicationState::CreatingSnapshot
            | ReplicationState::Continuous
            | ReplicationState::Paused
            | ReplicationState::Rescan
            | ReplicationState::Stalled
            | ReplicationState::Disconnected => 1.0,
        }
    }
}

impl Simulator {
    /// A replication begins.
    pub(crate) fn start_replicating(&mut self, id: &str, at: Timestamp) {
        let keeps = self.config.guesses.discovered_until_synced;
        if let Some(server) = self.servers.get_mut(id) {
            if server.life_cycle != LifeCycleState::Discovered || !keeps {
                server.life_cycle = LifeCycleState::NotReady;
            }
            server.awaits_agent = false;
            server.replication.initiated = Some(at);
            server.replication.steps_done = 0;
            server.replication_ended = None;
            server.replication.error = None;
            server.replication.interrupted = None;
            self.enter(id, ReplicationState::Initiating, at);
        }
    }

    /// A replication that was in step long before the start.
    pub(crate) fn replicate_at_once(&mut self, id: &str, at: Timestamp) {
        if let Some(server) = self.servers.get_mut(id) {
            server.life_cycle = LifeCycleState::ReadyForTest;
            server.ready_announced = true;
            server.first_byte = Some(at);
            server.replication.initiated = Some(at);
            server.replication.steps_done = STEPS.len();
            server.replication.last_snapshot = Some(at);
            server.replication.state = ReplicationState::Continuous;
        }
    }

    pub(crate) fn not_replicating(&mut self, id: &str, state: LifeCycleState) {
        if let Some(server) = self.servers.get_mut(id) {
            server.life_cycle = state;
            server.replication.state = ReplicationState::Stopped;
        }
    }

    /// An imported server: it is known, and its agent is not installed.
    pub(crate) fn await_agent(&mut self, id: &str) {
        let state = if self.config.guesses.imported_is_pending {
            LifeCycleState::PendingInstallation
        } else {
            LifeCycleState::NotReady
        };
        self.not_replicating(id, state);
        if let Some(server) = self.servers.get_mut(id) {
            server.awaits_agent = true;
        }
    }

    /// Enters a state, and plans its end if it has one.
    fn enter(&mut self, id: &str, state: ReplicationState, at: Timestamp) {
        let length = self.stage_length(id, state);
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        let replication = &mut server.replication;
        replication.state = state;
        replication.epoch += 1;
        replication.stage_length = length.unwrap_or(SignedDuration::ZERO);
        replication.stage_ends = later(at, replication.stage_length);
        if length.is_some() {
            let due = Due::Replication {
                server: id.to_owned(),
                epoch: replication.epoch,
            };
            let ends = replication.stage_ends;
            self.timeline.add(ends, due);
        }
    }

    fn stage_length(&self, id: &str, state: ReplicationState) -> Option<SignedDuration> {
        let server = self.servers.get(id)?;
        let durations = &self.config.durations;
        if let Some(total) = durations.sync_after {
            let part = match state {
                ReplicationState::Initiating => Some(0.3 / STEPS.len() as f64),
                ReplicationState::InitialSync => Some(0.5),
                ReplicationState::Backlog => Some(0.05),
                ReplicationState::CreatingSnapshot => Some(0.15),
                _ => None,
            };
            if let Some(part) = part {
                return Some(scaled(total, part));
            }
        }
        let length = match state {
            ReplicationState::Initiating => durations.initiation_step,
            ReplicationState::InitialSync => {
                scaled(durations.initial_sync_per_gib, server.gib() as f64)
            }
            ReplicationState::Backlog => durations.backlog,
            ReplicationState::CreatingSnapshot => durations.first_snapshot,
            ReplicationState::Rescan => durations.rescan,
            ReplicationState::Stopped
            | ReplicationState::Continuous
            | ReplicationState::Paused
            | ReplicationState::Stalled
            | ReplicationState::Disconnected => return None,
        };
        let count = u64::from(server.replication.epoch);
        Some(durations.drawn(length, &self.random, "replication", id, count))
    }

    /// A planned step of a replication.
    pub(crate) fn replication_step(&mut self, id: &str, epoch: u32, at: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        if server.replication.epoch != epoch {
            return;
        }
        match server.replication.state {
            ReplicationState::Initiating => {
                server.replication.steps_done += 1;
                if server.replication.steps_done < STEPS.len() {
                    self.enter(id, ReplicationState::Initiating, at);
                } else {
                    server.first_byte.get_or_insert(at);
                    self.enter(id, ReplicationState::InitialSync, at);
                }
            }
            ReplicationState::InitialSync => self.enter(id, ReplicationState::Backlog, at),
            ReplicationState::Backlog if server.replication.last_snapshot.is_none() => {
                self.enter(id, ReplicationState::CreatingSnapshot, at);
            }
            ReplicationState::Backlog
            | ReplicationState::CreatingSnapshot
            | ReplicationState::Rescan => self.become_continuous(id, at),
            ReplicationState::Stalled => self.stall_ends(id, at),
            ReplicationState::Stopped
            | ReplicationState::Continuous
            | ReplicationState::Paused
            | ReplicationState::Disconnected => {}
        }
    }

    fn become_continuous(&mut self, id: &str, at: Timestamp) {
        self.enter(id, ReplicationState::Continuous, at);
        let again = self.config.guesses.ready_event_after_restart;
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        server.replication.last_snapshot.get_or_insert(at);
        if !matches!(
            server.life_cycle,
            LifeCycleState::NotReady | LifeCycleState::Discovered
        ) {
            return;
        }
        if again {
            server.ready_announced = false;
        }
        self.become_ready_for_test(id, at);
    }

    /// READY_FOR_TEST, which is announced the first time.
    pub(crate) fn become_ready_for_test(&mut self, id: &str, at: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        server.life_cycle = LifeCycleState::ReadyForTest;
        if !server.ready_announced {
            server.ready_announced = true;
            self.emit_ready(at, id);
        }
    }

    /// A continuous replication has to catch up.
    pub(crate) fn falls_behind(&mut self, id: &str, at: Timestamp) {
        let continuous = self
            .servers
            .get(id)
            .is_some_and(|server| server.replication.state == ReplicationState::Continuous);
        if continuous {
            self.enter(id, ReplicationState::Backlog, at);
        }
    }

    /// A stall begins, if the replication is under way.
    pub(crate) fn stall_begins(&mut self, id: &str, error: &'static str, at: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        if !under_way(server.replication.state) {
            return;
        }
        interrupt(server, ReplicationState::Stalled, at);
        server.replication.error = Some((error, "The replication does not progress.".to_owned()));
        self.emit_stalled(at, id, true);
    }

    pub(crate) fn stall_ends(&mut self, id: &str, at: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        let down = server.down_since.is_some();
        if server.replication.state != ReplicationState::Stalled || down {
            return;
        }
        server.replication.error = None;
        self.emit_stalled(at, id, false);
        self.go_on(id, at);
    }

    /// Goes on with what a stall or a pause interrupted.
    fn go_on(&mut self, id: &str, at: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        let Some(interrupted) = server.replication.interrupted.take() else {
            return;
        };
        if interrupted.state == ReplicationState::Continuous {
            self.enter(id, ReplicationState::Rescan, at);
            return;
        }
        let replication = &mut server.replication;
        replication.state = interrupted.state;
        replication.epoch += 1;
        replication.stage_ends = later(at, interrupted.remaining);
        let due = Due::Replication {
            server: id.to_owned(),
            epoch: replication.epoch,
        };
        let ends = replication.stage_ends;
        self.timeline.add(ends, due);
    }

    pub(crate) fn schedule_fault(&mut self, fault: &ScheduledFault, from: Timestamp) {
        let Some(server) = self.server_id(&fault.server).map(str::to_owned) else {
            return;
        };
        let due = match fault.kind {
            ScheduledFaultKind::Stall => Due::Stall { server },
            ScheduledFaultKind::SourceDown => Due::SourceDown { server },
            ScheduledFaultKind::Backlog => Due::Backlog { server },
        };
        self.timeline.add(later(from, fault.after), due);
    }

    pub(crate) fn source_goes_down(&mut self, id: &str, at: Timestamp) {
        let delay = self
            .config
            .durations
            .plain(self.config.durations.agent_not_seen);
        let stalls = self.config.guesses.down_source_stalls;
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        if server.down_since.is_none() {
            server.down_since = Some(at);
            self.server_changes.push(id.to_owned());
            if stalls {
                let due = Due::NotSeen {
                    server: id.to_owned(),
                    down_since: at,
                };
                self.timeline.add(later(at, delay), due);
            }
        }
    }

    pub(crate) fn source_not_seen(&mut self, id: &str, down_since: Timestamp, at: Timestamp) {
        let still = self
            .servers
            .get(id)
            .is_some_and(|server| server.down_since == Some(down_since));
        if still {
            self.stall_begins(id, "AGENT_NOT_SEEN", at);
        }
    }

    /// Whether a launch can take a snapshot of its own.
    pub(crate) fn takes_snapshots(&self, id: &str) -> bool {
        self.servers.get(id).is_some_and(|server| {
            server.down_since.is_none()
                && matches!(
                    server.replication.state,
                    ReplicationState::Continuous
                        | ReplicationState::Rescan
                        | ReplicationState::Backlog
                )
        })
    }
}

fn under_way(state: ReplicationState) -> bool {
    match state {
        ReplicationState::Initiating
        | ReplicationState::InitialSync
        | ReplicationState::Backlog
        | ReplicationState::CreatingSnapshot
        | ReplicationState::Continuous
        | ReplicationState::Rescan => true,
        ReplicationState::Stopped
        | ReplicationState::Paused
        | ReplicationState::Stalled
        | ReplicationState::Disconnected => false,
    }
}

fn interrupt(server: &mut SourceServer, by: ReplicationState, at: Timestamp) {
    let replication = &mut server.replication;
    replication.interrupted = Some(Interrupted {
        state: replication.state,
        remaining: replication
            .stage_ends
            .duration_since(at)
            .max(SignedDuration::ZERO),
        since: at,
    });
    replication.state = by;
    replication.epoch += 1;
}

/// Ends a replication, for now or for good.
pub(crate) fn end_replication(server: &mut SourceServer, state: ReplicationState, at: Timestamp) {
    server.replication.state = state;
    server.replication.epoch += 1;
    server.replication.interrupted = None;
    server.replication.error = None;
    server.replication_ended.get_or_insert(at);
}
