//! Replication that stalls: told when it begins and when it ends, and MGN is asked to try again.

use super::turn::{Turn, later};
use super::wants::{MOST_CALLS, ids};
use crate::audit::About;
use crate::effect::Task;
use crate::news::News;
use crate::observation::ReplicationState;
use crate::server::{Server, Stage, Stall};
use crate::wave::Claims;

/// How long to leave a stall to MGN between two attempts of ours.
const STALL_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Tell of a stall that begins or ends.
pub(super) fn follow(turn: &mut Turn, server: &mut Server) {
    let replicates = match server.stage {
        Stage::Finalizing { .. } | Stage::Finalized { .. } | Stage::Ended { .. } => false,
        Stage::Replicating
        | Stage::Launching { .. }
        | Stage::Checking { .. }
        | Stage::Validating { .. }
        | Stage::Accepting { .. }
        | Stage::Tested { .. }
        | Stage::Quiescing { .. }
        | Stage::Settling { .. }
        | Stage::Returning { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. }
        | Stage::CutOver { .. } => true,
    };
    let Some(seen) = turn.seen.get(&server.id) else {
        return;
    };
    let stalled = replicates && seen.replication.state == ReplicationState::Stalled;
    match (&server.stall, stalled) {
        (None, true) => {
            let error = seen
                .replication
                .error
                .clone()
                .unwrap_or_else(|| "no reason given".into());
            let text = format!("Replication of {} stalls: {error}.", server.hostname);
            turn.note("ReplicationStalled", text);
            turn.about(About::server(&server.id));
            turn.tell(News::ReplicationStalled {
                hostname: server.hostname.clone(),
                server: server.id.clone(),
                error,
                window: turn.window_ahead(),
            });
            server.stall = Some(Stall {
                since: turn.now,
                retries: 0,
                retry_at: turn.now,
            });
        }
        (Some(_), false) => {
            turn.note(
                "ReplicationResumed",
                format!("{} replicates again.", server.hostname),
            );
            turn.about(About::server(&server.id));
            server.stall = None;
        }
        (Some(stall), true) => {
            let at = stall.retry_at;
            turn.look_again(at);
        }
        (None, false) => {}
    }
}

/// RetryDataReplication for servers that stall.
pub(super) fn retry(turn: &mut Turn) {
    if turn.wave.claims != Claims::Held {
        return;
    }
    let attempts = turn.wave.plan.policy.attempts;
    let due: Vec<usize> = turn
        .servers
        .iter()
        .enumerate()
        .filter(|(_, s)| {
            s.stall
                .as_ref()
                .is_some_and(|st| st.retries < attempts && st.retry_at <= turn.now)
        })
        .map(|(index, _)| index)
        .collect();
    for batch in due.chunks(MOST_CALLS) {
        let servers = ids(turn, batch);
        if turn.plan(Task::RetryReplication { servers }).is_none() {
            return;
        }
        for index in batch {
            turn.with_server(*index, |turn, server| {
                if let Some(stall) = &mut server.stall {
                    stall.retries += 1;
                    stall.retry_at = later(turn.now, STALL_PAUSE);
                }
            });
        }
    }
}
