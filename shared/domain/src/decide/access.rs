//! Whether AWS can be read: MGN can be lost at any time, a right be taken away, a service be silent.
//!
//! **Invariant 12**: a wave that waits for what it cannot read is held, and says why. What was not read
//! makes no server late.

use jiff::{SignedDuration, Timestamp};

use super::turn::Turn;
use crate::hold::HoldReason;
use crate::observation::{Answer, WaveSeen};
use crate::wave::Silence;
use crate::words::one_line;

/// So long may reads fail before a person is asked: a throttle passes.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// The longest message that the wave keeps of it, in characters.
const LONGEST_MESSAGE: usize = 200;

/// Hold the wave if AWS cannot be read: at once where only a person can mend that, else when it has
/// lasted. A wave on its way to its end does meanwhile what it can. Patience begins anew when a hold is
/// released.
pub(super) fn hold(turn: &mut Turn) {
    let held = turn.wave.hold.is_some();
    let round = turn.round.as_ref().filter(|_| !held);
    let Some((at, reason)) = round.and_then(|round| Some((round.at, trouble(round)?))) else {
        turn.wave.silence = None;
        return;
    };
    let since = turn.wave.silence.as_ref().map_or(at, |s| s.since);
    let silent = matches!(reason, HoldReason::Unanswered { .. });
    let patient = silent || turn.wave.phase.ending();
    if !patient || at.duration_since(since) >= PATIENCE {
        turn.wave.silence = None;
        return turn.hold(reason);
    }
    turn.wave.silence = Some(Silence {
        since,
        message: one_line(&reason.sentence(), LONGEST_MESSAGE),
    });
    turn.look_again_soon();
}

/// What keeps AWS from being read: what only a person can mend before what may pass.
fn trouble(round: &WaveSeen) -> Option<HoldReason> {
    let mut silent = None;
    for answer in [&round.mgn, &round.others] {
        match answer.clone() {
            Answer::Answered => {}
            Answer::Uninitialized => return Some(HoldReason::Uninitialized),
            Answer::Denied(message) => return Some(HoldReason::Denied { message }),
            Answer::Failed(message) => {
                silent.get_or_insert(HoldReason::Unanswered { message });
            }
        }
    }
    silent
}

/// Whether this time is over, by a round in which AWS answered everything: what does not answer makes
/// nobody late.
pub(super) fn is_past(turn: &Turn, deadline: Timestamp) -> bool {
    turn.round
        .as_ref()
        .is_some_and(|round| round.at >= deadline && trouble(round).is_none())
}
