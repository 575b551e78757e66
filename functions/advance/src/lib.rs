//! Loads a wave, decides, and saves the decision: the only writer of waves.
//!
//! **Invariant 2**: one writer; the higher generation lives. **Invariant 4**: what is handed out
//! was saved before.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tidegate_domain::decide::{Decision, Facts, Next, decide, reads_alone};
use tidegate_domain::id::{EffectId, WaveId};
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{Context, HandlerError, StoreError};
use tidegate_ports::turns::{Loaded, SaveError, Turn, Turns};

/// How often a decision is made anew because something changed meanwhile.
const TRIES: u32 = 5;

/// The longest that a driver waits without listening for wakes.
const LONGEST_NAP: SignedDuration = SignedDuration::from_secs(20);

/// How fast a driver turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long a woken driver waits, so that wakes that come together are one turn, in seconds.
    pub settle_seconds: u32,
    /// How long a driver may be silent before `sweep` takes it for dead.
    pub lease: SignedDuration,
}

/// What the state machine hands over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which wave.
    pub wave: WaveId,
    /// The generation of the driver that asks.
    pub generation: u64,
    /// The execution, for the log.
    #[serde(default)]
    pub execution: String,
    /// The wake count before anything was observed.
    #[serde(default)]
    pub wakes: u64,
}

/// What the state machine branches on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// How many decisions were saved.
    pub turn: u64,
    /// `act`, `nap`, `park`, `renew` or `done`.
    pub next: Step,
    /// What is to be done, at most 40.
    pub effects: Vec<Reference>,
    /// How long a driver waits that was woken, or that takes a nap.
    pub settle_seconds: u32,
    /// When to look again, if nothing happens.
    pub wake_at: Timestamp,
}

/// What the driver does next, as the state machine spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Hand out the effects, then observe.
    Act,
    /// Wait for some seconds, then observe: too short to be worth a waker.
    Nap,
    /// Sleep.
    Park,
    /// Go on in a new execution.
    Renew,
    /// End.
    Done,
}

/// An effect as the state machine carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Which effect.
    pub id: EffectId,
    /// The function that does it.
    pub kind: String,
}

/// Decide once and save it.
///
/// # Errors
/// The table failed, or others changed the wave or the slots again and again (both retryable); an
/// item cannot be read (permanent).
pub async fn handle<T: Turns, C: Clock>(
    request: Request,
    turns: &T,
    clock: &C,
    pace: Pace,
) -> Result<Response, HandlerError> {
    let Request {
        wave, generation, ..
    } = request;
    for _ in 0..TRIES {
        let loaded = turns
            .load(&wave)
            .await
            .context(format!("could not load wave {wave}"))?;
        let now = clock.now();
        if let Some(stored) = &loaded.wave
            && stored.generation > generation
        {
            tracing::info!(%wave, generation, newer = stored.generation, "a newer driver lives");
            return Ok(done(stored.turn, pace, now));
        }
        let facts = facts(&wave, generation, &loaded, now);
        if let Some(reading) = reads_alone(&facts) {
            // Should it die on this message, the next driver knows.
            let noted = turns.note_reading(&wave, &reading).await;
            noted.context(format!("could not note what wave {wave} reads"))?;
        }
        let decision = decide(facts);
        let Some(decided) = &decision.wave else {
            tracing::info!(%wave, generation, "no plan was applied");
            return Ok(done(0, pace, now));
        };
        let turn = Turn {
            loaded: &loaded,
            wave: decided,
            servers: &decision.servers,
            effects: &decision.effects,
            ended: &decision.ended,
            drained: &decision.drained,
            audit: decision.audit.as_ref(),
            slots: (decision.slots != loaded.slots).then_some(&decision.slots),
            now,
        };
        match turns.save(&turn).await {
            Ok(()) => {}
            Err(SaveError::Changed) => continue,
            Err(SaveError::Store(error)) => {
                return Err(error).context(format!("could not save a decision of wave {wave}"));
            }
        }
        if !decision.make_due.is_empty()
            && let Err(error) = turns.make_due(&decision.make_due, now).await
        {
            // They look by themselves, only later.
            tracing::warn!(%wave, %error, "waves that wait for slots were not told");
        }
        log(&wave, generation, &decision);
        return Ok(respond(decided.turn, &decision, pace, now));
    }
    Err(StoreError::Unavailable(
        "others changed it each time".into(),
    ))
    .context(format!(
        "could not save a decision of wave {wave} in {TRIES} tries"
    ))
}

/// What is decided from what was loaded.
#[must_use]
pub fn facts(wave: &WaveId, generation: u64, loaded: &Loaded, now: Timestamp) -> Facts {
    Facts {
        id: wave.clone(),
        generation,
        wave: loaded.wave.clone(),
        servers: loaded.servers.clone(),
        round: loaded.round.clone(),
        seen: loaded.seen.clone(),
        effects: loaded.effects.clone(),
        inbox: loaded.inbox.clone(),
        unreadable: loaded.unreadable.clone(),
        slots: loaded.slots.clone(),
        jobs: loaded.jobs.clone(),
        restarts: loaded.restarts,
        reading: loaded.reading.clone(),
        now,
    }
}

fn respond(turn: u64, decision: &Decision, pace: Pace, now: Timestamp) -> Response {
    let nap = nap(decision, pace, now);
    Response {
        turn,
        next: match decision.next {
            Next::Act => Step::Act,
            Next::Park if nap.is_some() => Step::Nap,
            Next::Park => Step::Park,
            Next::Renew => Step::Renew,
            Next::Done => Step::Done,
        },
        effects: decision
            .hand_out
            .iter()
            .map(|(id, function)| Reference {
                id: id.clone(),
                kind: (*function).to_owned(),
            })
            .collect(),
        settle_seconds: nap.unwrap_or(pace.settle_seconds),
        wake_at: decision.wake_at,
    }
}

/// The seconds until the wave is looked at again, if they are few. `sweep` comes by once a minute:
/// a driver that slept would be late, and an application is down meanwhile.
fn nap(decision: &Decision, pace: Pace, now: Timestamp) -> Option<u32> {
    let wait = decision.wake_at.duration_since(now);
    if wait > LONGEST_NAP.min(pace.lease / 2) {
        return None;
    }
    let whole = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
    let seconds = u32::try_from(whole.max(0)).ok()?;
    Some(seconds.max(pace.settle_seconds))
}

fn done(turn: u64, pace: Pace, now: Timestamp) -> Response {
    Response {
        turn,
        next: Step::Done,
        effects: Vec::new(),
        settle_seconds: pace.settle_seconds,
        wake_at: now,
    }
}

fn log(wave: &WaveId, generation: u64, decision: &Decision) {
    if let Some(record) = &decision.audit {
        for entry in &record.entries {
            tracing::info!(%wave, generation, event = %entry.event, by = entry.by,
                reference = entry.reference, "{}", entry.text);
        }
    }
}
