//! How long things take in MGN.
//!
//! The defaults are what one run on a real account measured (16 GiB, three disks: cleanup
//! 35 s, snapshot 44 s, conversion 264 s, launch 337 s, 167 s more to the EC2 checks,
//! initial sync 226 s, agent to READY_FOR_TEST about 20 min); what it did not measure is
//! filled so that these sums come out.
//!
//! **Invariant:** `speed` divides durations and nothing else; timestamps are real.

use jiff::SignedDuration;

use super::random::Random;

/// How long each step takes, before `speed` divides it and `jitter` shifts it.
#[derive(Clone, Debug)]
pub struct Durations {
    /// Every duration is divided by this.
    pub speed: f64,
    /// Each duration is drawn from ± this fraction around its value.
    pub jitter: f64,
    /// From agent to READY_FOR_TEST in all, for every server and whatever its disks; not
    /// divided by `speed`. Without it the steps below add up.
    pub sync_after: Option<SignedDuration>,
    /// One of the eleven steps that set up the replication.
    pub initiation_step: SignedDuration,
    /// The first copy, per GiB of disk.
    pub initial_sync_per_gib: SignedDuration,
    /// Flushing what was written during the first copy, or while paused.
    pub backlog: SignedDuration,
    /// The first launchable snapshot.
    pub first_snapshot: SignedDuration,
    /// Reading the disks again after a pause or a stall.
    pub rescan: SignedDuration,
    /// From RetryDataReplication to the end of a stall.
    pub retry: SignedDuration,
    /// From the source's last sign of life to a stall with AGENT_NOT_SEEN.
    pub agent_not_seen: SignedDuration,
    /// From the quiesce of a source to zero lag and backlog.
    pub quiesce_drain: SignedDuration,
    /// The time that a job is PENDING.
    pub job_start: SignedDuration,
    /// Removing the previous instance.
    pub cleanup: SignedDuration,
    /// The launch's own snapshot.
    pub snapshot: SignedDuration,
    /// Until a snapshot of a source that does not answer is given up.
    pub snapshot_timeout: SignedDuration,
    /// Conversion by the conversion server.
    pub conversion: SignedDuration,
    /// Launch of the target instance.
    pub launch: SignedDuration,
    /// From the last server's end to the job's COMPLETED.
    pub job_end: SignedDuration,
    /// From LAUNCH_END until EC2's status checks pass.
    pub boot_checks: SignedDuration,
    /// One post-launch action.
    pub action: SignedDuration,
    /// How often a continuous replication takes a snapshot by itself.
    pub snapshot_interval: SignedDuration,
    /// How often the lag of a source that is being written to changes.
    pub drift_interval: SignedDuration,
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            speed: 1.0,
            jitter: 0.1,
            sync_after: None,
            initiation_step: SignedDuration::from_secs(55),
            initial_sync_per_gib: SignedDuration::from_millis(14_125),
            backlog: SignedDuration::from_secs(60),
            first_snapshot: SignedDuration::from_secs(300),
            rescan: SignedDuration::from_secs(60),
            retry: SignedDuration::from_secs(30),
            agent_not_seen: SignedDuration::from_mins(15),
            quiesce_drain: SignedDuration::from_secs(10),
            job_start: SignedDuration::from_secs(2),
            cleanup: SignedDuration::from_secs(35),
            snapshot: SignedDuration::from_secs(44),
            snapshot_timeout: SignedDuration::from_secs(300),
            conversion: SignedDuration::from_secs(264),
            launch: SignedDuration::from_secs(337),
            job_end: SignedDuration::from_secs(2),
            boot_checks: SignedDuration::from_secs(167),
            action: SignedDuration::from_secs(30),
            snapshot_interval: SignedDuration::from_hours(1),
            drift_interval: SignedDuration::from_secs(30),
        }
    }
}

