//! Looking for the job that an effect may have started already.
//!
//! **Invariant 4**: a job belongs to an effect if its tag says so, never because it looks alike.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::id::{EffectId, JobId, ServerId};
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::{Jobs, SourceServers};

use crate::Kind;

/// How far back jobs are listed. An effect that was claimed longer ago than that is found by its
/// servers' last launch; a termination that is older is refused when it is asked for again.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The job that this effect started, if it is to be seen.
pub(crate) async fn job<M: SourceServers + Jobs>(
    mgn: &M,
    kind: Kind,
    servers: &[ServerId],
    effect: &EffectId,
    now: Timestamp,
) -> Result<Option<JobId>, ReadError> {
    let last: BTreeSet<JobId> = match kind {
        Kind::Test => mgn
            .servers(servers, now)
            .await?
            .into_iter()
            .filter_map(|s| s.last_test)
            .collect(),
        Kind::Cutover => mgn
            .servers(servers, now)
            .await?
            .into_iter()
            .filter_map(|s| s.last_cutover)
            .collect(),
        // MGN names no last termination.
        Kind::Terminate => BTreeSet::new(),
    };
    if !last.is_empty() {
        let last: Vec<JobId> = last.into_iter().collect();
        if let Some(job) = mgn
            .jobs(&last)
            .await?
            .into_iter()
            .find(|j| started(j, effect))
        {
            return Ok(Some(job.id));
        }
    }
    // Somebody else's launch may have come after ours and hides it.
    let from = now.saturating_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
    Ok(mgn
        .jobs_since(from)
        .await?
        .into_iter()
        .find(|j| started(j, effect))
        .map(|j| j.id))
}

fn started(job: &tidegate_ports::mgn::Job, effect: &EffectId) -> bool {
    job.effect.as_ref() == Some(effect)
}
