//! The decision: from what a wave is, what AWS says and what people ask, to what the wave becomes
//! and what it wants done.
//!
//! **Invariant 3**: a plain function; the same input gives the same output.

mod turn;

mod adopt;
mod amend;
mod cancel;
mod decisions;
mod differences;
mod inbox;
mod news;
mod outcomes;
mod quarantine;
mod questions;
mod refusals;
mod reminders;

mod cleanup;
mod documents;
mod follow;
mod rollback;
mod stalls;

mod access;
mod changes;
mod claims;
mod evidence;
mod gates;
mod health;
mod lapses;
mod phases;
mod selection;
mod settings;
mod window;

mod cutovers;
mod finalizing;
mod launches;
mod wants;

mod interest;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::audit::AuditRecord;
use crate::effect::{CLAIM_GRACE, Effect, EffectStatus, Outcome, Task};
use crate::hold::HoldReason;
use crate::id::{EffectId, MessageId, ServerId, WaveId};
use crate::message::{Body, MOST_MESSAGES, Message, Reading};
use crate::observation::{AccountJobs, ServerSeen, WaveSeen};
use crate::server::{CallStep, JobStep, RunStep, Server, Stage};
use crate::slots::Slots;
use crate::wave::{Claims, Phase, SCHEMA, Wave};

use self::turn::{Turn, later};

pub use self::interest::interest;
pub use self::quarantine::{MOST_RESTARTS, reads_alone};
pub use self::selection::Selectors;

/// The weight of a turn's history after which the driver goes on in a new execution (Step
/// Functions ends an execution at 25,000 events).
const MOST_HISTORY: u32 = 18_000;
/// Events that a turn adds to the execution's history, and those that an effect adds.
const TURN_EVENTS: u32 = 30;
const EFFECT_EVENTS: u32 = 14;
/// How often an effect is handed out without an answer before a person is asked.
const MOST_TRIES: u32 = 12;

/// Everything that a decision is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The wave's name.
    pub id: WaveId,
    /// The generation of the driver that asks.
    pub generation: u64,
    /// The wave, once its first decision is saved.
    pub wave: Option<Wave>,
    /// Its servers.
    pub servers: Vec<Server>,
    /// The latest round of observations.
    pub round: Option<WaveSeen>,
    /// What was seen of the servers.
    pub seen: BTreeMap<ServerId, ServerSeen>,
    /// The effects that are open in the wave.
    pub effects: Vec<Effect>,
    /// Messages, the oldest first.
    pub inbox: Vec<Message>,
    /// Messages that cannot be read.
    pub unreadable: Vec<MessageId>,
    /// The slots of the account and Region, with all reservations.
    pub slots: Slots,
    /// The account's jobs in progress.
    pub jobs: Option<AccountJobs>,
    /// How often the driver was restarted since the last saved decision.
    pub restarts: u32,
    /// What decisions were begun on alone since then.
    pub reading: Option<Reading>,
    /// The time.
    pub now: Timestamp,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The wave as it is now; None if there is no wave (no plan was applied).
    pub wave: Option<Wave>,
    /// Its servers as they are now.
    pub servers: Vec<Server>,
    /// New effects, to be saved with the rest.
    pub effects: Vec<Effect>,
    /// All open effects that a function may take now, with the function's name. At most 40.
    pub hand_out: Vec<(EffectId, &'static str)>,
    /// Effects that end by this decision, not by an answer: nobody had begun them and nobody shall
    /// any more, or what came of them was seen. Saving fails if one was begun or answered meanwhile.
    pub ended: BTreeMap<EffectId, Outcome>,
    /// Messages that were dealt with.
    pub drained: Vec<MessageId>,
    /// What happened, if anything.
    pub audit: Option<AuditRecord>,
    /// The slots as they are now.
    pub slots: Slots,
    /// Other waves that can have slots now.
    pub make_due: Vec<WaveId>,
    /// What the driver does next.
    pub next: Next,
    /// When to look again at the latest, if nothing happens.
    pub wake_at: Timestamp,
}

/// What the driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Hand out the effects, then look again.
    Act,
    /// Sleep until something happens.
    Park,
    /// Go on in a new execution: this one's history fills.
    Renew,
    /// The wave has ended.
    Done,
}

