//! How a replication shows: state, lag, backlog, progress, steps.
//!
//! **Invariant:** the lag of a source that is quiesced and in step becomes exactly zero.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::output::later;
use super::super::server::SourceServer;
use super::super::simulator::Simulator;
use super::super::wire::{self, Object};
use super::{Replication, ReplicationState, STEPS};

impl Simulator {
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
