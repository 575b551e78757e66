//! One decision in the making: the state that it changes and what it has decided so far.
//!
//! **Invariant 11**: a turn's effects, new and ended, and its messages are bounded, so that the whole
//! decision fits one transaction (40 chunks of servers, 40 effects, 10 messages and a handful of
//! others, of 100 items; the rest is for the parts of what is too large for one item).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Facts, news};
use crate::audit::{About, EffectRecord, Entry};
use crate::effect::{Effect, EffectStatus, Outcome, Task};
use crate::gate::Gate;
use crate::hold::{Hold, HoldId, HoldReason};
use crate::id::{EffectId, MessageId, ServerId, WaveId};
use crate::news::News;
use crate::observation::{AccountJobs, ServerSeen, WaveSeen};
use crate::plan::{Application, Window};
use crate::server::Server;
use crate::slots::Slots;
use crate::wave::{OpenEffect, Phase, Wave};
use crate::words;

/// Effects that may be open at once; the state machine's map takes 40. What ends in a turn keeps its
/// place until the next, so that this also bounds what the turn writes of effects.
pub(super) const MOST_OPEN: usize = 40;
/// Of these, places that only messages to people may take.
const KEPT_FOR_MESSAGES: usize = 4;
/// New effects in one turn.
const MOST_NEW: usize = 20;
/// The most servers that a sentence names.
const MOST_NAMED: usize = 5;
/// The longest that a wave sleeps without looking.
const LONGEST_SLEEP: SignedDuration = SignedDuration::from_mins(15);

/// A decision in the making.
pub(super) struct Turn {
    /// The wave.
    pub(super) wave: Wave,
    /// Its servers.
    pub(super) servers: Vec<Server>,
    /// The latest round of observations.
    pub(super) round: Option<WaveSeen>,
    /// What was seen.
    pub(super) seen: BTreeMap<ServerId, ServerSeen>,
    /// The stored effects that are open.
    pub(super) stored: BTreeMap<EffectId, Effect>,
    /// The slots.
    pub(super) slots: Slots,
    /// The account's jobs.
    pub(super) jobs: Option<AccountJobs>,
    /// The time.
    pub(super) now: Timestamp,
    /// New effects.
    pub(super) new: Vec<Effect>,
    /// Stored effects that ended without an answer of the function that does them.
    pub(super) ended: BTreeMap<EffectId, Outcome>,
    /// Messages dealt with.
    pub(super) drained: Vec<MessageId>,
    /// What happened.
    pub(super) entries: Vec<Entry>,
    /// Effects that were wanted and that ended.
    pub(super) effects: Vec<EffectRecord>,
    /// Gates that were rejected in this turn, by whom and why.
    pub(super) rejected: BTreeMap<Gate, String>,
    /// Waves that can have slots now.
    pub(super) make_due: BTreeSet<WaveId>,
    /// Whether more messages may wait for the next turn, older than any that are still to come.
    pub(super) more_messages: bool,
    /// When to look again.
    pub(super) wake_at: Timestamp,
}

impl Turn {
    /// Begin from a stored wave, or from the wave that a plan begins.
    pub(super) fn begin(facts: Facts, wave: Wave) -> Self {
        let mut wave = wave;
        if facts.generation > wave.generation {
            wave.generation = facts.generation;
            wave.history = 0;
        }
        wave.turn += 1;
        let now = facts.now;
        Self {
            wave,
            servers: facts.servers,
            round: facts.round,
            seen: facts.seen,
            stored: facts
                .effects
                .into_iter()
                .map(|e| (e.id.clone(), e))
                .collect(),
            slots: facts.slots,
            jobs: facts.jobs,
            now,
            new: Vec::new(),
            ended: BTreeMap::new(),
            drained: Vec::new(),
            entries: Vec::new(),
            effects: Vec::new(),
            rejected: BTreeMap::new(),
            make_due: BTreeSet::new(),
            more_messages: false,
            wake_at: now.saturating_add(LONGEST_SLEEP).unwrap_or(Timestamp::MAX),
        }
    }

    /// Look again at this time at the latest. What was due already and was not done waits for
    /// something else: under a hold for a person, else it is looked at again soon.
    pub(super) fn look_again(&mut self, at: Timestamp) {
        if at > self.now {
            self.wake_at = self.wake_at.min(at);
        } else if self.wave.hold.is_none() {
            self.look_again_soon();
        }
    }

    /// Look again after the time at which the plan wants to look at what no event tells.
    pub(super) fn look_again_soon(&mut self) {
        let at = self.after(self.wave.plan.policy.observe_every);
        self.look_again(at);
    }

    /// Look again as soon as may be: nothing is waited for but a newer read.
    pub(super) fn look_at_once(&mut self) {
        if self.wave.hold.is_none() {
            self.wake_at = self.now;
        }
    }

    /// So long after now.
    pub(super) fn after(&self, duration: SignedDuration) -> Timestamp {
        later(self.now, duration)
    }

    /// Something happened.
    pub(super) fn note(&mut self, event: &str, text: impl Into<String>) {
        self.entries.push(Entry {
            event: event.to_owned(),
            text: text.into(),
            by: None,
            reference: None,
            about: About::default(),
        });
    }

