//! `tidegate timeline`: what happened in a wave.

use tidegate_domain::id::WaveId;

use super::status::pretty;
use crate::client::Client;
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Show what happened.
///
/// # Errors
/// What the console said.
pub async fn run(
    client: &Client,
    wave: &WaveId,
    json: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let text = if json {
        pretty(&client.timeline_json(wave).await?)
    } else {
        render::timeline::timeline(&client.timeline(wave).await?, &terminal.look)
    };
    terminal.say(&text);
    Ok(())
}
