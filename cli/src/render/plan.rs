//! What a plan would do.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use tidegate_domain::id::ApplicationName;
use tidegate_domain::plan::{
    Application, GatePlan, OnFailure, Plan, Select, Selector, Start, Window,
};

use super::measure::{count, duration, few, moment, zone};
use crate::terminal::Look;

/// How many servers or names are shown of a longer list.
const SHOWN: usize = 6;

/// The plan in a few lines.
#[must_use]
pub fn summary(plan: &Plan, look: &Look) -> String {
    let paint = look.paint;
    let mut lines = vec![
        format!(
            "{} is a good plan: {}, {}.",
            paint.strong(plan.wave.as_str()),
            count(plan.applications.len(), "application"),
            servers(plan)
        ),
        String::new(),
    ];
    let mut row = |name: &str, value: String| lines.push(format!("{name:<10}{value}"));
    row("starts", start(plan));
    row(
        "window",
        plan.window
            .as_ref()
            .map_or_else(|| "none: at any time".to_owned(), window),
    );
    row("cutover", gate(&plan.gates.cutover));
    row(
        "finalize",
        format!(
            "after {} in AWS, {}",
            duration(plan.gates.soak),
            gate(&plan.gates.finalize)
        ),
    );
    let policy = &plan.policy;
    row(
        "policy",
        format!(
            "{} per server and phase; {}% may fail; then {}",
            count(policy.attempts as usize, "attempt"),
            policy.failure_budget,
            match policy.on_failure {
                OnFailure::Hold => "a failed server holds the wave",
                OnFailure::Skip => "a failed server is left out",
            }
        ),
    );
    lines.push(String::new());
    lines.push(paint.strong("Applications, in the order of their cutovers"));
    for (step, application) in in_order(plan) {
        lines.extend(application_lines(step, application));
    }
    lines.join("\n")
}

fn servers(plan: &Plan) -> String {
    let all = || {
        plan.applications
            .iter()
            .flat_map(|application| &application.servers)
    };
    let tags = all()
        .filter(|selector| matches!(selector.select, Select::Tags(_)))
        .count();
    let named = all().count() - tags;
    match (named, tags) {
        (named, 0) => count(named, "server"),
        (0, tags) => format!("the servers of {}", count(tags, "tag selector")),
        (named, tags) => {
            format!(
                "{} and those of {}",
                count(named, "server"),
                count(tags, "tag selector")
            )
        }
    }
}

fn start(plan: &Plan) -> String {
    match &plan.start {
        Start::Replication => "by itself, when every server's replication is in step".to_owned(),
        Start::Manual => format!("by hand: tidegate start {}", plan.wave),
        Start::Schedule(at) => {
            let (zone, name) = match &plan.window {
                Some(window) => zone(&window.time_zone),
                None => (TimeZone::UTC, "UTC".to_owned()),
            };
            format!(
                "at {} {name}, {} UTC",
                moment(*at, &zone),
                moment(*at, &TimeZone::UTC)
            )
        }
    }
}

fn window(window: &Window) -> String {
    let (zone, name) = zone(&window.time_zone);
    format!(
        "{} to {} {name}, {}\n{:<10}{} to {} UTC",
        moment(window.opens, &zone),
        moment(window.closes, &zone),
        duration(window.closes.duration_since(window.opens)),
        "",
        moment(window.opens, &TimeZone::UTC),
        moment(window.closes, &TimeZone::UTC)
    )
}

fn gate(gate: &GatePlan) -> String {
    if gate.automatic {
        return "by itself, once its conditions are met".to_owned();
    }
    let names: Vec<String> = gate.approvers.iter().map(ToString::to_string).collect();
    let who = few(&names, SHOWN);
    let who = match names.len() {
        1 => format!("when {who} approves"),
        _ => format!("when {} of {} approve: {who}", gate.quorum, names.len()),
    };
    format!("{who}; asks for {}", duration(gate.expires))
}

/// Each application with its step: 1, or one more than the latest that it comes after.
fn in_order(plan: &Plan) -> Vec<(usize, &Application)> {
    let mut steps: BTreeMap<&ApplicationName, usize> = BTreeMap::new();
    // Without a circle, each round settles one step at least.
    while steps.len() < plan.applications.len() {
        let before = steps.len();
        for application in &plan.applications {
            let after: Option<Vec<usize>> = application
                .after
                .iter()
                .map(|name| steps.get(name).copied())
                .collect();
            if let Some(after) = after {
                let step = after.into_iter().max().unwrap_or(0) + 1;
                steps.entry(&application.name).or_insert(step);
            }
        }
        if steps.len() == before {
            break;
        }
    }
    let mut ordered: Vec<(usize, &Application)> = plan
        .applications
        .iter()
        .map(|application| {
            (
                steps.get(&application.name).copied().unwrap_or(0),
                application,
            )
        })
        .collect();
    ordered.sort_by_key(|(step, _)| *step);
    ordered
}

fn application_lines(step: usize, application: &Application) -> Vec<String> {
    let after: Vec<String> = application.after.iter().map(ToString::to_string).collect();
    let after = match after.as_slice() {
        [] => String::new(),
        after => format!(", after {}", few(after, SHOWN)),
    };
    let picked: Vec<String> = application.servers.iter().map(selector).collect();
    let mut lines = vec![
        format!("{step:>3}  {}{after}", application.name),
        format!("       servers   {}", few(&picked, SHOWN)),
    ];
    if let Some(quiesce) = &application.quiesce {
        let start = match &quiesce.start {
            Some(start) => format!("undone by {}", start.document),
            None => "not undone by itself: it has no `undo`".to_owned(),
        };
        lines.push(format!(
            "       stopped   by {}, {start}",
            quiesce.stop.document
        ));
    }
    let checks: Vec<String> = application
        .validate
        .iter()
        .map(|document| document.document.clone())
        .collect();
    lines.push(match checks.as_slice() {
        [] => "       checked   by EC2 status checks alone".to_owned(),
        checks => format!("       checked   by {}", few(checks, SHOWN)),
    });
    lines
}

fn selector(selector: &Selector) -> String {
    let picked = match &selector.select {
        Select::Id(id) => id.to_string(),
        Select::Hostname(name) => name.clone(),
        Select::Tags(tags) => {
            let tags: Vec<String> = tags
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            format!("all with {}", tags.join(" and "))
        }
    };
    if selector.critical {
        format!("{picked} (critical)")
    } else {
        picked
    }
}
