//! Waiting until a wave shows that a message was counted.
//!
//! A 202 says only that a message lies in the inbox; people want to see what came of it.

use std::time::Duration;

use tidegate_domain::id::WaveId;
use tidegate_domain::view::WaveView;
use tokio::time::Instant;

use crate::client::Client;
use crate::failure::Failure;

/// How long a message may take to be counted before the command stops waiting for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How often to look.
const EVERY: Duration = Duration::from_millis(500);

/// The first view in which `seen` holds; `None` if none came in time.
pub(super) async fn until(
    client: &Client,
    wave: &WaveId,
    patience: Duration,
    seen: impl Fn(&WaveView) -> bool,
) -> Result<Option<WaveView>, Failure> {
    let end = Instant::now() + patience;
    loop {
        match client.wave(wave).await {
            Ok(view) if seen(&view) => return Ok(Some(view)),
            // A wave just applied is not there until the driver has saved it.
            Ok(_) | Err(Failure::NotFound(_)) => {}
            Err(failure) => return Err(failure),
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// What is told when the wave shows nothing in time: the driver may be late, or have refused.
pub(super) fn not_yet(wave: &WaveId) -> String {
    format!(
        "The console took it; wave {wave} does not show it yet. What comes of it, or why nothing \
         does: tidegate timeline {wave}"
    )
}
