//! The design's invariants, checked at every save and before and after every call that changes
//! something, and once more when a world has ended.
//!
//! | file | invariants |
//! |---|---|
//! | `writes` | 1 an event counts a wake and writes nothing else; 2 one writer of each record |
//! | `writers` | 2 turns and generations rise, audit chain; 12 terminal means terminal |
//! | `purity` | 3 the decision is pure: decided again, it comes out the same |
//! | `calls` | 4 once per effect; 6 least power; 8 limits |
//! | `launches` | 7 no cutover and no finalize before its time |
//! | `gates`, `slack` | 9 a decision counts once |
//! | `bounds` | 11 everything is bounded |
//! | `rollback` | 10 while servers go back |
//! | `endings` | 12 a wave ends as people and its plan say |
//! | `aftermath` | 10 and 12: what is left when every wave has ended |
//!
//! That events decide nothing (1) also shows in worlds in which they are lost, doubled, late, out of
//! order and forged, and all of this holds all the same. That a driver is disposable (5) has no check
//! of its own: executions are stopped in every state, functions die at every call, and every wave
//! must end. `tests/simulation.rs` demands that each of these came up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use mgn_sim::{ApiError, Reply};
use serde_json::Value;
use tidegate_domain::effect::Outcome;
use tidegate_domain::id::{EffectId, JobId, ServerId, WaveId};
use tidegate_domain::observation::ServerSeen;
use tidegate_domain::wave::Wave;
use tidegate_ports::mgn::EFFECT_TAG;
use tidegate_ports::slack::Answer;
use tidegate_ports::turns::Turn;

use crate::cloud::slack::Press;
use crate::cloud::{Cloud, Function};
use crate::coverage::Coverage;

mod aftermath;
mod bounds;
mod calls;
mod doors;
mod endings;
mod gates;
mod launches;
mod purity;
mod rollback;
mod slack;
mod writers;
mod writes;

pub use aftermath::at_the_end;
pub use purity::decided;
pub(crate) use writes::write;

/// What was found so far, and what is remembered to find more.
#[derive(Debug, Default)]
pub struct Checks {
    /// What was violated.
    pub violations: Vec<Violation>,
    /// The jobs that were started, with what started them.
    pub jobs: BTreeMap<JobId, StartedJob>,
    /// The effects that started a job or sent a command.
    pub used: BTreeSet<EffectId>,
    /// When each wave began to soak.
    pub soaking: BTreeMap<WaveId, Timestamp>,
    /// The evidence on which each server was approved that was read to stall since.
    pub stalled: BTreeMap<ServerId, String>,
    /// When each server was last read with neither lag nor backlog.
    pub caught_up: BTreeMap<ServerId, Timestamp>,
    /// What the run came across.
    pub coverage: Coverage,
}

/// A job that one of our functions started.
#[derive(Debug, Clone)]
pub struct StartedJob {
    /// The operation.
    pub operation: String,
    /// The effect that it is tagged with.
    pub effect: EffectId,
    /// The wave of the effect.
    pub wave: WaveId,
    /// Its servers.
    pub servers: Vec<ServerId>,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant of the design.
    pub invariant: u8,
    /// When.
    pub at: Timestamp,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invariant {}: {} at {}",
            self.invariant, self.text, self.at
        )
    }
}

/// A call that changes something.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which function makes it.
    pub function: Function,
    /// Which operation.
    pub operation: String,
    /// The servers that it names.
    pub servers: Vec<ServerId>,
    /// The effect that it carries, if it does.
    pub effect: Option<EffectId>,
    /// All of its input.
    pub input: Value,
}

