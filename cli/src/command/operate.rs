//! `start`, `hold`, `resume`, `skip`, `abort`, `rollback`: what an operator wants of a wave.
//!
//! Each looks at the wave first, so that a wrong name or a wave that has ended is told here, and
//! waits a little for the wave to show that it was counted.

use std::collections::BTreeMap;

use tidegate_domain::gate::Gate;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::view::WaveView;

use super::wait;
use crate::client::{Client, Order};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// What a wave is after a resume.
const RESUMED: &str = "resumed";

/// Start a wave now.
///
/// # Errors
/// The wave has started or ended; or what the console said.
pub async fn start(client: &Client, wave: &WaveId, terminal: &Terminal) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    if view.summary.phase != "Waiting" {
        return Err(Failure::Refused(format!(
            "wave {wave} has started already: it is in {}",
            view.summary.phase
        )));
    }
    client.order(wave, &Order::Start).await?;
    if let Some(hold) = &view.hold {
        terminal.say(&format!(
            "The console took it. Wave {wave} is held and starts when it is resumed: {}",
            hold.reason
        ));
        return Ok(());
    }
    settle(
        client,
        wave,
        "started",
        |view| view.summary.phase != "Waiting",
        terminal,
    )
    .await
}

/// Start nothing new in a wave.
///
/// # Errors
/// The wave is held or has ended; or what the console said.
pub async fn hold(
    client: &Client,
    wave: &WaveId,
    note: String,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    if let Some(hold) = &view.hold {
        return Err(Failure::Refused(format!(
            "wave {wave} is held already: {}",
            hold.reason
        )));
    }
    client.order(wave, &Order::Hold { note }).await?;
    settle(client, wave, "held", |view| view.hold.is_some(), terminal).await
}

/// Release the hold that the wave is under now.
///
/// # Errors
/// There is none; or what the console said.
pub async fn resume(client: &Client, wave: &WaveId, terminal: &Terminal) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    let Some(hold) = view.hold else {
        return Err(Failure::Refused(format!(
            "wave {wave} is not held; it waits for {}",
            view.summary.waiting_for
        )));
    };
    terminal.remark(&format!("Releasing hold {}: {}", hold.id.0, hold.reason));
    client.order(wave, &Order::Resume { hold: hold.id }).await?;
    let released = |view: &WaveView| view.hold.as_ref().is_none_or(|other| other.id != hold.id);
    settle(client, wave, RESUMED, released, terminal).await
}

/// Leave servers out of a wave.
///
/// # Errors
/// A name that no server of the wave has, or several have; or what the console said.
pub async fn skip(
    client: &Client,
    wave: &WaveId,
    names: &[String],
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    let servers = chosen(&view, names)?;
    client
        .order(
            wave,
            &Order::Skip {
                servers: servers.clone(),
            },
        )
        .await?;
    let stages = |view: &WaveView| -> BTreeMap<ServerId, String> {
        let chosen = view.servers.iter().filter(|s| servers.contains(&s.server));
        chosen
            .map(|s| (s.server.clone(), s.stage.clone()))
            .collect()
    };
    let before = stages(&view);
    let changed = |view: &WaveView| {
        stages(view)
            .iter()
            .all(|(id, stage)| before.get(id) != Some(stage))
    };
    let told = if matches!(view.summary.phase.as_str(), "RollingBack" | "Aborting") {
        "told that this was done by hand"
    } else {
        "told to leave them out"
    };
    settle(client, wave, told, changed, terminal).await
}

/// Let servers, or all servers of applications, pass although a check fails on them.
///
/// # Errors
/// A name that nothing of the wave has; or what the console said.
pub async fn waive(
    client: &Client,
    wave: &WaveId,
    names: &[String],
    check: String,
    reason: String,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    let mut servers: Vec<ServerId> = Vec::new();
    let mut others = Vec::new();
    for name in names {
        let of = view
            .servers
            .iter()
            .filter(|server| server.application.as_str() == name)
            .map(|server| server.server.clone());
        let before = servers.len();
        servers.extend(of);
        if servers.len() == before {
            others.push(name.clone());
        }
    }
    servers.extend(chosen(&view, &others)?);
    servers.sort();
    servers.dedup();
    let waived = |view: &WaveView| {
        view.servers
            .iter()
            .filter(|server| servers.contains(&server.server))
            .all(|server| server.waived.contains(&check))
    };
    let order = Order::Waive {
        servers: servers.clone(),
        check: check.clone(),
        reason,
    };
    client.order(wave, &order).await?;
    settle(client, wave, "told to let them pass", waived, terminal).await
}

/// Have a gate ask again about what was left for later.
///
/// # Errors
/// Nothing was; or what the console said.
pub async fn ask(
    client: &Client,
    wave: &WaveId,
    gate: Gate,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    let before = view.gates.iter().find(|other| other.gate == gate);
    let before = before.filter(|before| before.state == "open" || before.put_off > 0);
    let Some(before) = before else {
        return Err(Failure::Refused(format!(
            "the {gate} gate of wave {wave} is not open, and nothing was left for later there"
        )));
    };
    client.order(wave, &Order::Ask { gate }).await?;
    let asked = |view: &WaveView| {
        let now = view.gates.iter().find(|other| other.gate == gate);
        now.is_none_or(|now| {
            (&now.state, &now.evidence, now.put_off, now.reminded)
                != (
                    &before.state,
                    &before.evidence,
                    before.put_off,
                    before.reminded,
                )
        })
    };
    settle(client, wave, "asked again", asked, terminal).await
}

