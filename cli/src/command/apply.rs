//! `tidegate apply`: begins a wave, or amends one under way.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tidegate_domain::plan::{PlanErrors, parse_change};

use crate::client::Applied;
use crate::command::{check, wait};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::terminal::Terminal;

/// How long a new wave may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Check, send, wait until the wave can be seen.
///
/// # Errors
/// A wrong plan, told in full; or what the console said.
pub async fn run(file: &Path, settings: &Settings, terminal: &Terminal) -> Result<(), Failure> {
    let text = check::read(file)?;
    // The console knows whether the wave is under way, and keeps a window that is over.
    let plan = match parse_change(&text, Timestamp::now()) {
        Ok(plan) => plan,
        Err(errors) => return Err(faulty(file, &text, &errors, settings, terminal).await),
    };
    let client = settings.client().await?;
    let wave = &plan.wave;
    let before = match client.wave(wave).await {
        Ok(view) => Some(view),
        Err(Failure::NotFound(_)) => None,
        Err(failure) => return Err(failure),
    };
    match client.apply(&text).await? {
        Applied::Accepted => {}
        Applied::Wrong { error, problems } if problems.is_empty() => {
            return Err(Failure::Input(error));
        }
        Applied::Wrong { problems, .. } => return Err(check::told(file, &problems, terminal)),
    }
    if let Some(view) = before {
        terminal.say(&format!(
            "The console took the change of wave {wave}, which is in {}; what it comes to stands in \
             `tidegate timeline {wave}`.",
            view.summary.phase
        ));
        if let Some(hold) = view.hold {
            terminal.say(&format!(
                "It is held: {} Let it go on with the change: tidegate resume {wave}",
                hold.reason
            ));
        }
        return Ok(());
    }
    let Some(view) = wait::until(&client, wave, PATIENCE, |_| true).await? else {
        return Err(Failure::Failed(format!(
            "the console took the plan, but wave {wave} cannot be seen after {} seconds: look again \
             with `tidegate status {wave}`, and if it stays away, at the driver's alarms",
            PATIENCE.as_secs()
        )));
    };
    terminal.say(&format!(
        "Wave {wave} is applied. It waits for {}.\nFollow it: tidegate watch {wave}",
        view.summary.waiting_for
    ));
    Ok(())
}

/// Tell everything that is wrong with a plan that has errors. It is sent all the same, for the
/// console takes none that has and knows more: whether other waves own its servers.
async fn faulty(
    file: &Path,
    text: &str,
    errors: &PlanErrors,
    settings: &Settings,
    terminal: &Terminal,
) -> Failure {
    let said = match settings.client().await {
        Ok(client) => client.apply(text).await,
        Err(failure) => Err(failure),
    };
    match said {
        Ok(Applied::Wrong { problems, .. }) if !problems.is_empty() => {
            check::told(file, &problems, terminal)
        }
        Ok(Applied::Wrong { .. }) => check::told(file, &errors.0, terminal),
        Ok(Applied::Accepted) => {
            check::told(file, &errors.0, terminal);
            Failure::Failed(
                "the console, which is of another version, took the plan all the same: see what \
                 came of it with `tidegate status`"
                    .to_owned(),
            )
        }
        Err(failure) => {
            terminal.remark(&format!(
                "The console did not say whether other waves own its servers: {failure}"
            ));
            check::told(file, &errors.0, terminal)
        }
    }
}