/// What `observe` is to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Every server that is not archived: the wave's servers are not selected yet. Only those
    /// that a selector picks are kept ([`Selectors`]).
    pub select: bool,
    /// Source servers to be read.
    pub servers: Vec<ServerId>,
    /// Jobs to be read, each with the servers whose stage waits for it.
    pub jobs: BTreeMap<crate::id::JobId, Vec<ServerId>>,
    /// Instances to be read, for which server.
    pub instances: BTreeMap<ServerId, crate::id::InstanceId>,
    /// Snapshots to be read, for which server.
    pub snapshots: BTreeMap<ServerId, Vec<crate::id::SnapshotId>>,
    /// Commands to be read, for which server and on which node.
    pub commands: BTreeMap<crate::id::CommandId, Vec<ServerId>>,
    /// Servers whose launch configuration is to be read, one call each.
    pub configurations: Vec<ServerId>,
    /// Servers of whose launch template the default version is to be looked up.
    pub templates: Vec<ServerId>,
    /// Whether the nodes of the sources are to be found.
    pub source_nodes: bool,
    /// Whether the account's jobs in progress are to be listed.
    pub account_jobs: bool,
}

/// Decide.
#[must_use]
pub fn decide(mut facts: Facts) -> Decision {
    let more_messages = facts.inbox.len() + facts.unreadable.len() >= MOST_MESSAGES;
    let way = quarantine::Way::of(&facts);
    let mut inbox = std::mem::take(&mut facts.inbox);
    let Some((wave, begun)) = existing_or_begun(&mut facts, &mut inbox) else {
        return nothing(facts);
    };
    let unreadable = std::mem::take(&mut facts.unreadable);
    let mut turn = Turn::begin(facts, wave);
    turn.more_messages = more_messages;
    gates::note_hold(&mut turn);
    news::plan(&mut turn);
    if let Some(message) = begun {
        turn.note_by(
            "WaveApplied",
            "The plan was applied.",
            &message.by,
            &message.id,
        );
        turn.drained.push(message.id);
    }
    quarantine::receive(&mut turn, way, inbox, unreadable);
    adopt::adopt(&mut turn);
    outcomes::apply(&mut turn);
    cancel::cancel_stale(&mut turn);
    launches::keep_slots(&mut turn);
    for index in 0..turn.servers.len() {
        turn.with_server(index, follow::follow);
    }
    advance(&mut turn);
    news::plan(&mut turn);
    questions::close(&mut turn);
    finish(turn)
}

/// The stored wave, or the one that the first plan in the inbox begins.
fn existing_or_begun(
    facts: &mut Facts,
    inbox: &mut Vec<Message>,
) -> Option<(Wave, Option<Message>)> {
    if let Some(wave) = facts.wave.take() {
        return Some((wave, None));
    }
    let first = inbox
        .iter()
        .position(|m| matches!(m.body, Body::Apply(_)))?;
    let message = inbox.remove(first);
    let Body::Apply(plan) = message.body.clone() else {
        return None;
    };
    let wave = Wave {
        schema: SCHEMA,
        id: facts.id.clone(),
        plan: *plan,
        applied_by: message.by.clone(),
        authors_before: Vec::new(),
        started_by: None,
        phase: Phase::Waiting,
        phase_since: facts.now,
        hold: None,
        generation: facts.generation,
        turn: 0,
        started: None,
        claims: Claims::None,
        open: BTreeMap::new(),
        gates: BTreeMap::new(),
        rounds: BTreeMap::new(),
        unshown: BTreeMap::new(),
        questions: Vec::new(),
        untold: Vec::new(),
        careful: false,
        accepted_failures: 0,
        starved_since: None,
        silence: None,
        audit: Default::default(),
        history: 0,
    };
    Some((wave, Some(message)))
}

/// No wave and no plan: there is nothing to drive.
fn nothing(facts: Facts) -> Decision {
    Decision {
        wave: None,
        servers: Vec::new(),
        effects: Vec::new(),
        hand_out: Vec::new(),
        ended: BTreeMap::new(),
        drained: Vec::new(),
        audit: None,
        slots: facts.slots,
        make_due: Vec::new(),
        next: Next::Done,
        wake_at: facts.now,
    }
}

/// Go through the phases as far as the facts allow, and plan what is due on the way.
fn advance(turn: &mut Turn) {
    // Each phase is entered at most a few times in one turn.
    const MOST_STEPS: usize = 12;
    access::hold(turn);
    for _ in 0..MOST_STEPS {
        phases::budget(turn);
        if !phases::step(turn) {
            break;
        }
        for index in 0..turn.servers.len() {
            turn.with_server(index, follow::follow);
        }
    }
    if turn.wave.hold.is_none() && !turn.wave.phase.terminal() {
        wants::plan(turn);
    }
    stalls::report(turn);
}

