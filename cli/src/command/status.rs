//! `tidegate status`: all waves, or one.

use jiff::Timestamp;
use serde_json::Value;
use tidegate_domain::id::WaveId;

use crate::client::Client;
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Show all waves, or one.
///
/// # Errors
/// What the console said.
pub async fn run(
    client: &Client,
    wave: Option<&WaveId>,
    json: bool,
    all: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let now = Timestamp::now();
    let text = match (wave, json) {
        (None, true) => pretty(&client.waves_json().await?),
        (Some(wave), true) => pretty(&client.wave_json(wave).await?),
        (None, false) => render::waves::list(&client.waves().await?, now, &terminal.look),
        (Some(wave), false) => {
            render::wave::wave(&client.wave(wave).await?, now, all, &terminal.look)
        }
    };
    terminal.say(&text);
    Ok(())
}

/// JSON for people and programs.
pub(super) fn pretty(json: &Value) -> String {
    format!("{json:#}")
}
