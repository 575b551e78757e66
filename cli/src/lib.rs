//! The `tidegate` command line: a client of the console's JSON API, with the caller's own AWS
//! credentials.
//!
//! **Invariant 2**: it writes nothing itself; every command is a message in a wave's inbox, with
//! an ID of its own that a repeated request keeps. **Invariant 9**: a decision carries the hash of
//! the evidence that this process has shown.

use arguments::{Arguments, Command};
use failure::Failure;
use settings::Settings;
use terminal::Terminal;

pub mod arguments;
pub mod command;

pub mod client;
pub mod settings;

pub mod render;
pub mod terminal;

pub mod failure;

/// Run one command.
///
/// # Errors
/// One sentence for people, and the exit code that goes with it.
pub async fn run(arguments: Arguments, terminal: &Terminal) -> Result<(), Failure> {
    let settings = Settings {
        console: arguments.console,
        region: arguments.region,
        profile: arguments.profile,
    };
    match arguments.command {
        Command::Check { file } => command::check::run(&file, terminal),
        Command::Completions { shell } => command::completions::run(shell, terminal),
        Command::Apply { file } => command::apply::run(&file, &settings, terminal).await,
        Command::Status { wave, json, all } => {
            let client = settings.client().await?;
            command::status::run(&client, wave.as_ref(), json, all, terminal).await
        }
        Command::Watch { wave, every } => {
            let client = settings.client().await?;
            command::watch::run(&client, &wave, every, terminal).await
        }
        Command::Page { wave } => {
            let client = settings.client().await?;
            command::page::run(&client, &wave, terminal).await
        }
        Command::Audit {
            wave,
            verify,
            refused,
            day,
            json,
        } => {
            let client = settings.client().await?;
            match wave {
                Some(wave) if verify => {
                    command::audit::verify(&client, &wave, json, terminal).await
                }
                Some(wave) => command::audit::show(&client, &wave, json, terminal).await,
                None => {
                    debug_assert!(refused, "the arguments demand one of the two");
                    command::audit::refused(&client, day, json, terminal).await
                }
            }
        }
        Command::Timeline { wave, json } => {
            let client = settings.client().await?;
            command::timeline::run(&client, &wave, json, terminal).await
        }
        Command::Approve(approval) => {
            let client = settings.client().await?;
            command::decide::approve(&client, &approval, terminal).await
        }
        Command::Withdraw { wave, gate } => {
            let client = settings.client().await?;
            command::decide::withdraw(&client, &wave, gate, terminal).await
        }
        Command::Waive {
            wave,
            servers,
            check,
            reason,
        } => {
            let client = settings.client().await?;
            command::operate::waive(&client, &wave, &servers, check, reason, terminal).await
        }
        Command::Ask { wave, gate } => {
            let client = settings.client().await?;
            command::operate::ask(&client, &wave, gate, terminal).await
        }
        Command::Reject(decision) => {
            let client = settings.client().await?;
            command::decide::reject(&client, &decision, terminal).await
        }
        Command::Start { wave } => {
            let client = settings.client().await?;
            command::operate::start(&client, &wave, terminal).await
        }
        Command::Hold { wave, note } => {
            let client = settings.client().await?;
            command::operate::hold(&client, &wave, note, terminal).await
        }
        Command::Resume { wave } => {
            let client = settings.client().await?;
            command::operate::resume(&client, &wave, terminal).await
        }
        Command::Skip { wave, servers } => {
            let client = settings.client().await?;
            command::operate::skip(&client, &wave, &servers, terminal).await
        }
        Command::Rollback { wave, note, yes } => {
            let client = settings.client().await?;
            command::operate::roll_back(&client, &wave, note, yes, terminal).await
        }
        Command::Abort { wave, yes } => {
            let client = settings.client().await?;
            command::operate::abort(&client, &wave, yes, terminal).await
        }
    }
}