/// What the driver does next, and the decision as a whole.
fn finish(mut turn: Turn) -> Decision {
    // What has just begun a stage is looked at again soon, whatever else is waited for; at once,
    // if the stage waits for nothing but a read that is newer than its beginning.
    let begun: Vec<&Server> = turn
        .servers
        .iter()
        .filter(|s| s.since == turn.now && !s.at_rest())
        .collect();
    let newer_read = begun.iter().any(|s| wants_newer_read(s))
        || (turn.wave.phase == Phase::CuttingOver && turn.wave.phase_since == turn.now);
    if newer_read {
        turn.look_at_once();
    } else if !begun.is_empty() {
        turn.look_again_soon();
    }
    if turn.more_messages {
        turn.wake_at = turn.now;
    }
    adopt::look_again(&mut turn);
    turn.wave.history += TURN_EVENTS;
    let over = turn.wave.phase.terminal() && turn.wave.open.is_empty();
    // Open effects are handed out by the next execution: a wave that is never idle renews too.
    let full = !over && turn.wave.history >= MOST_HISTORY;
    let hand_out = if full {
        Vec::new()
    } else {
        hand_out(&mut turn)
    };
    if !turn.wave.untold.is_empty() {
        turn.look_again_soon();
    }
    turn.wave.history +=
        EFFECT_EVENTS * u32::try_from(hand_out.len()).unwrap_or(u32::MAX / EFFECT_EVENTS);
    let next = if over {
        Next::Done
    } else if full {
        Next::Renew
    } else if !hand_out.is_empty() {
        Next::Act
    } else {
        Next::Park
    };
    let entries = std::mem::take(&mut turn.entries);
    let effects = std::mem::take(&mut turn.effects);
    let audit = (!entries.is_empty() || !effects.is_empty()).then(|| {
        let Wave {
            audit,
            id,
            generation,
            ..
        } = &mut turn.wave;
        audit.append(id, *generation, turn.now, entries, effects)
    });
    Decision {
        wave: Some(turn.wave),
        servers: turn.servers,
        effects: turn.new,
        hand_out,
        ended: turn.ended,
        drained: turn.drained,
        audit,
        slots: turn.slots,
        make_due: turn.make_due.into_iter().collect(),
        next,
        wake_at: turn.wake_at,
    }
}

fn wants_newer_read(server: &Server) -> bool {
    match &server.stage {
        Stage::Settling { .. } => true,
        // What it was cut over to is looked at before anything is done to it.
        Stage::Silencing { run, .. } => matches!(run.step, RunStep::Due { .. }),
        Stage::Launching {
            step: JobStep::Due { not_before },
            ..
        }
        | Stage::Terminating {
            step: JobStep::Due { not_before },
            ..
        }
        | Stage::Returning {
            call: CallStep::Due { not_before },
            ..
        } => *not_before <= server.since,
        _ => false,
    }
}

/// The open effects that a function may take now. Under a hold nothing new starts: only what was
/// begun, and what tells people of it.
fn hand_out(turn: &mut Turn) -> Vec<(EffectId, &'static str)> {
    let mut ready = Vec::new();
    let mut soonest: Option<Timestamp> = None;
    let mut lost: Option<(EffectId, &'static str)> = None;
    let held = turn.wave.hold.is_some();
    for (id, open) in &mut turn.wave.open {
        let effect = turn
            .new
            .iter()
            .find(|e| e.id == *id)
            .or_else(|| turn.stored.get(id));
        let Some(effect) = effect else { continue };
        let at = match &effect.status {
            EffectStatus::Planned if held && !matters_under_hold(&effect.task) => continue,
            EffectStatus::Planned => open.not_before,
            EffectStatus::Claimed { until, .. } => later(*until, CLAIM_GRACE).max(open.not_before),
            EffectStatus::Answered { .. } => continue,
        };
        if at > turn.now {
            soonest = Some(soonest.map_or(at, |s| s.min(at)));
            continue;
        }
        if open.tries >= MOST_TRIES {
            lost.get_or_insert((id.clone(), effect.task.title()));
            continue;
        }
        open.tries += 1;
        let pause = jiff::SignedDuration::from_secs(i64::from(open.tries.min(12)) * 5);
        open.not_before = later(turn.now, pause);
        ready.push((id.clone(), effect.task.function()));
    }
    if let Some(at) = soonest {
        turn.look_again(at);
    }
    if let Some((id, title)) = lost {
        turn.hold(HoldReason::Refused {
            task: title.to_owned(),
            message: format!("effect {id} was begun {MOST_TRIES} times and never answered"),
        });
    }
    ready
}

fn matters_under_hold(task: &Task) -> bool {
    matches!(
        task,
        Task::Notify { .. } | Task::Release { .. } | Task::CloseQuestion { .. }
    )
}
