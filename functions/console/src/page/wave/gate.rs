//! A gate on the page of a wave.

use tidegate_domain::gate::{Changes, Gate, GateState, OpenGate};
use tidegate_domain::wave::Wave;
use tidegate_domain::words::{self, one_line};

use crate::decide::gate_plan;
use crate::page::{LONGEST_TEXT, warnings};

/// The most changes that a card names.
const MOST_CHANGES: usize = 5;

/// How a gate stands.
pub(super) struct GateCard {
    pub(super) name: &'static str,
    pub(super) title: String,
    pub(super) tone: &'static str,
    pub(super) open: bool,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) warnings: Vec<(&'static str, String)>,
    pub(super) decide: Option<String>,
    pub(super) evidence: Option<String>,
}

/// The gate, with where the holder of the pass decides.
pub(super) fn card(
    wave: &Wave,
    gate: Gate,
    state: &GateState,
    decide: Option<String>,
    zone: Option<&str>,
) -> GateCard {
    let word = match gate {
        Gate::Cutover => "Cutover gate",
        Gate::Finalize => "Finalize gate",
    };
    let plan = gate_plan(wave, gate);
    let mut card = GateCard {
        name: gate.name(),
        title: String::new(),
        tone: "",
        open: false,
        facts: Vec::new(),
        warnings: Vec::new(),
        decide,
        evidence: None,
    };
    match state {
        GateState::Open(open) => {
            card.title = format!("{word}: waits for a decision");
            card.open = true;
            card.facts
                .push(("Decide by", words::time(open.expires, zone)));
            card.facts.push(("Approvals", approvals(open, plan.quorum)));
            card.facts.push((
                "About",
                format!(
                    "{} of {}",
                    words::count(open.evidence.servers.len(), "server"),
                    words::count(open.evidence.summary.applications as usize, "application")
                ),
            ));
            card.facts.extend(open.evidence.facts());
            card.warnings = warnings(&open.evidence.warnings);
            card.evidence = Some(open.evidence.hash());
        }
        GateState::Approved {
            evidence,
            at,
            by,
            put_off,
            lapse,
            ..
        } => {
            card.title = format!("{word}: approved");
            card.tone = "good";
            card.facts.push(("When", words::time(*at, zone)));
            let by = if by.is_empty() {
                "the plan".to_owned()
            } else {
                by.join(", ")
            };
            card.facts.push(("By", by));
            if !put_off.is_empty() {
                let text = words::count(put_off.len(), "server");
                card.facts.push(("Not approved, replicating", text));
            }
            if let Some(lapse) = lapse {
                card.tone = "warn";
                let text = words::count(lapse.servers.len(), "server");
                let about = format!("about {text}, once the others have come to rest");
                card.facts.push(("Asked again", about));
                changed(&mut card, &lapse.changes);
            }
            card.evidence = Some(evidence.clone());
        }
        GateState::Lapsed { at, changes, .. } => {
            card.title = format!("{word}: the evidence changed");
            card.tone = "warn";
            card.facts.push(("When", words::time(*at, zone)));
            changed(&mut card, changes);
        }
    }
    card
}

fn changed(card: &mut GateCard, changes: &Changes) {
    let (told, more) = changes.first(MOST_CHANGES);
    let told = told.iter().map(|change| one_line(change, LONGEST_TEXT));
    card.facts.extend(told.map(|change| ("Changed", change)));
    if more > 0 {
        card.facts.push(("Changed", format!("and {more} more")));
    }
}

fn approvals(open: &OpenGate, quorum: u32) -> String {
    let mut text = format!("{} of {quorum}", open.approvals.len());
    for (number, approval) in open.approvals.iter().enumerate() {
        text.push_str(if number == 0 { ": " } else { ", " });
        text.push_str(&approval.by.to_string());
    }
    text
}
