//! `approve` and `reject`: a decision at a gate, for the evidence that was shown.
//!
//! **Invariant 9**: the hash that is sent is the one of the evidence on the screen; if the gate
//! shows another by then, the console refuses the decision.

use jiff::Timestamp;
use tidegate_domain::gate::Verdict;
use tidegate_domain::view::{GateView, WaveView};

use super::wait;
use crate::arguments::Decision;
use crate::client::Client;
use crate::failure::Failure;
use crate::render;
use crate::terminal::Terminal;

/// Approve a gate.
///
/// # Errors
/// The gate is not open, shows other evidence than was named, nobody confirmed; or what the
/// console said.
pub async fn approve(
    client: &Client,
    decision: &Decision,
    terminal: &Terminal,
) -> Result<(), Failure> {
    decide(client, decision, Verdict::Approve, terminal).await
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
    decide(client, decision, Verdict::Reject, terminal).await
}

async fn decide(
    client: &Client,
    decision: &Decision,
    verdict: Verdict,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let Decision {
        wave,
        gate,
        evidence,
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
    if !yes && evidence.is_none() {
        let now = Timestamp::now();
        terminal.remark(&render::gate::question(&view, open, now, &terminal.look));
        let question = match verdict {
            Verdict::Approve => format!("Approve the {gate} of wave {wave}?"),
            Verdict::Reject => format!("Reject the {gate} of wave {wave}?"),
        };
        if !terminal.confirm(&question, "--yes, or --evidence HASH")? {
            return Err(Failure::Refused("nothing was decided".to_owned()));
        }
    }
    client.decide(wave, *gate, verdict, &open.evidence).await?;

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
    terminal.say(&outcome(after.as_ref(), decision, verdict));
    Ok(())
}

/// The gate, if it waits for a decision.
fn open_gate<'v>(view: &'v WaveView, decision: &Decision) -> Result<&'v GateView, Failure> {
    let Decision { wave, gate, .. } = decision;
    let found = view.gates.iter().find(|other| other.gate == *gate);
    match found {
        Some(open) if open.state == "open" => Ok(open),
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

fn outcome(after: Option<&WaveView>, decision: &Decision, verdict: Verdict) -> String {
    let Decision { wave, gate, .. } = decision;
    let Some(view) = after else {
        return format!(
            "The console took it; wave {wave} does not show it yet. Look again: tidegate status {wave}"
        );
    };
    let waits = view.summary.waiting_for.trim_end_matches('.');
    match (verdict, view.gates.iter().find(|other| other.gate == *gate)) {
        (Verdict::Approve, Some(open)) if open.state == "open" => format!(
            "Your approval counts: {} of {} have approved the {gate} of wave {wave}.",
            open.approved_by.len(),
            open.quorum
        ),
        (Verdict::Approve, _) => {
            format!("The {gate} of wave {wave} is approved. The wave waits for {waits}.")
        }
        (Verdict::Reject, _) => {
            format!("The {gate} of wave {wave} is rejected. The wave waits for {waits}.")
        }
    }
}
