//! `tidegate page`: the address of a wave's page in the console.

use tidegate_domain::id::WaveId;

use crate::client::Client;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Print the address. It is made for the caller and good for an hour.
///
/// # Errors
/// What the console said.
pub async fn run(client: &Client, wave: &WaveId, terminal: &Terminal) -> Result<(), Failure> {
    terminal.say(&client.page(wave).await?);
    Ok(())
}