    /// What the last thing that happened is about, for machines.
    pub(super) fn about(&mut self, about: About) {
        if let Some(entry) = self.entries.last_mut() {
            entry.about = about;
        }
    }

    /// Somebody wanted something.
    pub(super) fn note_by(
        &mut self,
        event: &str,
        text: impl Into<String>,
        by: impl ToString,
        reference: impl ToString,
    ) {
        self.entries.push(Entry {
            event: event.to_owned(),
            text: text.into(),
            by: Some(by.to_string()),
            reference: Some(reference.to_string()),
            about: About::default(),
        });
    }

    /// Whether another effect (not a message to people) can be planned.
    pub(super) fn can_plan(&self) -> bool {
        self.has_room(MOST_OPEN - KEPT_FOR_MESSAGES)
    }

    fn has_room(&self, most_open: usize) -> bool {
        self.new.len() < MOST_NEW && self.wave.open.len() + self.ended.len() < most_open
    }

    /// Want something done. None if the turn or the wave has its fill: want it again next turn.
    pub(super) fn plan(&mut self, task: Task) -> Option<EffectId> {
        let room = match task {
            Task::Notify { .. } | Task::CloseQuestion { .. } => self.has_room(MOST_OPEN),
            _ => self.can_plan(),
        };
        if !room {
            self.look_again_soon();
            return None;
        }
        let name = format!("{}-{}-{}", self.wave.id, self.wave.turn, self.new.len());
        let id = EffectId::parse(name).ok()?;
        self.wave.open.insert(
            id.clone(),
            OpenEffect {
                since: self.now,
                tries: 0,
                not_before: self.now,
            },
        );
        self.record(&id, &task, None);
        self.new.push(Effect {
            id: id.clone(),
            wave: self.wave.id.clone(),
            task,
            status: EffectStatus::Planned,
        });
        Some(id)
    }

    /// An effect was wanted, or ended so.
    pub(super) fn record(&mut self, id: &EffectId, task: &Task, outcome: Option<&Outcome>) {
        self.effects.push(EffectRecord {
            id: id.clone(),
            task: task.title().to_owned(),
            outcome: outcome.map(ToString::to_string),
        });
    }

    /// Start nothing new until a person has seen to it. The first hold stays.
    pub(super) fn hold(&mut self, reason: HoldReason) {
        if self.wave.hold.is_some() || self.wave.phase.terminal() {
            return;
        }
        let sentence = reason.sentence();
        self.note("WaveHeld", sentence.clone());
        self.about(About {
            hold: Some(HoldId(self.wave.turn)),
            ..About::default()
        });
        let commands = reason.commands(&self.wave);
        self.wave.hold = Some(Hold {
            id: HoldId(self.wave.turn),
            since: self.now,
            reason,
        });
        let window = self.window_ahead();
        let held = News::WaveHeld {
            reason: sentence,
            commands: commands
                .into_iter()
                .map(|(command, what)| (command, what.to_owned()))
                .collect(),
            window,
        };
        news::tell(self, held);
    }

    /// The wave's window, if it has one that is not over.
    pub(super) fn window_ahead(&self) -> Option<Window> {
        let window = self.wave.plan.window.as_ref();
        window.filter(|window| window.closes > self.now).cloned()
    }

    /// Enter a phase.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.note("PhaseEntered", format!("The wave is now {}.", phase.name()));
        self.about(About {
            phase: Some(phase.name().to_owned()),
            ..About::default()
        });
        self.wave.phase = phase;
        self.wave.phase_since = self.now;
    }

    /// The names of these servers, for people, in the wave's order.
    pub(super) fn hostnames(&self, ids: &[ServerId]) -> Vec<&str> {
        let ids: BTreeSet<&ServerId> = ids.iter().collect();
        let servers = self.servers.iter().filter(|s| ids.contains(&s.id));
        servers.map(|s| s.hostname.as_str()).collect()
    }

    /// The application of a server. A wave's servers come from its plan, so there always is one.
    pub(super) fn application(&self, server: &Server) -> Option<&Application> {
        self.wave.plan.application(&server.application)
    }

    /// What was seen of a server since it entered its stage.
    pub(super) fn fresh(&self, server: &Server) -> Option<&ServerSeen> {
        self.seen
            .get(&server.id)
            .filter(|seen| seen.at > server.since)
    }

    /// Change one server by a function that also needs the turn: takes it out and puts it back,
    /// noting when its stage changed.
    pub(super) fn with_server(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut Self, &mut Server),
    ) {
        let Some(server) = self.servers.get(index) else {
            return;
        };
        let mut server = server.clone();
        let before = server.stage.clone();
        change(self, &mut server);
        if server.stage != before {
            server.since = self.now;
        }
        if let Some(place) = self.servers.get_mut(index) {
            *place = server;
        }
    }
}

/// `1 server`, `2 servers`.
pub(super) fn servers(count: usize) -> String {
    format!("{count} server{}", if count == 1 { "" } else { "s" })
}

/// `2 servers (db01, db02)`; of many the first are named.
pub(super) fn named(hostnames: &[&str]) -> String {
    let few = words::few(hostnames, MOST_NAMED);
    format!("{} ({few})", servers(hostnames.len()))
}

/// So long after a time, without overflow.
pub(super) fn later(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
