//! What can be typed, and the help that teaches it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use tidegate_domain::gate::Gate;
use tidegate_domain::id::WaveId;

/// Drive AWS Application Migration Service (MGN) waves: hands-off where the plan allows it,
/// behind approvals where not.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100, after_long_help = AFTER_HELP)]
pub struct Arguments {
    /// The console's address, an output of the deployed stack
    #[arg(
        long,
        global = true,
        env = "TIDEGATE_CONSOLE_URL",
        value_name = "URL",
        help_heading = "Connection"
    )]
    pub console: Option<String>,

    /// The AWS Region of the console; that of its address, or your AWS configuration's, if left out
    #[arg(
        long,
        global = true,
        value_name = "REGION",
        help_heading = "Connection"
    )]
    pub region: Option<String>,

    /// The profile of your AWS configuration to take credentials from
    #[arg(long, global = true, value_name = "NAME", help_heading = "Connection")]
    pub profile: Option<String>,

    /// Whether to use colours
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a plan file on this machine, without asking AWS
    ///
    /// Tells every error at once, each as FILE:LINE:COLUMN: MESSAGE, or shows what the plan would
    /// do: the applications in their order, which servers, and the window in its own time and UTC.
    #[command(
        after_help = "Examples:\n  tidegate check orders.yaml\n  generate-plan | tidegate check -"
    )]
    Check {
        /// The plan, YAML or JSON; - reads standard input
        file: PathBuf,
    },

    /// Begin a wave with a plan, or change the window, gates and policy of one under way
    ///
    /// Sends the file and waits until the wave can be seen; or tells every error of it, and each server
    /// that another wave owns. A wave's name is used once: a wave that has ended keeps it.
    #[command(after_help = "Examples:\n  tidegate apply orders.yaml && tidegate watch orders")]
    Apply {
        /// The plan, YAML or JSON; - reads standard input
        file: PathBuf,
    },

    /// Start a wave now, whatever its plan waits for
    Start {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
    },

    /// Show all waves, or one: what it waits for, holds, gates, servers, downtime
    #[command(
        after_help = "Examples:\n  tidegate status\n  tidegate status orders\n  \
        tidegate status orders --json | jq '.servers[] | select(.stage == \"failed\")'"
    )]
    Status {
        /// The wave's name; all waves if left out
        #[arg(value_parser = wave)]
        wave: Option<WaveId>,
        /// Print what the console said, as JSON
        #[arg(long)]
        json: bool,
        /// Show every server, however many there are
        #[arg(long)]
        all: bool,
    },

    /// Follow a wave until it ends
    ///
    /// Shows progress bars on a terminal, and a line for each change elsewhere. Ends with 0 when
    /// the wave is Completed and with 1 when it was aborted or rolled back. To stop watching, press
    /// Ctrl-C: the wave goes on.
    Watch {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// How often to look
        #[arg(long, default_value = "2s", value_parser = seconds, value_name = "DURATION")]
        every: Duration,
    },

    /// Approve a gate of a wave, for the evidence that is shown
    ///
    /// Shows what is approved and asks. The approval counts once, for exactly that evidence: if it
    /// changes before the approval arrives, the gate asks again.
    #[command(after_help = "Examples:\n  tidegate approve orders cutover\n  \
        tidegate approve orders cutover --evidence 3f2a91c0d7e4\n  \
        tidegate approve orders cutover --only orders-db --only app01 --reason 'web is not ready'\n  \
        tidegate approve orders finalize --yes")]
    Approve(Approval),

    /// Reject a gate of a wave; the wave is then held
    Reject(Decision),

    /// Take your approval of a gate back, while it was not acted on
    Withdraw {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// The gate: cutover or finalize
        #[arg(value_parser = gate)]
        gate: Gate,
    },

    /// Let servers pass although a check fails on them; approvers are shown who said so, and why
    #[command(
        after_help = "Examples:\n  tidegate waive orders app03 --check Tidegate-CheckPort \
        --reason 'the port opens at noon'\n  \
        tidegate waive orders orders-app --check Tidegate-CheckHttp --reason 'no route before the cutover'"
    )]
    Waive {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// The servers, each by its hostname or ID, or whole applications by their names
        #[arg(required = true, value_name = "SERVER|APP")]
        servers: Vec<String>,
        /// The check that may fail, by its document, as the plan names it
        #[arg(long, value_name = "DOCUMENT")]
        check: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },

    /// Have a gate ask again: who has not decided yet, or about what was approved only in part
    ///
    /// While the gate is open, those who have not decided get its question once more, with the same
    /// links. When it was approved in part, it asks about what was left.
    Ask {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// The gate: cutover or finalize
        #[arg(value_parser = gate, default_value = "cutover")]
        gate: Gate,
    },

    /// Hold a wave: nothing new starts, what is in flight is still watched
    Hold {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// Why, for the others
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
    },

    /// Release the hold that a wave is under
    ///
    /// Names that hold, so that a late or repeated resume cannot release a later one.
    Resume {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
    },

    /// Leave servers out of a wave
    ///
    /// In a wave that is held because a step of the way back or a termination was refused, it takes that
    /// step as done by hand for these servers; then resume the wave.
    #[command(after_help = "Examples:\n  tidegate skip orders web03\n  \
        tidegate skip orders s-0123456789abcdef0 web04")]
    Skip {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// The servers, each by its hostname or ID
        #[arg(required = true, value_name = "SERVER")]
        servers: Vec<String>,
    },

    /// End a wave: clean up, and leave what is cut over as it is (`rollback` undoes it)
    ///
    /// Nothing new starts, sources that were stopped are started again, test instances are
    /// terminated. Servers that are cut over stay as they are. Asks first on a terminal.
    Abort {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// Do not ask on a terminal
        #[arg(long, short)]
        yes: bool,
    },

    /// Undo what a wave cut over, and end it
    ///
    /// What runs in AWS is stopped, application after application in the reverse order; its data is
    /// kept in snapshots; the sources are started again, in order; the life cycle is set back and
    /// the instances are terminated. The servers replicate on and can be cut over by a new wave.
    /// What is finalized stays. Asks first on a terminal.
    #[command(after_help = "Examples:\n  tidegate rollback orders --note 'orders are slow'")]
    Rollback {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// Why, for the others
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        /// Do not ask on a terminal
        #[arg(long, short)]
        yes: bool,
    },

    /// Print the address of a wave's page, which shows it in a browser
    #[command(
        after_help = "The address is made for you and good for an hour. Whoever has it can look, and can decide \
        at gates as you where the plan's `minimum` is mail or page: do not pass it on."
    )]
    Page {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
    },

    /// Show what happened in a wave, when, and who wanted it
    Timeline {
        /// The wave's name
        #[arg(value_parser = wave)]
        wave: WaveId,
        /// Print what the console said, as JSON
        #[arg(long)]
        json: bool,
    },

    /// Show or prove the audit chain of a wave, or show what the doors refused
    ///
    /// Each record carries the hash of the one before; each is signed and kept outside the table
    /// soon after. With --verify the records are proved here, against the wave and the exported
    /// signatures: what was altered, removed, put elsewhere or cut off is named by its number, and
    /// so is what was still not signed ten minutes later; the command then ends with 1.
    #[command(after_help = "Examples:\n  tidegate audit orders\n  \
        tidegate audit orders --verify\n  tidegate audit orders --verify --json | jq .proved\n  \
        tidegate audit --refused --day 2026-12-05")]
    Audit {
        /// The wave's name
        #[arg(value_parser = wave, required_unless_present = "refused", conflicts_with = "refused")]
        wave: Option<WaveId>,
        /// Prove the chain instead of showing it
        #[arg(long, requires = "wave")]
        verify: bool,
        /// Show the requests that the doors refused, of all waves
        #[arg(long)]
        refused: bool,
        /// Which day's refused requests, in UTC; today's if left out
        #[arg(
            long,
            value_name = "DATE",
            requires = "refused",
            conflicts_with = "wave"
        )]
        day: Option<jiff::civil::Date>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Print a script that completes this command in a shell
    #[command(
        after_help = "Examples:\n  tidegate completions bash > ~/.local/share/bash-completion/completions/tidegate\n  \
        tidegate completions zsh > \"${fpath[1]}/_tidegate\"\n  \
        tidegate completions fish > ~/.config/fish/completions/tidegate.fish"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// An approval of a gate, or of a part of it.
