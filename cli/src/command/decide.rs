//! `approve` and `reject`: a decision at a gate, for the evidence that was shown.
//!
//! **Invariant 9**: the hash that is sent is the one of the evidence on the screen; if the gate
//! shows another by then, the console refuses the decision.

use tidegate_domain::gate::{Gate, Part, Verdict};
use tidegate_domain::id::WaveId;
use tidegate_domain::view::{GateView, WaveView};
use tidegate_domain::words;

use super::{operate, wait};
use crate::arguments::{Approval, Decision};
use crate::client::{Client, Said};
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Approve a gate, or a part of it.
///
/// # Errors
/// The gate is not open, shows other evidence than was named, nobody confirmed; or what the
/// console said.
pub async fn approve(
    client: &Client,
    approval: &Approval,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Approval { decision, only } = approval;
    decide(client, decision, Verdict::Approve, only, terminal).await
}

/// Reject a gate.
///
/// # Errors
/// As for [`approve`].
pub async fn reject(
    client: &Client,
    decision: &Decision,
    terminal: &Terminal,
) -> Result<(), Failure> {
    decide(client, decision, Verdict::Reject, &[], terminal).await
}

/// Take one's own approval back.
///
/// # Errors
/// Nothing is approved, or it is acted on; or what the console said.
pub async fn withdraw(
    client: &Client,
    wave: &WaveId,
    gate: Gate,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let view = client.wave(wave).await?;
    let found = view.gates.iter().find(|other| other.gate == gate);
    let Some(found) = found.filter(|found| found.withdrawable) else {
        return Err(Failure::Refused(format!(
            "at the {gate} gate of wave {wave} there is no approval that could be withdrawn"
        )));
    };
    let said = Said {
        verdict: "withdraw",
        evidence: found.evidence.clone(),
        only: Part::default(),
        reason: None,
    };
    client.decide(wave, gate, &said).await?;
    let before = found.approved_by.len();
    let gone = |view: &WaveView| match view.gates.iter().find(|other| other.gate == gate) {
        Some(now) => now.approved_by.len() < before || now.evidence != found.evidence,
        None => true,
    };
    let after = wait::until(client, wave, wait::PATIENCE, gone).await?;
    terminal.say(&match after {
        Some(view) => format!(
            "Your approval of the {gate} of wave {wave} is withdrawn. The wave waits for {}.",
            view.summary.waiting_for.trim_end_matches('.')
        ),
        None => wait::not_yet(wave),
    });
    Ok(())
}

async fn decide(
    client: &Client,
    decision: &Decision,
    verdict: Verdict,
    only: &[String],
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Decision {
        wave,
        gate,
        evidence,
        reason,
        yes,
    } = decision;
    let view = client.wave(wave).await?;
    let open = open_gate(&view, decision)?;
    if let Some(named) = evidence
        && !open.evidence.starts_with(named.as_str())
    {
        return Err(Failure::Refused(format!(
            "the {gate} gate of wave {wave} shows other evidence by now ({}): look at it again with \
             `tidegate status {wave}`",
            render::wave::short(&open.evidence)
        )));
    }
    let only = part(&view, only)?;
    // Who names the evidence has seen it; everybody else sees what is decided on.
    if evidence.is_none() {
        terminal.remark(&render::gate::question(&view, open, &terminal.look));
    }
    if !yes && evidence.is_none() {
        let question = match verdict {
            Verdict::Approve if only.is_whole() => format!("Approve the {gate} of wave {wave}?"),
            Verdict::Approve => format!(
                "Approve the {gate} of {} of wave {wave}, and leave the rest for later?",
                render::gate::part(&view, &only)
            ),
            Verdict::Reject => format!("Reject the {gate} of wave {wave}?"),
        };
        if !terminal.confirm(&question, "--yes, or --evidence HASH")? {
            return Err(Failure::Refused("nothing was decided".to_owned()));
        }
    }
    let said = Said {
        verdict: match verdict {
            Verdict::Approve => "approve",
            Verdict::Reject => "reject",
        },
        evidence: open.evidence.clone(),
        only,
        reason: reason.clone(),
    };
    client.decide(wave, *gate, &said).await?;

    let before = open.approved_by.len();
    let held = view.summary.held;
    let counted = |view: &WaveView| match view.gates.iter().find(|other| other.gate == *gate) {
        Some(now) => {
            now.state != "open"
                || now.evidence != open.evidence
                || now.approved_by.len() > before
                || (view.summary.held && !held)
        }
        None => true,
    };
    let after = wait::until(client, wave, wait::PATIENCE, counted).await?;
    terminal.say(&match after {
        Some(view) => outcome(&view, decision, verdict, open)?,
        None => wait::not_yet(wave),
    });
    Ok(())
}

