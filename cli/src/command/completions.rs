//! `tidegate completions`: a script for a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Print the script.
///
/// # Errors
/// None; the signature is that of every command.
pub fn run(shell: Shell, terminal: &Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tidegate", &mut script);
    terminal.say(&String::from_utf8_lossy(&script));
    Ok(())
}
