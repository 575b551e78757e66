//! `POST /api/waves/{wave}/commands`: what an operator wants of a wave.

use jiff::Timestamp;
use serde::Deserialize;
use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::hold::HoldId;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, MOST_SERVERS};
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::Context;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::waves::Waves;

use super::decision::checked_reason;
use super::{LARGEST_BODY, Uuid, find, read, send, sent_before};
use crate::Ports;
use crate::payload::Request;
use crate::refused::{Failure, Refused, Status};

/// The longest note, in characters.
const LONGEST_NOTE: usize = 500;

/// The most servers that are named in an error.
const MOST_NAMED: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    message: Uuid,
    command: Command,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    hold: Option<HoldId>,
    #[serde(default)]
    servers: Option<Vec<ServerId>>,
    #[serde(default)]
    check: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    gate: Option<Gate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Command {
    Start,
    Hold,
    Resume,
    Skip,
    Abort,
    Rollback,
    Waive,
    Ask,
}

/// Take a command.
pub(super) async fn command<W, I, D, O, X, S, C>(
    request: &Request,
    caller: Approver,
    wave: &WaveId,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<(), Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    C: Clock,
{
    let wanted: Wanted = read(request, LARGEST_BODY)?;
    let now = ports.clock.now();
    let found = find(wave, ports.waves).await?;
    let message = Message {
        id: wanted.message.0.clone(),
        at: now,
        by: caller,
        body: body(wanted)?,
    };
    if !sent_before(wave, &message, ports.inbox).await? {
        fits(&message.body, &found, now)?;
        if let Body::Skip { servers } | Body::Waive { servers, .. } = &message.body {
            refuse_strangers(wave, servers, ports.waves).await?;
        }
    }
    send(wave, &message, ports).await
}

/// Whether the wave can still do it.
fn fits(body: &Body, wave: &Wave, now: Timestamp) -> Result<(), Refused> {
    let conflict = |message: String| Err(Refused::new(Status::Conflict, message));
    let id = &wave.id;
    if wave.phase.terminal() {
        let phase = wave.phase.name();
        return conflict(format!(
            "Wave {id} has ended ({phase}): there is nothing left to do."
        ));
    }
    match (body, &wave.hold) {
        (Body::Start, _) if wave.phase != Phase::Waiting => {
            conflict(format!("Wave {id} has started already."))
        }
        (Body::Resume { hold: seen }, Some(hold)) if hold.id != *seen => conflict(format!(
            "Wave {id} is held by hold {} now, not by {}: look at the new reason first.",
            hold.id.0, seen.0
        )),
        (Body::Resume { .. }, None) => conflict(format!(
            "Wave {id} is not held: there is nothing to resume."
        )),
        (Body::Ask { gate }, hold) => match (wave.gates.get(gate), hold) {
            (Some(GateState::Open(_)), Some(hold)) => conflict(format!(
                "Wave {id} is held, and nobody is asked meanwhile: {} Let it go on first: tidegate \
                 resume {id}",
                hold.reason.sentence()
            )),
            (Some(GateState::Open(open)), None) => wave
                .may_ask_again(open, now)
                .or_else(|why| conflict(format!("Nobody would be asked: {why}."))),
            (Some(GateState::Approved { put_off, .. }), _) if put_off.is_empty() => conflict(
                format!("Nobody would be asked: nothing was put off at the {gate} gate."),
            ),
            // What was put off is asked about again if it can be, of which the driver knows.
            (Some(GateState::Approved { .. }), _) => Ok(()),
            (Some(GateState::Lapsed { .. }), _) => conflict(format!(
                "The {gate} gate is about to ask again by itself: what it asked about changed."
            )),
            (None, _) => conflict(format!(
                "Nobody would be asked: the {gate} gate is not open."
            )),
        },
        _ => Ok(()),
    }
}

/// What the command asks.
fn body(wanted: Wanted) -> Result<Body, Refused> {
    let Wanted {
        message: _,
        command,
        note,
        hold,
        servers,
        check,
        reason,
        gate,
    } = wanted;
    let misplaced = [
        (
            "note",
            note.is_some() && !matches!(command, Command::Hold | Command::Rollback),
        ),
        ("hold", hold.is_some() && command != Command::Resume),
        (
            "servers",
            servers.is_some() && !matches!(command, Command::Skip | Command::Waive),
        ),
        ("check", check.is_some() && command != Command::Waive),
        ("reason", reason.is_some() && command != Command::Waive),
        ("gate", gate.is_some() && command != Command::Ask),
    ];
    if let Some((field, _)) = misplaced.iter().find(|(_, misplaced)| *misplaced) {
        let message = format!("The command does not take {field}: leave it out.");
        return Err(Refused::new(Status::BadRequest, message));
    }
    match command {
        Command::Start => Ok(Body::Start),
        Command::Hold => Ok(Body::Hold {
            note: checked_note(note.unwrap_or_default())?,
        }),
        // It names the hold that the caller saw, so that it releases no other.
        Command::Resume => match hold {
            Some(hold) => Ok(Body::Resume { hold }),
            None => {
                let message = "Name the hold that is to be released, by its number: hold.";
                Err(Refused::new(Status::BadRequest, message))
            }
        },
        Command::Skip => skip(servers.unwrap_or_default()),
        Command::Abort => Ok(Body::Abort),
        Command::Rollback => Ok(Body::RollBack {
            note: checked_note(note.unwrap_or_default())?,
        }),
        Command::Waive => waive(servers.unwrap_or_default(), check, reason),
        Command::Ask => match gate {
            Some(gate) => Ok(Body::Ask { gate }),
            None => {
                let message = "Name the gate that is to ask again: gate.";
                Err(Refused::new(Status::BadRequest, message))
            }
        },
    }
}

fn checked_note(note: String) -> Result<String, Refused> {
    let note = note.trim();
    if note.chars().count() > LONGEST_NOTE || note.chars().any(char::is_control) {
        let message = format!("The note must be one line of at most {LONGEST_NOTE} characters.");
        return Err(Refused::new(Status::BadRequest, message));
    }
    Ok(note.to_owned())
}

fn skip(servers: Vec<ServerId>) -> Result<Body, Refused> {
    if servers.is_empty() || servers.len() > MOST_SERVERS {
        let message = format!("Name 1 to {MOST_SERVERS} servers that are to be left out: servers.");
        return Err(Refused::new(Status::BadRequest, message));
    }
    Ok(Body::Skip { servers })
}

fn waive(
    servers: Vec<ServerId>,
    check: Option<String>,
    reason: Option<String>,
) -> Result<Body, Refused> {
    let wrong = |message: &str| Refused::new(Status::BadRequest, message);
    if servers.is_empty() || servers.len() > MOST_SERVERS {
        let message = format!("Name 1 to {MOST_SERVERS} servers that are to pass: servers.");
        return Err(wrong(&message));
    }
    let check = check
        .filter(|check| (3..=128).contains(&check.len()) && !check.chars().any(char::is_control))
        .ok_or_else(|| wrong("Name the check that may fail by its document: check."))?;
    let reason = reason.map(checked_reason).transpose()?.flatten();
    let reason = reason.ok_or_else(|| wrong("Say why the check may fail: reason."))?;
    Ok(Body::Waive {
        servers,
        check,
        reason,
    })
}

async fn refuse_strangers(
    wave: &WaveId,
    servers: &[ServerId],
    waves: &impl Waves,
) -> Result<(), Failure> {
    let whole = waves.whole(wave).await.context("could not read the wave")?;
    let members: std::collections::BTreeSet<ServerId> = whole
        .into_iter()
        .flat_map(|whole| whole.servers)
        .map(|server| server.id)
        .collect();
    let strangers: Vec<&str> = servers
        .iter()
        .filter(|server| !members.contains(server))
        .map(ServerId::as_str)
        .take(MOST_NAMED)
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let message = if members.is_empty() {
        format!("The servers of wave {wave} are not selected yet: skip them once it has started.")
    } else {
        format!(
            "These servers are not in wave {wave}: {}.",
            strangers.join(", ")
        )
    };
    Err(Refused::new(Status::Conflict, message).into())
}