impl Change {
    /// The call of that operation with that input.
    #[must_use]
    pub fn new(function: Function, operation: &str, input: &Value) -> Self {
        let one = input["sourceServerID"].as_str();
        let many = input["sourceServerIDs"].as_array();
        let ids = one
            .into_iter()
            .chain(many.into_iter().flatten().filter_map(Value::as_str));
        let comment = input["Comment"]
            .as_str()
            .and_then(|c| c.strip_prefix("tidegate "));
        let effect = input["tags"][EFFECT_TAG].as_str().or(comment);
        Self {
            function,
            operation: operation.to_owned(),
            servers: ids.filter_map(|id| ServerId::parse(id).ok()).collect(),
            effect: effect.and_then(|effect| EffectId::parse(effect).ok()),
            input: input.clone(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.operation)?;
        if let Some(state) = self.input["lifeCycle"]["state"].as_str() {
            write!(f, " {state}")?;
        }
        if let Some(document) = self.input["DocumentName"].as_str() {
            write!(f, " {document} on {}", self.input["InstanceIds"])?;
        }
        for server in &self.servers {
            write!(f, " {server}")?;
        }
        match &self.effect {
            Some(effect) => write!(f, " for {effect}"),
            None => Ok(()),
        }
    }
}

/// Note a violation.
pub fn violated(cloud: &Cloud, invariant: u8, text: String) {
    let at = cloud.now();
    cloud.note(|| format!("VIOLATED invariant {invariant}: {text}"));
    cloud.checks.borrow_mut().violations.push(Violation {
        invariant,
        at,
        text,
    });
}

/// Something came up.
pub fn covered(cloud: &Cloud, what: impl Into<String>) {
    cloud.checks.borrow_mut().coverage.count(what);
}

/// After servers were read.
pub fn read(cloud: &Cloud, seen: &[ServerSeen]) {
    let now = cloud.now();
    let caught_up = seen.iter().filter(|server| server.caught_up());
    let read = caught_up.map(|server| (server.id.clone(), now));
    cloud.checks.borrow_mut().caught_up.extend(read);
}

/// Before a call that changes something.
pub fn before(cloud: &Cloud, change: &Change) {
    calls::before(cloud, change);
    launches::before(cloud, change);
    rollback::before(cloud, change);
}

/// After a call was answered, well or not.
pub fn answered(cloud: &Cloud, change: &Change, reply: &Result<Reply, ApiError>) {
    calls::answered(cloud, change, reply);
}

/// After a call that changed something.
pub fn after(cloud: &Cloud, change: &Change, body: &Value) {
    calls::after(cloud, change, body);
}

/// Somebody who pressed a button in Slack is told what came of it.
pub fn told(cloud: &Cloud, press: &Press, answer: &Answer) {
    slack::told(cloud, press, answer);
}

/// After a turn was saved.
pub fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    writers::saved(cloud, turn);
    calls::saved(cloud, turn);
    endings::saved(cloud, turn);
    gates::saved(cloud, turn);
    doors::saved(cloud, turn);
    slack::saved(cloud, turn);
    launches::saved(cloud, turn);
    bounds::saved(cloud, turn);
    cover(cloud, turn);
}

/// The phases, stages and holds that a turn enters.
fn cover(cloud: &Cloud, turn: &Turn<'_>) {
    let before = turn.loaded.wave.as_ref();
    let phase = |wave: &Wave| wave.phase.name();
    if before.map(phase) != Some(phase(turn.wave)) {
        covered(cloud, format!("phase {}", phase(turn.wave)));
    }
    if let Some(hold) = &turn.wave.hold
        && before.and_then(|wave| wave.hold.as_ref()) != Some(hold)
    {
        let reason = format!("{:?}", hold.reason);
        let name = reason.split([' ', '{']).next().unwrap_or_default();
        covered(cloud, format!("hold {name}"));
    }
    for (index, server) in turn.servers.iter().enumerate() {
        let earlier = turn
            .loaded
            .servers
            .get(index)
            .map(|server| server.stage.name());
        if earlier != Some(server.stage.name()) {
            covered(cloud, format!("stage {}", server.stage.name()));
        }
    }
    for effect in turn.effects {
        covered(cloud, format!("effect {}", effect.task.title()));
    }
    waits_for_slots(cloud, turn);
    for outcome in turn.ended.values() {
        let how = match outcome {
            Outcome::Job(_) => "effect whose job was seen",
            _ => "effect cancelled",
        };
        covered(cloud, how);
    }
}

/// A wave begins to wait for slots.
fn waits_for_slots(cloud: &Cloud, turn: &Turn<'_>) {
    let (id, before) = (&turn.wave.id, &turn.loaded.slots);
    let waits = turn.slots.is_some_and(|now| now.waiting.contains_key(id));
    if !waits || before.waiting.contains_key(id) {
        return;
    }
    covered(cloud, "waited for slots");
    if before.reservations.values().any(|r| r.wave != *id) {
        covered(cloud, "waited for slots of another wave");
    }
    let jobs = turn.loaded.jobs.iter().flat_map(|seen| &seen.jobs);
    if jobs.into_iter().any(|job| job.effect.is_none()) {
        covered(cloud, "waited for slots of strangers");
    }
}

/// A turn in one line, for the journal.
#[must_use]
pub fn describe(turn: &Turn<'_>) -> String {
    let wave = turn.wave;
    let mut line = format!("turn {} of {}: {}", wave.turn, wave.id, wave.phase.name());
    if let Some(hold) = &wave.hold {
        line.push_str(&format!(", held: {}", hold.reason.sentence()));
    }
    for server in turn.servers {
        line.push_str(&format!(" [{} {}]", server.hostname, server.stage.name()));
    }
    for effect in turn.effects {
        line.push_str(&format!(" +{} {:?}", effect.id, effect.task));
    }
    if let Some(audit) = turn.audit {
        for entry in &audit.entries {
            line.push_str(&format!("\n    {}: {}", entry.event, entry.text));
        }
    }
    line
}
