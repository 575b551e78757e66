//! The `tidegate` command: reads its arguments, runs, tells what went wrong in one sentence.

use std::process::ExitCode;

use clap::Parser;
use tidegate::arguments::Arguments;
use tidegate::terminal::Terminal;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::detect(arguments.color);
    match tidegate::run(arguments, &terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
