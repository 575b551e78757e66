//! Every kind of refusal has one treatment: a refusal did nothing, so the server is due again, gives
//! up, or the wave is held.

use super::cleanup::{give_up, go_on, is_started_by_hand, launch_failed};
use super::inbox::in_motion;
use super::turn::Turn;
use super::{follow, news};
use crate::audit::About;
use crate::effect::{Refusal, RefusalKind, Task};
use crate::hold::HoldReason;
use crate::news::{Affected, News};
use crate::server::{Purpose, Server, Stage, TestInstance, Then};

/// How often in a row our own guard refuses a finalize before a person is asked.
pub(super) const MOST_GUARDED: u32 = 3;
/// How often in a row a server is refused before it is given up.
pub(super) const MOST_REFUSALS: u32 = 20;

/// When MGN is asked again to terminate a test instance that it did not terminate.
const ASK_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// How long to wait after a refusal: longer each time, up to a minute.
pub(super) fn pause(turn: &Turn, refusal: &Refusal, server: &Server) -> jiff::SignedDuration {
    const LONGEST: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
    let base = turn.wave.plan.policy.observe_every.min(LONGEST);
    match refusal.kind {
        RefusalKind::Quota => base.saturating_mul(2).min(LONGEST),
        RefusalKind::Conflict
        | RefusalKind::Throttled
        | RefusalKind::NotFound
        | RefusalKind::Invalid
        | RefusalKind::Denied
        | RefusalKind::Uninitialized
        | RefusalKind::Guard => base
            .saturating_mul(i32::try_from(server.refusals.min(8)).unwrap_or(8) + 1)
            .min(LONGEST),
    }
}

/// A server was refused a job or a life cycle change; it is due again already.
pub(super) fn refused(turn: &mut Turn, server: &mut Server, task: &Task, refusal: &Refusal) {
    match refusal.kind {
        // Slots come and go; `launches` asks a person in the end.
        RefusalKind::Quota | RefusalKind::Throttled => {}
        RefusalKind::Denied | RefusalKind::Uninitialized => hold_for(turn, task, refusal),
        RefusalKind::Conflict
        | RefusalKind::NotFound
        | RefusalKind::Invalid
        | RefusalKind::Guard => {
            server.refusals += 1;
            let most = match refusal.kind {
                RefusalKind::Conflict => MOST_REFUSALS,
                // Wrong for a batch may be right for one: once together, then alone.
                _ => 3,
            };
            if server.refusals >= most {
                server.refusals = 0;
                give_up_refused(turn, server, task, &refusal.message);
            }
        }
    }
}

fn give_up_refused(turn: &mut Turn, server: &mut Server, task: &Task, message: &str) {
    match server.stage.clone() {
        Stage::Launching { purpose, .. } => {
            give_up(turn, server, purpose, message);
        }
        Stage::Accepting { .. } => give_up(turn, server, Purpose::Test, message),
        Stage::Tested { .. } => runs_on(turn, server, message),
        // A hold would keep the sources of others stopped: it is asked for again until they run.
        Stage::Terminating { .. } if turn.servers.iter().any(|s| waits_for_its_source(turn, s)) => {
        }
        // A server that leaves is left as it is if MGN never lets it be set back: one whose
        // replication somebody stopped, say.
        Stage::Returning { to, then, .. } if matches!(then, Then::CleanUp(_)) => {
            turn.note(
                "LifeCycleRefused",
                format!("{} stays as it is: {message}", server.hostname),
            );
            turn.about(About::server(&server.id));
            follow::returned(turn, server, to, then);
        }
        _ => turn.hold(HoldReason::Refused {
            task: format!("{} for {}", task.title(), server.hostname),
            message: message.to_owned(),
        }),
    }
}

/// A test instance that MGN does not terminate runs on, which people are told; a cutover removes it,
/// and MGN is asked again in a while.
fn runs_on(turn: &mut Turn, server: &mut Server, message: &str) {
    turn.note(
        "TerminationRefused",
        format!("{}: {message}", server.hostname),
    );
    turn.about(About::server(&server.id));
    if let Some(instance) = server.instance.clone() {
        let why = format!("{instance}: {message}");
        let servers = Affected::one(&server.hostname, &server.id, &why);
        news::tell(turn, News::TerminationRefused { servers });
    }
    server.stage = Stage::Tested {
        instance: TestInstance::Kept {
            until: turn.after(ASK_AGAIN),
        },
    };
}

/// Whether a server's source is stopped, and what becomes of that is under way. What is finalized runs
/// in AWS; what a person has to start is held for as well.
fn waits_for_its_source(turn: &Turn, server: &Server) -> bool {
    let finalizes = matches!(server.stage, Stage::Finalizing { .. });
    server.quiesced_at.is_some()
        && in_motion(server)
        && !finalizes
        && !is_started_by_hand(turn, server)
}

pub(super) fn hold_for(turn: &mut Turn, task: &Task, refusal: &Refusal) {
    turn.hold(hold_reason(task.title().to_owned(), refusal));
}

pub(super) fn hold_reason(task: String, refusal: &Refusal) -> HoldReason {
    match refusal.kind {
        RefusalKind::Uninitialized => HoldReason::Uninitialized,
        RefusalKind::Denied => HoldReason::Denied {
            message: format!("{task}: {}", refusal.message),
        },
        RefusalKind::Quota => HoldReason::Quota {
            message: refusal.message.clone(),
        },
        RefusalKind::Conflict
        | RefusalKind::Throttled
        | RefusalKind::NotFound
        | RefusalKind::Invalid
        | RefusalKind::Guard => HoldReason::Refused {
            task,
            message: refusal.message.clone(),
        },
    }
}

/// The last look before a cutover found lag again, or the window too short: the server waits for
/// zero lag as before. A source that is not stopped writes again any moment, so patience is long.
pub(super) fn guarded(turn: &mut Turn, server: &mut Server, refusal: &Refusal) {
    server.refusals += 1;
    if server.refusals >= MOST_REFUSALS {
        server.refusals = 0;
        give_up(turn, server, Purpose::Cutover, &refusal.message);
    } else {
        server.stage = Stage::Settling { since: turn.now };
    }
}

/// A document could not be sent, too often.
pub(super) fn give_up_document(turn: &mut Turn, server: &mut Server, message: &str) {
    match server.stage.clone() {
        Stage::Validating { purpose, .. } => {
            launch_failed(turn, server, purpose, message);
        }
        Stage::Quiescing { .. } => {
            let reason = format!("its source could not be quiesced: {message}");
            give_up(turn, server, Purpose::Cutover, &reason);
        }
        // Its instance is stopped all the same.
        Stage::Silencing { then, .. } => server.stage = go_on(turn, server, then),
        Stage::Restarting { .. } => turn.hold(HoldReason::Refused {
            task: format!("Starting the source of {} again", server.hostname),
            message: message.to_owned(),
        }),
        _ => {}
    }
}
