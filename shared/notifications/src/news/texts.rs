//! The texts, a template each in `templates/news/`, and what each of them names.

use askama::Template;
use tidegate_domain::id::WaveId;

#[derive(Template)]
#[template(path = "news/wave_started.txt")]
pub(super) struct WaveStarted<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) servers: String,
}

#[derive(Template)]
#[template(path = "news/wave_held.txt")]
pub(super) struct WaveHeld<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) reason: String,
    pub(super) window: Option<(String, String)>,
    pub(super) commands: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "news/server_failed.txt")]
pub(super) struct ServerFailed<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) purpose: String,
    pub(super) servers: Vec<Listed<'a>>,
    pub(super) more: usize,
}

#[derive(Template)]
#[template(path = "news/replication_stalled.txt")]
pub(super) struct ReplicationStalled<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) servers: Vec<Listed<'a>>,
    pub(super) more: usize,
    pub(super) window: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "news/termination_refused.txt")]
pub(super) struct TerminationRefused<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) servers: Vec<Listed<'a>>,
    pub(super) more: usize,
}

#[derive(Template)]
#[template(path = "news/messages_set_aside.txt")]
pub(super) struct MessagesSetAside<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) said: Vec<String>,
}

#[derive(Template)]
#[template(path = "news/gate_asks_again.txt")]
pub(super) struct GateAsksAgain<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) gate: &'a str,
    pub(super) only: Option<String>,
    pub(super) changes: Vec<String>,
    pub(super) more: usize,
}

#[derive(Template)]
#[template(path = "news/plan_changed.txt")]
pub(super) struct PlanChanged<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) by: String,
    pub(super) changes: Vec<String>,
    pub(super) more: usize,
}

#[derive(Template)]
#[template(path = "news/approvers_unreached.txt")]
pub(super) struct ApproversUnreached<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) gate: &'a str,
    pub(super) approvers: Vec<String>,
    pub(super) more: usize,
    pub(super) refused: Option<String>,
    pub(super) expires: String,
}

#[derive(Template)]
#[template(path = "news/gate_approved_in_part.txt")]
pub(super) struct GateApprovedInPart<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) gate: &'a str,
    pub(super) text: String,
}

#[derive(Template)]
#[template(path = "news/wave_completed.txt")]
pub(super) struct WaveCompleted<'a> {
    pub(super) wave: &'a WaveId,
}

#[derive(Template)]
#[template(path = "news/wave_aborted.txt")]
pub(super) struct WaveAborted<'a> {
    pub(super) wave: &'a WaveId,
}

#[derive(Template)]
#[template(path = "news/rollback_started.txt")]
pub(super) struct RollbackStarted<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) why: String,
}

#[derive(Template)]
#[template(path = "news/wave_rolled_back.txt")]
pub(super) struct WaveRolledBack<'a> {
    pub(super) wave: &'a WaveId,
    pub(super) kept: Vec<(String, String)>,
}

/// A server that something befell, for people.
pub(super) struct Listed<'a> {
    pub(super) hostname: String,
    pub(super) server: &'a str,
    pub(super) reason: String,
}
