//! What goes wrong in a world, and how often.
//!
//! **Invariant**: a world's faults are drawn from its seed, and [`Faults::none`] heals them all.

use crate::cloud::Function;
use crate::random::Random;

/// The calls that change something, by function. In most worlds more goes wrong at one of them than
/// elsewhere, so that each comes to it.
pub const CHANGES: &[(Function, &[&str])] = &[
    (Function::Advance, &["save"]),
    (
        Function::Console,
        &[
            "append",
            "create",
            "take generation",
            "StartExecution",
            "count wake",
            "unpark",
            "SendTaskSuccess",
            "note a refusal",
            "response_url",
        ],
    ),
    (
        Function::Events,
        &["count wake", "unpark", "SendTaskSuccess"],
    ),
    (Function::Finalize, &["claim", "FinalizeCutover", "answer"]),
    (
        Function::Gate,
        &[
            "claim",
            "Publish",
            "chat.postMessage",
            "chat.update",
            "answer",
        ],
    ),
    (
        Function::Launch,
        &[
            "claim",
            "StartTest",
            "StartCutover",
            "TerminateTargetInstances",
            "StopInstances",
            "CreateSnapshot",
            "answer",
        ],
    ),
    (
        Function::Lifecycle,
        &[
            "claim",
            "ChangeServerLifeCycleState",
            "RetryDataReplication",
            "answer",
        ],
    ),
    (
        Function::Notify,
        &["claim", "Publish", "chat.postMessage", "answer"],
    ),
    (Function::Observe, &["save observations", "save jobs"]),
    (Function::Park, &["park", "SendTaskSuccess"]),
    (
        Function::Prepare,
        &["claim", "claim server", "release server", "answer"],
    ),
    (
        Function::Sweep,
        &[
            "take generation",
            "StartExecution",
            "unpark",
            "SendTaskSuccess",
        ],
    ),
    (
        Function::Validate,
        &["claim", "SendCommand", "remember", "answer"],
    ),
];

/// How often a function dies, is late and loses the answer at a world's hard call.
const HARD: f64 = 0.2;

/// Odds for each point at which something can go wrong, 0 to 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// A function dies at a port call.
    pub crash: f64,
    /// Where more goes wrong than elsewhere: a function dies at this call, is late, or loses its answer.
    pub hard: Option<(Function, &'static str)>,
    /// A port call takes up to 75 s, so that a stale invocation goes on late or is killed.
    pub pause: f64,
    /// The table fails, nothing done.
    pub table_fails: f64,
    /// The table did it, the answer is lost.
    pub table_lost: f64,
    /// A service throttles.
    pub throttle: f64,
    /// A service fails, nothing done.
    pub fails: f64,
    /// A service did it, the answer is lost.
    pub lost: f64,
    /// Slack refuses a message, or a change of one, for good.
    pub slack_refuses: f64,
    /// An event never comes.
    pub event_lost: f64,
    /// An event comes twice.
    pub event_doubled: f64,
    /// An event comes up to 15 minutes late, after others.
    pub event_late: f64,
    /// Lambda refuses an invocation.
    pub invoke_throttled: f64,
    /// Lambda runs an invocation twice, at the same time.
    pub invoke_doubled: f64,
    /// Lambda runs an invocation, and Step Functions hears nothing of it.
    pub invoke_lost: f64,
    /// An execution is stopped; asked every minute or so.
    pub execution_stopped: f64,
    /// A second execution of a wave is started by hand; asked every few minutes.
    pub second_driver: f64,
    /// A sweep is left out.
    pub sweep_missed: f64,
    /// Time jumps ahead by up to hours; asked every hour.
    pub time_jumps: f64,
    /// How far a function's clock may be off, either way.
    pub skew_milliseconds: u64,
    /// A launch fails.
    pub launch_fails: f64,
    /// A launch comes from a previous snapshot.
    pub launch_stale: f64,
    /// A launch is skipped.
    pub launch_skipped: f64,
    /// A launch takes much longer than the others of its job.
    pub stragglers: f64,
    /// A launched instance does not boot.
    pub impaired: f64,
    /// A document fails.
    pub document_fails: f64,
    /// A server's replication stalls at some time.
    pub stalls: f64,
    /// Somebody else's jobs are in the account; asked every few minutes.
    pub foreign_jobs: f64,
    /// Somebody else's job takes the slots that are left just before we start ours.
    pub overtaken: f64,
    /// Events that nobody at AWS sent; asked every few minutes.
    pub forged_events: f64,
    /// Somebody else launches, reverts or breaks the waves' own servers; asked every few minutes.
    pub meddling: f64,
    /// Somebody changes how a server is launched; asked every few minutes.
    pub settings_changed: f64,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// How often a function at least dies, is late and loses the answer at a call.
    #[must_use]
    pub fn at_least(&self, function: Function, call: &str) -> f64 {
        if self.hard == Some((function, call)) {
            HARD
        } else {
            0.0
        }
    }

    /// Each kind of fault is there in some worlds, rare in some and frequent in others.
    #[must_use]
    pub fn drawn(random: &mut Random) -> Self {
        let calm = random.chance(0.1);
        let mut odds = |often: f64, most: f64| {
            if calm || !random.chance(often) {
                return 0.0;
            }
            let share = random.fraction();
            most * share * share
        };
        Self {
            crash: odds(0.5, 0.03),
            hard: None,
            pause: odds(0.5, 0.02),
            table_fails: odds(0.4, 0.03),
            table_lost: odds(0.4, 0.03),
            throttle: odds(0.5, 0.1),
            fails: odds(0.4, 0.05),
            lost: odds(0.5, 0.1),
            slack_refuses: odds(0.3, 0.3),
            event_lost: odds(0.5, 1.0),
            event_doubled: odds(0.5, 0.5),
            event_late: odds(0.5, 0.7),
            invoke_throttled: odds(0.3, 0.1),
            invoke_doubled: odds(0.4, 0.1),
            invoke_lost: odds(0.3, 0.05),
            execution_stopped: odds(0.4, 0.2),
            second_driver: odds(0.3, 0.3),
            sweep_missed: odds(0.3, 0.7),
            time_jumps: odds(0.3, 0.5),
            skew_milliseconds: 200,
            launch_fails: odds(0.5, 0.3),
            launch_stale: odds(0.3, 0.2),
            launch_skipped: odds(0.2, 0.2),
            stragglers: 0.0,
            impaired: odds(0.3, 0.2),
            document_fails: odds(0.5, 0.3),
            stalls: odds(0.3, 0.5),
            foreign_jobs: odds(0.3, 1.0),
            overtaken: 0.0,
            forged_events: 0.0,
            meddling: odds(0.15, 0.5),
            settings_changed: odds(0.5, 1.0),
        }
    }
}
