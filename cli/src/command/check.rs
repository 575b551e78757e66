//! `tidegate check`: every error of a plan file at once, or what the plan would do.

use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use tidegate_domain::plan::{Plan, PlanError, PlanErrors, parse};

use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Check a file and show what it would do.
///
/// # Errors
/// The file cannot be read, or is wrong; then every error was told.
pub fn run(file: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let text = read(file)?;
    let plan = checked(file, parse(&text, Timestamp::now()), terminal)?;
    terminal.say(&render::plan::summary(&plan, &terminal.look));
    Ok(())
}

/// The text of a plan file; `-` is standard input.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes
        .map_err(|error| Failure::Input(format!("{} cannot be read: {error}", file.display())))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::Input(format!(
            "{}:{line}: the file is not UTF-8 from here on; save it as UTF-8",
            file.display()
        ))
    })
}

/// The plan; every error is told before this fails.
pub(super) fn checked(
    file: &Path,
    parsed: Result<Plan, PlanErrors>,
    terminal: &Terminal,
) -> Result<Plan, Failure> {
    parsed.map_err(|errors| told(file, &errors.0, terminal))
}

/// Tell every error with its place; the failure counts them.
pub(super) fn told(file: &Path, errors: &[PlanError], terminal: &Terminal) -> Failure {
    let name = if file.as_os_str() == "-" {
        "<stdin>".into()
    } else {
        file.display().to_string()
    };
    for error in errors {
        terminal.remark(&format!("{name}:{error}"));
    }
    Failure::Input(match errors.len() {
        1 => format!("{name} has 1 error"),
        count => format!("{name} has {count} errors"),
    })
}
