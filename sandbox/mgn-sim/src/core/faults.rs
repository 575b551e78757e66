//! What goes wrong, on demand or by chance.
//!
//! **Invariant:** a fault is decided by the seed and by what it hits (the n-th call of an
//! operation, the n-th launch of a server, the n-th event), so that a run replays.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::durations::parse_duration;
use super::random::Random;

/// How faults are written, for help texts.
pub const FAULT_HELP: &str = "\
throttle=ODDS[:OPERATION]          refuse calls with 429 and Retry-After
error-before=ODDS[:OPERATION]      answer 500, nothing done
error-after=ODDS[:OPERATION]       do it, then answer 500
lost-answer=ODDS[:OPERATION]       do it, then close the connection
deny=OPERATION                     answer 403, as if the right were missing
slow=ODDS:DURATION[:OPERATION]     do it, then hold the answer back
drop-event=ODDS[:DETAIL-TYPE]      lose events
double-event=ODDS[:DETAIL-TYPE]    deliver events twice
delay-event=ODDS:DURATION          deliver events late, by up to this
reorder-event=ODDS                 let events overtake each other
launch-failure=SERVER:N[:STAGE]    fail a server's N-th launch (STAGE: cleanup, snapshot,
                                   conversion, launch; default launch)
launch-failure=ODDS                fail launches by chance
skip=SERVER:N                      skip the server in its N-th launch
stale=SERVER:N                     launch N uses the previous snapshot
impaired=SERVER:N                  launch N succeeds, its status checks fail
slow-launch=SERVER:N:FACTOR        launch N takes longer; N may be * for all
stall=SERVER@DURATION              the replication stalls that long after the start
source-down=SERVER@DURATION        the source goes down that long after the start
backlog=SERVER@DURATION            the replication falls behind (BACKLOG) that long after
                                   the start
SERVER is a hostname or an s-… ID; ODDS is 0 to 1; OPERATION is a name such as StartTest;
an odds fault may end in xN (throttle=1:StartTest:x2) to hit only that many times.
Durations of faults are real time: --speed does not divide them.";

/// Everything that goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Faults of calls.
    pub calls: Vec<CallFault>,
    /// Faults of events.
    pub events: Vec<EventFault>,
    /// Faults of launches.
    pub launches: Vec<LaunchFault>,
    /// Things that happen to servers some time after the start.
    pub scheduled: Vec<ScheduledFault>,
}

/// A fault of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct CallFault {
    /// What happens.
    pub kind: CallFaultKind,
    /// How often, 0 to 1.
    pub odds: f64,
    /// To which operation; to every one without.
    pub operation: Option<String>,
    /// How many more times at most.
    pub remaining: Option<u32>,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CallFaultKind {
    /// Refused with 429.
    Throttle,
    /// Refused with 500.
    ErrorBefore,
    /// Done, and answered with 500.
    ErrorAfter,
    /// Done, and not answered.
    LostAnswer,
    /// Refused with 403.
    Deny,
    /// Done, and answered this much later.
    Slow(SignedDuration),
}

/// A fault of events.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFault {
    /// What happens.
    pub kind: EventFaultKind,
    /// How often, 0 to 1.
    pub odds: f64,
    /// To events whose detail-type holds this; to every one without.
    pub detail_type: Option<String>,
    /// How many more times at most.
    pub remaining: Option<u32>,
}

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventFaultKind {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Double,
    /// It arrives late, by up to this.
    Delay(SignedDuration),
}

/// A fault of launches.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchFault {
    /// What happens.
    pub kind: LaunchFaultKind,
    /// To which server (hostname or ID); to every one without.
    pub server: Option<String>,
    /// To which launch of the server, counted from 1; to every one without.
    pub nth: Option<u64>,
    /// How often, 0 to 1.
    pub odds: f64,
}

/// What happens to a launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LaunchFaultKind {
    /// It fails in this stage.
    Fail(FailingStage),
    /// The server is skipped.
    Skip,
    /// It uses the previous snapshot.
    Stale,
    /// It succeeds; EC2's status checks fail.
    Impaired,
    /// It takes this many times as long.
    Slow(f64),
}

