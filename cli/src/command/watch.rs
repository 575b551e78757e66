//! `tidegate watch`: follows a wave until it ends.
//!
//! On a terminal the screen is drawn again and again; elsewhere each change is a line.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_domain::id::WaveId;
use tidegate_domain::view::WaveView;

use crate::client::Client;
use crate::failure::Failure;
use crate::terminal::Terminal;

mod bars;
mod lines;

/// How many looks in a row may fail before watching is given up.
const MOST_FAILURES: u32 = 10;

/// Follow a wave until it ends.
///
/// # Errors
/// It was aborted; or what the console said.
pub async fn run(
    client: &Client,
    wave: &WaveId,
    every: Duration,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let mut screen = Screen::new(terminal)?;
    let mut failures = 0;
    // The first look tells of a wrong name; later ones may fail for a while.
    let mut view = client.wave(wave).await?;
    loop {
        screen.show(&view, terminal);
        if view.ended {
            screen.end();
            return match view.summary.phase.as_str() {
                "Completed" => Ok(()),
                phase => Err(Failure::Failed(format!(
                    "wave {wave} has ended: it is {phase}"
                ))),
            };
        }
        tokio::time::sleep(every).await;
        match client.wave(wave).await {
            Ok(next) => {
                failures = 0;
                view = next;
            }
            Err(failure) if failures < MOST_FAILURES && passing(&failure) => {
                failures += 1;
                screen.trouble(&failure, terminal);
            }
            Err(failure) => {
                screen.end();
                return Err(failure);
            }
        }
    }
}

fn passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) | Failure::Failed(_) => true,
        Failure::Input(_) | Failure::NotFound(_) | Failure::Refused(_) => false,
    }
}

/// What is drawn on.
enum Screen {
    Bars(bars::Bars),
    Lines(lines::Lines),
}

impl Screen {
    fn new(terminal: &Terminal) -> Result<Self, Failure> {
        if terminal.drawable {
            Ok(Self::Bars(bars::Bars::new(&terminal.look)?))
        } else {
            Ok(Self::Lines(lines::Lines::default()))
        }
    }

    fn show(&mut self, view: &WaveView, terminal: &Terminal) {
        match self {
            Self::Bars(bars) => bars.show(view, &terminal.look),
            Self::Lines(lines) => {
                if let Some(line) = lines.next(view, Timestamp::now(), &terminal.look) {
                    terminal.say(&line);
                }
            }
        }
    }

    fn trouble(&mut self, failure: &Failure, terminal: &Terminal) {
        match self {
            Self::Bars(bars) => bars.trouble(failure, &terminal.look),
            Self::Lines(_) => terminal.remark(&format!("looking again: {failure}")),
        }
    }

    fn end(&mut self) {
        match self {
            Self::Bars(bars) => bars.end(),
            Self::Lines(_) => {}
        }
    }
}
