//! Replication: from the agent's first word to CONTINUOUS, and what can interrupt it.
//!
//! INITIATING (eleven steps) → INITIAL_SYNC → BACKLOG → CREATING_SNAPSHOT → CONTINUOUS.
//! READY_FOR_TEST follows the first launchable snapshot, not the last byte.
//!
//! **Invariant:** a server has at most one planned step; its epoch tells it from older ones.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::durations::scaled;
use super::errors::{self, ApiError};
use super::faults::{ScheduledFault, ScheduledFaultKind};
use super::output::later;
use super::server::{LifeCycleState, SourceServer, text};
use super::simulator::{Reply, Simulator};
use super::timeline::Due;
use super::wire::{self, Object};

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
        if let Some(server) = self.servers.get_mut(id) {
            server.life_cycle = LifeCycleState::NotReady;
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
        if server.life_cycle != LifeCycleState::NotReady {
            return;
        }
        server.life_cycle = LifeCycleState::ReadyForTest;
        let announce = again || !server.ready_announced;
        server.ready_announced = true;
        if announce {
            self.emit_ready(at, id);
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

    // ---- operations ----

    pub(crate) fn start_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Stopped
            || server.life_cycle == LifeCycleState::PendingInstallation
        {
            return Err(self.wrong_replication(server, "StartReplication"));
        }
        self.check_active_servers(id)?;
        self.start_replicating(id, self.now);
        self.server_reply(id)
    }

    pub(crate) fn stop_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        self.check_not_in_job(server)?;
        if matches!(
            server.replication.state,
            ReplicationState::Stopped | ReplicationState::Disconnected
        ) {
            return Err(self.wrong_replication(server, "StopReplication"));
        }
        let moves = self.config.guesses.stop_moves_life_cycle;
        let now = self.now;
        let server = self.server_mut(id)?;
        end_replication(server, ReplicationState::Stopped, now);
        server.replication.last_snapshot = None;
        if moves {
            server.life_cycle = LifeCycleState::Stopped;
        }
        self.server_reply(id)
    }

    pub(crate) fn pause_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if !under_way(server.replication.state) {
            return Err(self.wrong_replication(server, "PauseReplication"));
        }
        let now = self.now;
        interrupt(self.server_mut(id)?, ReplicationState::Paused, now);
        self.server_reply(id)
    }

    pub(crate) fn resume_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Paused {
            return Err(self.wrong_replication(server, "ResumeReplication"));
        }
        self.go_on(id, self.now);
        self.server_reply(id)
    }

    pub(crate) fn retry_replication(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server(id)?;
        if server.replication.state != ReplicationState::Stalled {
            // Conflict is not among this operation's declared errors.
            return Err(errors::validation(
                "other",
                &format!(
                    "RetryDataReplication is for a stalled replication only; that of {id} is {}.",
                    server.replication.state.name()
                ),
                Vec::new(),
            ));
        }
        let count = u64::from(server.replication.epoch);
        let durations = &self.config.durations;
        let delay = durations.drawn(durations.retry, &self.random, "retry", id, count);
        let due = Due::Replication {
            server: id.to_owned(),
            epoch: server.replication.epoch,
        };
        self.timeline.add(later(self.now, delay), due);
        self.server_reply(id)
    }

    fn wrong_replication(&self, server: &SourceServer, operation: &str) -> ApiError {
        errors::conflict(
            &format!(
                "Cannot call {operation} while the replication is {}.",
                server.replication.state.name()
            ),
            "SourceServer",
            &server.id,
        )
    }

    // ---- what replies show ----

    /// How far the target is behind the source; none while nothing is in step.
    pub(crate) fn lag(&self, server: &SourceServer) -> Option<SignedDuration> {
        let replication = &server.replication;
        let behind = match replication.state {
            ReplicationState::Continuous | ReplicationState::CreatingSnapshot => self.drift(server),
            ReplicationState::Backlog | ReplicationState::Rescan => replication
                .stage_ends
                .duration_since(self.now)
                .max(SignedDuration::from_secs(1)),
            ReplicationState::Stalled | ReplicationState::Paused => {
                let interrupted = replication.interrupted.as_ref()?;
                if matches!(
                    interrupted.state,
                    ReplicationState::Initiating | ReplicationState::InitialSync
                ) {
                    return None;
                }
                self.now.duration_since(interrupted.since)
            }
            ReplicationState::Stopped
            | ReplicationState::Initiating
            | ReplicationState::InitialSync
            | ReplicationState::Disconnected => return None,
        };
        let gone = match server.down_since {
            Some(since) if self.config.guesses.down_source_stalls => self.now.duration_since(since),
            _ => SignedDuration::ZERO,
        };
        Some(behind.max(gone))
    }

    /// The ordinary lag of a source that is being written to.
    fn drift(&self, server: &SourceServer) -> SignedDuration {
        let drift = &self.config.drift;
        let durations = &self.config.durations;
        if !drift.writing || drift.max_lag_seconds == 0 {
            return SignedDuration::ZERO;
        }
        if let Some(since) = server.quiesced_since {
            let drained = later(since, durations.plain(durations.quiesce_drain));
            if self.now >= drained {
                return SignedDuration::ZERO;
            }
        }
        let interval = durations.plain(durations.drift_interval).as_millis().max(1);
        let bucket = (i128::from(self.now.as_millisecond()) / interval) as u64;
        if self
            .random
            .chance(drift.zero_odds, "no lag", &server.id, bucket)
        {
            return SignedDuration::ZERO;
        }
        let seconds =
            1 + self.random.draw("lag", &server.id, bucket) % u64::from(drift.max_lag_seconds);
        SignedDuration::from_secs(seconds as i64)
    }

    pub(crate) fn last_seen(&self, server: &SourceServer) -> Timestamp {
        server
            .down_since
            .or(server.replication_ended)
            .unwrap_or(self.now)
    }

    pub(crate) fn show_replication(&self, server: &SourceServer) -> Value {
        let guesses = &self.config.guesses;
        let replication = &server.replication;
        let lag = self.lag(server);
        let copied = replication.copied(self.now);
        let backlog = lag.map_or(0, |lag| {
            let disks = server.disks.len().max(1) as u64;
            lag.as_secs().max(0) as u64 * self.config.drift.backlog_bytes_per_second / disks
        });
        let disks: Vec<Value> = server
            .disks
            .iter()
            .map(|disk| {
                let replicated = (disk.bytes as f64 * copied) as u64;
                json!({
                    "deviceName": disk.device,
                    "totalStorageBytes": if replication.total_zeroed { 0 } else { disk.bytes },
                    "replicatedStorageBytes": replicated,
                    "rescannedStorageBytes": 0,
                    "backloggedStorageBytes": backlog.min(disk.bytes),
                })
            })
            .collect();
        let eta = matches!(
            replication.state,
            ReplicationState::InitialSync
                | ReplicationState::Backlog
                | ReplicationState::CreatingSnapshot
        )
        .then(|| wire::timestamp(replication.stage_ends, guesses));
        let error = replication
            .error
            .as_ref()
            .map(|(error, raw)| json!({"error": error, "rawError": raw}));
        Object::new()
            .with("dataReplicationState", replication.state.name())
            .with_some("lagDuration", lag.map(wire::duration))
            .with_some("etaDateTime", eta)
            .with("replicatedDisks", disks)
            .with_object(
                "dataReplicationInitiation",
                self.show_initiation(replication),
                guesses,
            )
            .with_object("dataReplicationError", error, guesses)
            .with_some(
                "lastSnapshotDateTime",
                self.shown_snapshot(replication)
                    .map(|at| wire::timestamp(at, guesses)),
            )
            .with_some(
                "replicatorId",
                (replication.steps_done > 3).then_some(replication.replicator.as_str()),
            )
            .build()
    }

    /// A continuous replication takes snapshots by itself.
    fn shown_snapshot(&self, replication: &Replication) -> Option<Timestamp> {
        let first = replication.last_snapshot?;
        if replication.state != ReplicationState::Continuous {
            return Some(first);
        }
        let durations = &self.config.durations;
        let interval = durations
            .plain(durations.snapshot_interval)
            .as_millis()
            .max(1);
        let passed = self.now.duration_since(first).as_millis() / interval * interval;
        Some(later(first, SignedDuration::from_millis(passed as i64)))
    }

    fn show_initiation(&self, replication: &Replication) -> Option<Value> {
        let started = replication.initiated?;
        let steps: Vec<Value> = STEPS
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let status = if replication.state == ReplicationState::Disconnected
                    || index > replication.steps_done
                {
                    "NOT_STARTED"
                } else if index < replication.steps_done {
                    "SUCCEEDED"
                } else {
                    "IN_PROGRESS"
                };
                Object::new()
                    .with("name", *name)
                    .with("status", status)
                    .build()
            })
            .collect();
        let started = wire::timestamp(started, &self.config.guesses);
        Some(
            Object::new()
                .with("startDateTime", started)
                .with("steps", steps)
                .build(),
        )
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