/// The stage in which a launch fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailingStage {
    /// CLEANUP_FAIL.
    Cleanup,
    /// SNAPSHOT_FAIL, without a previous snapshot to use.
    Snapshot,
    /// CONVERSION_FAIL.
    Conversion,
    /// LAUNCH_FAILED.
    Launch,
}

/// Something that happens to a server some time after the start.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledFault {
    /// What happens.
    pub kind: ScheduledFaultKind,
    /// To which server (hostname or ID).
    pub server: String,
    /// When, after the start (not divided by speed).
    pub after: SignedDuration,
}

/// What happens to a server by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduledFaultKind {
    /// Its replication stalls.
    Stall,
    /// Its source goes down.
    SourceDown,
    /// Its replication falls behind.
    Backlog,
}

impl Faults {
    /// Adds the fault that `spec` describes, as in [`FAULT_HELP`].
    ///
    /// # Errors
    /// Says what was not understood.
    pub fn add(&mut self, spec: &str) -> Result<(), String> {
        let wrong = |why: &str| format!("fault {spec:?}: {why}\n{FAULT_HELP}");
        let (name, rest) = spec.split_once('=').ok_or_else(|| wrong("no ="))?;
        let mut parts: Vec<&str> = rest.split(':').collect();
        let remaining = parts
            .last()
            .and_then(|last| last.strip_prefix('x'))
            .and_then(|count| count.parse().ok());
        if remaining.is_some() {
            parts.pop();
        }
        let part = |at: usize| parts.get(at).copied();
        let odds = |at: usize| -> Result<f64, String> {
            part(at)
                .and_then(|text| text.parse().ok())
                .filter(|odds| (0.0..=1.0).contains(odds))
                .ok_or_else(|| wrong("odds are a number from 0 to 1"))
        };
        let duration = |at: usize| {
            part(at)
                .ok_or_else(|| wrong("a duration is missing"))
                .and_then(|text| parse_duration(text).map_err(|why| wrong(&why)))
        };
        let nth = |at: usize| match part(at) {
            Some("*") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| wrong("N is a number")),
            None => Err(wrong("N is missing")),
        };
        let server = || part(0).map(str::to_owned).filter(|name| !name.is_empty());
        let call = |kind, odds, operation: Option<&str>| CallFault {
            kind,
            odds,
            operation: operation.map(str::to_owned),
            remaining,
        };
        let event = |kind, odds, detail_type: Option<&str>| EventFault {
            kind,
            odds,
            detail_type: detail_type.map(str::to_owned),
            remaining,
        };
        let launch = |kind, nth| LaunchFault {
            kind,
            server: server(),
            nth,
            odds: 1.0,
        };
        let scheduled = |kind| -> Result<ScheduledFault, String> {
            let (server, after) = rest
                .split_once('@')
                .ok_or_else(|| wrong("write SERVER@DURATION"))?;
            Ok(ScheduledFault {
                kind,
                server: server.to_owned(),
                after: parse_duration(after).map_err(|why| wrong(&why))?,
            })
        };
        match name {
            "throttle" => self
                .calls
                .push(call(CallFaultKind::Throttle, odds(0)?, part(1))),
            "error-before" => self
                .calls
                .push(call(CallFaultKind::ErrorBefore, odds(0)?, part(1))),
            "error-after" => self
                .calls
                .push(call(CallFaultKind::ErrorAfter, odds(0)?, part(1))),
            "lost-answer" => self
                .calls
                .push(call(CallFaultKind::LostAnswer, odds(0)?, part(1))),
            "deny" => self.calls.push(call(CallFaultKind::Deny, 1.0, part(0))),
            "slow" => {
                let kind = CallFaultKind::Slow(duration(1)?);
                self.calls.push(call(kind, odds(0)?, part(2)));
            }
            "drop-event" => self
                .events
                .push(event(EventFaultKind::Drop, odds(0)?, part(1))),
            "double-event" => self
                .events
                .push(event(EventFaultKind::Double, odds(0)?, part(1))),
            "delay-event" => {
                let kind = EventFaultKind::Delay(duration(1)?);
                self.events.push(event(kind, odds(0)?, part(2)));
            }
            "reorder-event" => {
                let kind = EventFaultKind::Delay(SignedDuration::from_secs(5));
                self.events.push(event(kind, odds(0)?, part(1)));
            }
            "launch-failure" if part(1).is_none() => self.launches.push(LaunchFault {
                kind: LaunchFaultKind::Fail(FailingStage::Launch),
                server: None,
                nth: None,
                odds: odds(0)?,
            }),
            "launch-failure" => {
                let stage = match part(2) {
                    None | Some("launch") => FailingStage::Launch,
                    Some("cleanup") => FailingStage::Cleanup,
                    Some("snapshot") => FailingStage::Snapshot,
                    Some("conversion") => FailingStage::Conversion,
                    Some(_) => return Err(wrong("no such stage")),
                };
                self.launches
                    .push(launch(LaunchFaultKind::Fail(stage), nth(1)?));
            }
            "skip" => self.launches.push(launch(LaunchFaultKind::Skip, nth(1)?)),
            "stale" => self.launches.push(launch(LaunchFaultKind::Stale, nth(1)?)),
            "impaired" => self
                .launches
                .push(launch(LaunchFaultKind::Impaired, nth(1)?)),
            "slow-launch" => {
                let factor = part(2)
                    .and_then(|text| text.parse().ok())
                    .filter(|factor: &f64| factor.is_finite() && *factor > 0.0)
                    .ok_or_else(|| wrong("the factor is a number above 0"))?;
                self.launches
                    .push(launch(LaunchFaultKind::Slow(factor), nth(1)?));
            }
            "stall" => self.scheduled.push(scheduled(ScheduledFaultKind::Stall)?),
            "backlog" => self.scheduled.push(scheduled(ScheduledFaultKind::Backlog)?),
            "source-down" => self
                .scheduled
                .push(scheduled(ScheduledFaultKind::SourceDown)?),
            _ => return Err(wrong("no such fault")),
        }
        Ok(())
    }

    /// The fault that hits this call, the `count`-th of its operation.
    pub(crate) fn of_call(
        &mut self,
        random: &Random,
        operation: &str,
        count: u64,
    ) -> Option<CallFaultKind> {
        for (index, fault) in self.calls.iter_mut().enumerate() {
            let meant = fault
                .operation
                .as_deref()
                .is_none_or(|name| name == operation);
            let purpose = format!("call fault {index}");
            if meant
                && fault.remaining != Some(0)
                && random.chance(fault.odds, &purpose, operation, count)
            {
                fault.remaining = fault.remaining.map(|left| left - 1);
                return Some(fault.kind);
            }
        }
        None
    }

    /// When, after it came about, each copy of the `count`-th event arrives; none if lost.
    pub(crate) fn of_event(
        &mut self,
        random: &Random,
        detail_type: &str,
        count: u64,
    ) -> Vec<SignedDuration> {
        let mut copies = 1_u32;
        let mut delay = None;
        for (index, fault) in self.events.iter_mut().enumerate() {
            let meant = fault
                .detail_type
                .as_deref()
                .is_none_or(|part| detail_type.contains(part));
            let purpose = format!("event fault {index}");
            if !meant
                || fault.remaining == Some(0)
                || !random.chance(fault.odds, &purpose, detail_type, count)
            {
                continue;
            }
            fault.remaining = fault.remaining.map(|left| left - 1);
            match fault.kind {
                EventFaultKind::Drop => copies = 0,
                EventFaultKind::Double => copies = copies.saturating_mul(2),
                EventFaultKind::Delay(longest) => delay = Some(longest),
            }
        }
        (0..copies)
            .map(|copy| match delay {
                None if copy == 0 => SignedDuration::ZERO,
                // A copy that EventBridge or Lambda repeats comes a little later.
                None => SignedDuration::from_millis(500),
                Some(longest) => {
                    let part =
                        random.fraction("event delay", detail_type, count * 8 + u64::from(copy));
                    super::durations::scaled(longest, part)
                }
            })
            .collect()
    }

    /// The faults that hit the `nth` launch of a server.
    pub(crate) fn of_launch(
        &self,
        random: &Random,
        server: &str,
        hostname: &str,
        nth: u64,
    ) -> Vec<LaunchFaultKind> {
        self.launches
            .iter()
            .enumerate()
            .filter(|(index, fault)| {
                let meant = fault
                    .server
                    .as_deref()
                    .is_none_or(|name| name == server || name == hostname || name == "*");
                meant
                    && fault.nth.is_none_or(|wanted| wanted == nth)
                    && random.chance(fault.odds, &format!("launch fault {index}"), server, nth)
            })
            .map(|(_, fault)| fault.kind)
            .collect()
    }

    /// Everything that can still go wrong by chance or by plan is taken back.
    pub fn heal(&mut self) {
        *self = Self::default();
    }
}

