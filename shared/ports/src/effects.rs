//! Effects as the functions that do them see them.
//!
//! **Invariant 4**: an effect is claimed with a generation and a deadline before its call.

use jiff::Timestamp;
use tidegate_domain::effect::{Effect, Outcome};
use tidegate_domain::id::{EffectId, WaveId};

use crate::error::StoreError;

/// How a claim went.
#[expect(clippy::large_enum_variant, reason = "one at a time, moved once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours until the deadline. `again`: somebody claimed it before and may have made its
    /// call, so look first.
    Ours {
        /// The effect.
        effect: Effect,
        /// Whether it was claimed before.
        again: bool,
    },
    /// It is answered, somebody else is at it, it was claimed by a higher generation, or it does
    /// not exist: nothing to do.
    NotOurs,
}

/// Effects to be done.
pub trait Effects {
    /// Claim an effect until `until`, if nobody else is at it: it is planned, or its claim's
    /// deadline and [`tidegate_domain::effect::CLAIM_GRACE`] have passed, and no higher
    /// generation has claimed it.
    async fn claim(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError>;

    /// Save how it ended, if the claim (this generation, this deadline) still stands.
    async fn answer(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        until: Timestamp,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