impl Durations {
    /// The names that [`Durations::set`] knows.
    pub const NAMES: &'static [&'static str] = &[
        "initiation-step",
        "initial-sync-per-gib",
        "backlog",
        "first-snapshot",
        "rescan",
        "retry",
        "agent-not-seen",
        "quiesce-drain",
        "job-start",
        "cleanup",
        "snapshot",
        "snapshot-timeout",
        "conversion",
        "launch",
        "job-end",
        "boot-checks",
        "action",
        "snapshot-interval",
        "drift-interval",
    ];

    /// Sets the duration of this name; `false` when there is none.
    pub fn set(&mut self, name: &str, value: SignedDuration) -> bool {
        let field = match name {
            "initiation-step" => &mut self.initiation_step,
            "initial-sync-per-gib" => &mut self.initial_sync_per_gib,
            "backlog" => &mut self.backlog,
            "first-snapshot" => &mut self.first_snapshot,
            "rescan" => &mut self.rescan,
            "retry" => &mut self.retry,
            "agent-not-seen" => &mut self.agent_not_seen,
            "quiesce-drain" => &mut self.quiesce_drain,
            "job-start" => &mut self.job_start,
            "cleanup" => &mut self.cleanup,
            "snapshot" => &mut self.snapshot,
            "snapshot-timeout" => &mut self.snapshot_timeout,
            "conversion" => &mut self.conversion,
            "launch" => &mut self.launch,
            "job-end" => &mut self.job_end,
            "boot-checks" => &mut self.boot_checks,
            "action" => &mut self.action,
            "snapshot-interval" => &mut self.snapshot_interval,
            "drift-interval" => &mut self.drift_interval,
            _ => return false,
        };
        *field = value;
        true
    }

    /// A duration as it comes out this time: divided by `speed`, shifted by `jitter`.
    pub(crate) fn drawn(
        &self,
        duration: SignedDuration,
        random: &Random,
        purpose: &str,
        subject: &str,
        count: u64,
    ) -> SignedDuration {
        let shift = 1.0 + self.jitter * (2.0 * random.fraction(purpose, subject, count) - 1.0);
        scaled(duration, shift / self.speed.max(f64::MIN_POSITIVE))
    }

    /// A duration divided by `speed` alone.
    pub(crate) fn plain(&self, duration: SignedDuration) -> SignedDuration {
        scaled(duration, 1.0 / self.speed.max(f64::MIN_POSITIVE))
    }
}

/// A duration times a factor, to the millisecond so that sums stay exact.
pub(crate) fn scaled(duration: SignedDuration, factor: f64) -> SignedDuration {
    let milliseconds = duration.as_secs_f64() * factor * 1_000.0;
    SignedDuration::from_millis(milliseconds.clamp(0.0, 1e15).round() as i64)
}

/// Reads `90s`, `5m`, `1h30m`, `1500ms` or a plain number of seconds.
///
/// # Errors
/// Says what was not a duration.
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        if seconds.is_finite() && (0.0..=1e12).contains(&seconds) {
            return Ok(SignedDuration::from_secs_f64(seconds));
        }
        return Err(format!("{text:?} is not a duration"));
    }
    text.parse::<SignedDuration>()
        .map_err(|_| format!("{text:?} is not a duration such as 90s, 5m, 1h30m or 1500ms"))
        .and_then(|duration| {
            if duration.is_negative() {
                Err(format!("{text:?} is negative"))
            } else {
                Ok(duration)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sets_a_duration() {
        for name in Durations::NAMES {
            assert!(
                Durations::default().set(name, SignedDuration::ZERO),
                "{name}"
            );
        }
        assert!(!Durations::default().set("nonsense", SignedDuration::ZERO));
    }

    #[test]
    fn durations_read_like_people_write_them() {
        assert_eq!(parse_duration("90"), Ok(SignedDuration::from_secs(90)));
        assert_eq!(parse_duration("90s"), Ok(SignedDuration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(
            parse_duration("1500ms"),
            Ok(SignedDuration::from_millis(1500))
        );
        assert!(parse_duration("soon").is_err());
        assert!(parse_duration("-3s").is_err());
        assert!(parse_duration("-3").is_err());
    }

    #[test]
    fn speed_divides() {
        let durations = Durations {
            speed: 10.0,
            jitter: 0.0,
            ..Durations::default()
        };
        let drawn = durations.drawn(durations.launch, &Random::new(1), "launch", "s", 0);
        assert_eq!(drawn, SignedDuration::from_millis(33_700));
    }
}