/// What `--only` names: applications by their names, servers by their hostnames or IDs.
fn part(view: &WaveView, names: &[String]) -> Result<Part, Failure> {
    let mut part = Part::default();
    let mut servers = Vec::new();
    for name in names {
        let application = view
            .servers
            .iter()
            .map(|server| &server.application)
            .find(|application| application.as_str() == name);
        match application {
            Some(application) if part.applications.contains(application) => {}
            Some(application) => part.applications.push(application.clone()),
            None => servers.push(name.clone()),
        }
    }
    part.servers = operate::chosen(view, &servers)?;
    Ok(part)
}

/// The gate, if it waits for a decision.
fn open_gate<'v>(view: &'v WaveView, decision: &Decision) -> Result<&'v GateView, Failure> {
    let Decision { wave, gate, .. } = decision;
    let found = view.gates.iter().find(|other| other.gate == *gate);
    match found {
        Some(open) if open.state == "open" => Ok(open),
        Some(lapsed) if lapsed.state == "lapsed" => Err(Failure::Refused(format!(
            "what the {gate} gate of wave {wave} showed has changed; it asks again in a moment"
        ))),
        Some(decided) if decided.approved_by.is_empty() => Err(Failure::Refused(format!(
            "the {gate} gate of wave {wave} is {} by its plan; there is nothing to decide",
            decided.state
        ))),
        Some(decided) => Err(Failure::Refused(format!(
            "the {gate} gate of wave {wave} is {} already, by {}",
            decided.state,
            decided.approved_by.join(" and ")
        ))),
        None => Err(Failure::Refused(format!(
            "the {gate} gate of wave {wave} is not open: the wave is in {} and waits for {}",
            view.summary.phase,
            view.summary.waiting_for.trim_end_matches('.')
        ))),
    }
}

/// What came of a decision, as the wave shows it.
fn outcome(
    view: &WaveView,
    decision: &Decision,
    verdict: Verdict,
    decided: &GateView,
) -> Result<String, Failure> {
    let Decision { wave, gate, .. } = decision;
    let waits = view.summary.waiting_for.trim_end_matches('.');
    let late = |why: String| Err(Failure::Refused(format!("this came too late: {why}")));
    let changed = format!(
        "what the {gate} gate of wave {wave} showed has changed, and it asks again; look at it with \
         `tidegate status {wave}`"
    );
    let Some(now) = view.gates.iter().find(|other| other.gate == *gate) else {
        return match verdict {
            Verdict::Reject => Ok(format!(
                "The {gate} of wave {wave} is rejected. The wave waits for {waits}."
            )),
            Verdict::Approve => late(format!(
                "the {gate} gate of wave {wave} is not open any more; the wave waits for {waits}"
            )),
        };
    };
    match (now.state.as_str(), verdict) {
        ("lapsed", _) => late(changed),
        ("open", _) if now.evidence != decided.evidence => late(changed),
        ("open", Verdict::Approve) => Ok(format!(
            "Your approval counts: {} of {} have approved the {gate} of wave {wave}.",
            now.approved_by.len(),
            now.quorum
        )),
        (_, Verdict::Approve) if now.put_off > 0 => Ok(format!(
            "The {gate} of wave {wave} is approved in part; the other {} can wait until `tidegate \
             ask {wave} {gate}`. The wave waits for {waits}.",
            words::count(now.put_off as usize, "server")
        )),
        (_, Verdict::Approve) => Ok(format!(
            "The {gate} of wave {wave} is approved. The wave waits for {waits}."
        )),
        (state, Verdict::Reject) => late(format!(
            "the {gate} gate of wave {wave} is {state}{}",
            match now.approved_by.as_slice() {
                [] => String::new(),
                by => format!(" by {}", by.join(" and ")),
            }
        )),
    }
}
