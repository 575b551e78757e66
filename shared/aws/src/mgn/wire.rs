//! MGN's values as they come over the wire.
//!
//! What MGN really sends differs from its model: times with `+00:00` and microseconds instead of
//! `Z`, empty objects for what is not set, values that no enum lists (a transcript of 2022). What
//! cannot be read is taken for the answer that keeps a server from being believed ready.

use aws_sdk_mgn::types as mgn;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use tidegate_domain::observation::{LaunchStatus, LifeCycle, ReplicationState};

/// A time, in any of the forms of RFC 3339.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let time = text.parse();
    if let Err(error) = &time {
        tracing::warn!(text, %error, "MGN gave a time that cannot be read");
    }
    time.ok()
}

/// A lag in ISO 8601: `P0D`, `PT1M30S`, `P1DT2H`. One that cannot be read is as long as can be.
pub(super) fn lag(text: &str) -> SignedDuration {
    let lag = text
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    lag.unwrap_or_else(|error| {
        tracing::warn!(text, %error, "MGN gave a lag that cannot be read");
        SignedDuration::MAX
    })
}

/// A number of bytes, never negative.
pub(super) fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// A point in time as filters want it: UTC, whole seconds, `Z`.
pub(super) fn filter_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) fn life_cycle(state: Option<&mgn::LifeCycleState>) -> LifeCycle {
    use mgn::LifeCycleState as Wire;
    match state {
        Some(Wire::Stopped) => LifeCycle::Stopped,
        Some(Wire::NotReady) => LifeCycle::NotReady,
        Some(Wire::ReadyForTest) => LifeCycle::ReadyForTest,
        Some(Wire::Testing) => LifeCycle::Testing,
        Some(Wire::ReadyForCutover) => LifeCycle::ReadyForCutover,
        Some(Wire::CuttingOver) => LifeCycle::CuttingOver,
        Some(Wire::Cutover) => LifeCycle::Cutover,
        Some(Wire::Disconnected) => LifeCycle::Disconnected,
        Some(Wire::Discovered) => LifeCycle::Discovered,
        Some(Wire::PendingInstallation) => LifeCycle::PendingInstallation,
        // The SDK's enums can grow.
        Some(_) | None => LifeCycle::Unknown,
    }
}

pub(super) fn replication_state(state: Option<&mgn::DataReplicationState>) -> ReplicationState {
    use mgn::DataReplicationState as Wire;
    match state {
        Some(Wire::Stopped) => ReplicationState::Stopped,
        Some(Wire::Initiating) => ReplicationState::Initiating,
        Some(Wire::InitialSync) => ReplicationState::InitialSync,
        Some(Wire::Backlog) => ReplicationState::Backlog,
        Some(Wire::CreatingSnapshot) => ReplicationState::CreatingSnapshot,
        Some(Wire::Continuous) => ReplicationState::Continuous,
        Some(Wire::Paused) => ReplicationState::Paused,
        Some(Wire::Rescan) => ReplicationState::Rescan,
        Some(Wire::Stalled) => ReplicationState::Stalled,
        Some(Wire::Disconnected) => ReplicationState::Disconnected,
        Some(Wire::PendingSnapshotShipping) => ReplicationState::PendingSnapshotShipping,
        Some(Wire::ShippingSnapshot) => ReplicationState::ShippingSnapshot,
        Some(_) | None => ReplicationState::Unknown,
    }
}

pub(super) fn launch_status(status: Option<&mgn::LaunchStatus>) -> LaunchStatus {
    use mgn::LaunchStatus as Wire;
    match status {
        Some(Wire::Pending) => LaunchStatus::Pending,
        Some(Wire::InProgress) => LaunchStatus::InProgress,
        Some(Wire::Launched) => LaunchStatus::Launched,
        Some(Wire::Failed) => LaunchStatus::Failed,
        Some(Wire::Terminated) => LaunchStatus::Terminated,
        Some(_) | None => LaunchStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_in_two_forms() {
        let model = time("2022-08-31T14:33:26Z");
        assert_eq!(time("2022-08-31T14:33:26.000000+00:00"), model);
        assert!(model.is_some());
        assert_eq!(time(""), None);
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn lags_are_iso_8601() {
        let check = |text: &str, seconds| {
            assert_eq!(lag(text), SignedDuration::from_secs(seconds), "{text}");
        };
        check("P0D", 0);
        check("PT0S", 0);
        check("PT1M30S", 90);
        check("P1DT2H", 26 * 3600);
        check("PT2H3M4S", 2 * 3600 + 3 * 60 + 4);
    }

    #[test]
    fn a_lag_that_cannot_be_read_is_never_in_step() {
        for text in ["", "soon", "P1M", "PT", "-"] {
            assert_eq!(lag(text), SignedDuration::MAX, "{text}");
        }
    }

    #[test]
    fn values_that_no_enum_lists_are_unknown() {
        assert_eq!(life_cycle(Some(&"FROZEN".into())), LifeCycle::Unknown);
        assert_eq!(life_cycle(Some(&"TESTING".into())), LifeCycle::Testing);
        assert_eq!(
            replication_state(Some(&"FROZEN".into())),
            ReplicationState::Unknown
        );
        assert_eq!(replication_state(None), ReplicationState::Unknown);
        assert_eq!(launch_status(Some(&"FROZEN".into())), LaunchStatus::Unknown);
        assert_eq!(bytes(-1), 0);
    }
}
