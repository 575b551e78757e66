//! What every function that does effects has in common: its payload, the claim before the call
//! and the answer after it.
//!
//! **Invariant 4**: an effect is claimed with the generation and a deadline before its call, and
//! no call is begun that could outlive the deadline.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::effect::{Effect, Outcome};
use tidegate_domain::id::{EffectId, WaveId};

use crate::clock::Clock;
use crate::effects::{Claim, Effects};
use crate::error::{Context, HandlerError};

/// How much time must be left of the claim when a call begins: more than one attempt of an SDK
/// call may take (connecting included), so that it has ended, one way or the other, before
/// somebody else may take the effect over.
pub const CALL_MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// What the state machine hands to a function that does effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which wave.
    pub wave: WaveId,
    /// The generation of the driver that asks.
    pub generation: u64,
    /// Which effect.
    pub effect: EffectId,
}

/// What such a function answers the state machine: nothing. How it went stands in the effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {}

/// An effect that is ours until its deadline.
#[derive(Debug)]
pub struct Claimed<'a, E, C> {
    /// The effect.
    pub effect: Effect,
    /// Whether it was claimed before: the call may have been made, so look first.
    pub again: bool,
    /// The deadline: when this invocation ends, whether it is done or not.
    pub until: Timestamp,
    generation: u64,
    effects: &'a E,
    clock: &'a C,
}

/// Claim an effect; None if it is answered, somebody else is at it or it does not exist.
///
/// # Errors
/// The table failed.
pub async fn claim<'a, E: Effects, C: Clock>(
    effects: &'a E,
    clock: &'a C,
    request: &Request,
    until: Timestamp,
) -> Result<Option<Claimed<'a, E, C>>, HandlerError> {
    let Request {
        wave,
        generation,
        effect,
    } = request;
    let claim = effects
        .claim(wave, effect, *generation, clock.now(), until)
        .await
        .context(format!("could not claim effect {effect}"))?;
    match claim {
        Claim::NotOurs => {
            tracing::info!(%wave, %effect, generation, "the effect was not ours to do");
            Ok(None)
        }
        Claim::Ours { effect, again } => Ok(Some(Claimed {
            effect,
            again,
            until,
            generation: *generation,
            effects,
            clock,
        })),
    }
}

impl<E: Effects, C: Clock> Claimed<'_, E, C> {
    /// Whether a call that is begun now ends before the deadline. If not, give up without an
    /// answer: the effect is taken up again.
    #[must_use]
    pub fn in_time(&self) -> bool {
        let ends = self
            .clock
            .now()
            .saturating_add(CALL_MARGIN)
            .unwrap_or(Timestamp::MAX);
        if ends >= self.until {
            tracing::warn!(wave = %self.effect.wave, effect = %self.effect.id,
                "too little time was left to begin a call");
            return false;
        }
        true
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Save how it ended.
    ///
    /// # Errors
    /// The table failed; the effect is taken up again after the deadline, and looks first.
    pub async fn answer(&self, outcome: &Outcome) -> Result<Response, HandlerError> {
        let Effect { id, wave, .. } = &self.effect;
        self.effects
            .answer(
                wave,
                id,
                self.generation,
                self.until,
                outcome,
                self.clock.now(),
            )
            .await
            .context(format!("could not save how effect {id} ended"))?;
        tracing::info!(%wave, effect = %id, outcome = name(outcome), "the effect was answered");
        Ok(Response {})
    }

    /// The effect asks for something that this function does not do.
    #[must_use]
    pub fn wrong_function(&self, function: &str) -> HandlerError {
        let wanted = self.effect.task.function();
        HandlerError::Permanent {
            context: format!("effect {} was handed to {function}", self.effect.id),
            source: format!("it is done by {wanted}").into(),
        }
    }
}

/// The outcome's name for logs.
fn name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Job(_) => "job",
        Outcome::Command(_) => "command",
        Outcome::Servers(_) => "servers",
        Outcome::Claimed(_) => "claimed",
        Outcome::Kept(_) => "kept",
        Outcome::Asked { .. } => "asked",
        Outcome::Problems(_) => "problems",
        Outcome::Refused(_) => "refused",
    }
}