/// Counts by name, for the n-th of something.
pub(crate) type Counts = BTreeMap<String, u64>;

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &str) -> Faults {
        let mut faults = Faults::default();
        faults.add(spec).expect(spec);
        faults
    }

    #[test]
    fn every_fault_of_the_help_is_understood() {
        for spec in [
            "throttle=0.1",
            "throttle=1:StartTest:x2",
            "error-before=0.5",
            "error-after=0.5:StartTest",
            "lost-answer=0.2:StartCutover",
            "deny=StartTest",
            "slow=1:2s:StartTest",
            "drop-event=0.1",
            "double-event=1:Launch",
            "delay-event=0.5:30s",
            "reorder-event=0.3",
            "launch-failure=db01:1",
            "launch-failure=db01:2:conversion",
            "launch-failure=0.05",
            "skip=db01:1",
            "stale=db01:1",
            "impaired=db01:1",
            "slow-launch=db01:*:3",
            "stall=db01@90s",
            "source-down=db01@2m",
            "backlog=db01@2m",
        ] {
            faults(spec);
        }
        for spec in [
            "throttle",
            "throttle=2",
            "nonsense=1",
            "stall=db01",
            "launch-failure=db01:x",
            "skip=db01",
        ] {
            assert!(Faults::default().add(spec).is_err(), "{spec}");
        }
    }

    #[test]
    fn a_counted_fault_ends() {
        let mut faults = faults("throttle=1:StartTest:x2");
        let random = Random::new(1);
        let hits: Vec<bool> = (1..=4)
            .map(|count| faults.of_call(&random, "StartTest", count).is_some())
            .collect();
        assert_eq!(hits, [true, true, false, false]);
        assert!(faults.of_call(&random, "StartCutover", 1).is_none());
    }

    #[test]
    fn events_are_lost_doubled_and_late() {
        let random = Random::new(1);
        let copies = |spec: &str| faults(spec).of_event(&random, "MGN Launch", 1);
        assert_eq!(
            Faults::default().of_event(&random, "x", 1),
            [SignedDuration::ZERO]
        );
        assert!(copies("drop-event=1").is_empty());
        assert_eq!(copies("double-event=1").len(), 2);
        let late = copies("delay-event=1:30s");
        assert!(late[0] > SignedDuration::ZERO && late[0] < SignedDuration::from_secs(30));
        assert_eq!(copies("drop-event=1:Stalled").len(), 1);
    }

    #[test]
    fn the_nth_launch_of_a_server_fails() {
        let faults = faults("launch-failure=db01:2:snapshot");
        let random = Random::new(1);
        assert!(faults.of_launch(&random, "s-1", "db01", 1).is_empty());
        assert_eq!(
            faults.of_launch(&random, "s-1", "db01", 2),
            [LaunchFaultKind::Fail(FailingStage::Snapshot)]
        );
    }
}