#[derive(Debug, Args)]
pub struct Approval {
    /// What is decided.
    #[command(flatten)]
    pub decision: Decision,
    /// Approve only this application or server; can be given several times
    ///
    /// The rest stays as it is, replicating, until `tidegate ask` has the gate ask again.
    #[arg(long, value_name = "APP|SERVER")]
    pub only: Vec<String>,
}

/// A decision at a gate.
#[derive(Debug, Args)]
pub struct Decision {
    /// The wave's name
    #[arg(value_parser = wave)]
    pub wave: WaveId,
    /// The gate: cutover or finalize
    #[arg(value_parser = gate)]
    pub gate: Gate,
    /// Decide only if the gate still shows this evidence: its hash, or at least the first 12 digits
    ///
    /// Does not ask.
    #[arg(long, value_name = "HASH", value_parser = evidence)]
    pub evidence: Option<String>,
    /// Why, for the others
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Show what is decided on, and do not ask
    #[arg(long, short)]
    pub yes: bool,
}

/// The fewest digits of an evidence's hash that are taken for it.
const FEWEST_DIGITS: usize = 12;

fn wave(text: &str) -> Result<WaveId, String> {
    WaveId::parse(text).map_err(|error| format!("a wave is {}", error.expected))
}

fn gate(text: &str) -> Result<Gate, String> {
    Gate::from_name(text).ok_or_else(|| "a gate is cutover or finalize".to_owned())
}

fn evidence(text: &str) -> Result<String, String> {
    let fine = (FEWEST_DIGITS..=64).contains(&text.len())
        && text.chars().all(|digit| digit.is_ascii_hexdigit());
    if fine {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "evidence is {FEWEST_DIGITS} to 64 hexadecimal digits"
        ))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| {
            (Duration::from_millis(200)..=Duration::from_secs(3600)).contains(duration)
        })
        .ok_or_else(|| "a duration from 200ms to 1h, such as 2s".to_owned())
}

const AFTER_HELP: &str = "\
A first wave:
  tidegate check orders.yaml           is the plan right?
  tidegate apply orders.yaml           begin the wave
  tidegate watch orders                follow it
  tidegate approve orders cutover      decide, when its gate asks
  tidegate timeline orders             what happened
  tidegate audit orders --verify       and the proof that nobody altered it

When a wave is held, `tidegate status WAVE` tells why and which commands go on.

Credentials, Region and proxies are taken as by any AWS tool: environment, ~/.aws, SSO, roles.
The console's address is taken from --console or TIDEGATE_CONSOLE_URL.

Exit codes:
  0  done; watch: the wave is Completed
  1  failed; watch: the wave was aborted or rolled back
  2  wrong input: arguments, settings, or a plan with errors
  3  there is no such wave, gate or server
  4  refused: you may not, or it does not fit how the wave stands; nothing was changed
  5  no answer from the console; a command may or may not have arrived, and can be given again";