/// End a wave.
///
/// # Errors
/// It has ended; nobody confirmed; or what the console said.
pub async fn abort(
    client: &Client,
    wave: &WaveId,
    yes: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    // Where nobody can answer, the command that names the wave is answer enough.
    if !yes && terminal.interactive {
        let moved = ["cut over", "finalizing", "finalized"]
            .iter()
            .filter_map(|stage| view.stages.get(*stage))
            .sum::<u32>();
        terminal.remark(&format!(
            "Wave {wave} is in {}. Of its {} servers, {moved} run in AWS and stay as they are; \
             stopped sources are started again and test instances are terminated.",
            view.summary.phase, view.summary.servers
        ));
        if !terminal.confirm(&format!("End wave {wave}?"), "--yes")? {
            return Err(Failure::Refused("not aborted".to_owned()));
        }
    }
    client.order(wave, &Order::Abort).await?;
    let ending = |view: &WaveView| view.ended || view.summary.phase == "Aborting";
    settle(client, wave, "told to end", ending, terminal).await
}

/// Undo what a wave cut over, and end it.
///
/// # Errors
/// It has ended; nothing is to be undone; nobody confirmed; or what the console said.
pub async fn roll_back(
    client: &Client,
    wave: &WaveId,
    note: String,
    yes: bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = under_way(client, wave).await?;
    let phase = view.summary.phase.as_str();
    if matches!(phase, "Waiting" | "Preflight") {
        return Err(Failure::Refused(format!(
            "wave {wave} is in {phase}: nothing was cut over; `tidegate abort {wave}` ends it"
        )));
    }
    if !yes && terminal.interactive {
        let count = |stages: &[&str]| {
            let of = stages.iter().filter_map(|stage| view.stages.get(*stage));
            of.sum::<u32>()
        };
        let stay = match count(&["finalized"]) {
            0 => String::new(),
            stay => format!(" {stay} are finalized and stay."),
        };
        terminal.remark(&format!(
            "Wave {wave} is in {phase}. {} servers are cut over: they are stopped in AWS, their data \
             is kept in snapshots, and their sources are started.{stay}",
            count(&["cut over"])
        ));
        if !terminal.confirm(&format!("Roll wave {wave} back?"), "--yes")? {
            return Err(Failure::Refused("not rolled back".to_owned()));
        }
    }
    client.order(wave, &Order::Rollback { note }).await?;
    let under_way = |view: &WaveView| view.ended || view.summary.phase == "RollingBack";
    settle(client, wave, "told to roll back", under_way, terminal).await
}

/// The wave, unless it has ended.
async fn under_way(client: &Client, wave: &WaveId) -> Result<WaveView, Failure> {
    let view = client.wave(wave).await?;
    if view.ended {
        return Err(Failure::Refused(format!(
            "wave {wave} has ended: it is {}",
            view.summary.phase
        )));
    }
    Ok(view)
}

/// Wait until it shows, and tell how the wave stands.
async fn settle(
    client: &Client,
    wave: &WaveId,
    done: &str,
    shows: impl Fn(&WaveView) -> bool,
    terminal: &Terminal,
) -> Result<(), Failure> {
    match wait::until(client, wave, wait::PATIENCE, shows).await? {
        Some(view) if view.ended => {
            terminal.say(&format!("Wave {wave} is {done}: {}.", view.summary.phase));
        }
        Some(WaveView {
            hold: Some(hold), ..
        }) if done == RESUMED => {
            terminal.say(&format!(
                "Wave {wave} was resumed and is held again: {}",
                hold.reason
            ));
        }
        Some(view) => terminal.say(&format!(
            "Wave {wave} is {done}. It is in {} and waits for {}.",
            view.summary.phase,
            view.summary.waiting_for.trim_end_matches('.')
        )),
        None => terminal.say(&wait::not_yet(wave)),
    }
    Ok(())
}

/// The servers that were named, by ID or hostname, in any letter case; every wrong name is told.
pub(super) fn chosen(view: &WaveView, names: &[String]) -> Result<Vec<ServerId>, Failure> {
    let mut servers: Vec<ServerId> = Vec::new();
    let mut unknown = Vec::new();
    for name in names {
        let found: Vec<&ServerId> = view
            .servers
            .iter()
            .filter(|server| {
                server.server.as_str().eq_ignore_ascii_case(name)
                    || server.hostname.eq_ignore_ascii_case(name)
            })
            .map(|server| &server.server)
            .collect();
        match found.as_slice() {
            [server] if servers.contains(server) => {}
            [server] => servers.push((*server).clone()),
            [] => unknown.push(name.as_str()),
            several => {
                let ids: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
                return Err(Failure::Input(format!(
                    "{} servers are called {name}; name the right one by its ID: {}",
                    several.len(),
                    ids.join(", ")
                )));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(servers);
    }
    Err(Failure::NotFound(format!(
        "wave {} has no server {}; `tidegate status {} --all` lists its servers",
        view.summary.wave,
        unknown.join(" and no server "),
        view.summary.wave
    )))
}
