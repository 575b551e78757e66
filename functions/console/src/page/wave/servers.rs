//! The servers on the page of a wave: by stage, by application, one by one.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use tidegate_domain::id::ApplicationName;
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::view::{ServerView, WaveView};
use tidegate_domain::wave::Wave;
use tidegate_domain::words::{self, one_line};

use super::replication::bytes;
use crate::page::chart::{Stretch, share, stacked};
use crate::page::filter::Filter;
use crate::page::{LONGEST_NAME, LONGEST_TEXT};

/// How many servers are in a stage.
pub(super) struct StageCount {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) class: &'static str,
    pub(super) address: String,
    pub(super) chosen: bool,
}

/// An application.
pub(super) struct Application<'a> {
    pub(super) name: &'a str,
    pub(super) text: String,
    pub(super) address: String,
    pub(super) chosen: bool,
    pub(super) bar: Vec<Stretch>,
}

/// A server.
pub(super) struct Row<'a> {
    pub(super) hostname: String,
    pub(super) application: &'a str,
    pub(super) stage: &'a str,
    pub(super) class: &'static str,
    pub(super) facts: String,
    pub(super) detail: Option<String>,
    pub(super) copied: Option<u64>,
}

/// The classes of stages, in the order in which they stand in a bar.
const CLASSES: [&str; 6] = ["done", "ready", "work", "wait", "bad", "out"];

/// The class of a stage, which gives its colour.
fn class(stage: &Stage) -> &'static str {
    match stage {
        Stage::Replicating => "wait",
        Stage::Launching { .. }
        | Stage::Checking { .. }
        | Stage::Validating { .. }
        | Stage::Accepting { .. }
        | Stage::Quiescing { .. }
        | Stage::Settling { .. }
        | Stage::Returning { .. }
        | Stage::Silencing { .. }
        | Stage::Stopping { .. }
        | Stage::Keeping { .. }
        | Stage::Copying { .. }
        | Stage::Restarting { .. }
        | Stage::Terminating { .. }
        | Stage::Finalizing { .. } => "work",
        Stage::Tested { .. } => "ready",
        Stage::CutOver { .. } | Stage::Finalized { .. } => "done",
        Stage::Ended {
            end: End::Failed { .. },
        } => "bad",
        Stage::Ended {
            end: End::Skipped { .. } | End::Aborted { .. } | End::RolledBack,
        } => "out",
    }
}

/// The applications in the plan's order, each with its servers.
pub(super) fn applications<'a>(
    wave: &'a Wave,
    servers: &'a [Server],
) -> Vec<(&'a ApplicationName, Vec<&'a Server>)> {
    let mut by_name: BTreeMap<&ApplicationName, Vec<&Server>> = BTreeMap::new();
    for server in servers {
        by_name.entry(&server.application).or_default().push(server);
    }
    wave.plan
        .applications
        .iter()
        .map(|application| {
            let servers = by_name.remove(&application.name).unwrap_or_default();
            (&application.name, servers)
        })
        .collect()
}

/// How many servers are of each class.
pub(super) fn by_class<'a>(
    servers: impl Iterator<Item = &'a Server> + Clone,
) -> Vec<(u64, &'static str)> {
    CLASSES
        .iter()
        .map(|name| {
            let count = servers.clone().filter(|s| class(&s.stage) == *name).count();
            (count as u64, *name)
        })
        .collect()
}

/// The stages that there are servers in.
pub(super) fn stages(view: &WaveView, servers: &[Server], filter: &Filter) -> Vec<StageCount> {
    let mut stages: Vec<_> = view
        .stages
        .iter()
        .map(|(name, count)| {
            let class = servers
                .iter()
                .find(|s| s.stage.name() == name)
                .map_or("wait", |s| class(&s.stage));
            let chosen = filter.stage.as_ref() == Some(name);
            let of = filter.of_stage((!chosen).then_some(name.as_str()));
            StageCount {
                name: name.clone(),
                count: *count,
                class,
                address: of.address("wave", "view"),
                chosen,
            }
        })
        .collect();
    stages.sort_by_key(|stage| CLASSES.iter().position(|class| *class == stage.class));
    stages
}

/// One application.
pub(super) fn application<'a>(
    name: &'a ApplicationName,
    servers: &[&Server],
    view: &WaveView,
    filter: &Filter,
) -> Application<'a> {
    let counts = by_class(servers.iter().copied());
    let mut text = words::count(servers.len(), "server");
    for (count, class) in &counts {
        let what = match *class {
            "done" => "in AWS",
            "ready" => "tested",
            "bad" => "failed",
            "out" => "left out",
            _ => continue,
        };
        if *count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(downtime) = view.downtime.get(name) {
        text.push_str(&format!(", down for {}", words::duration(*downtime)));
    }
    let chosen = filter.application.as_ref() == Some(name);
    Application {
        name: name.as_str(),
        text,
        address: filter
            .of_application((!chosen).then_some(name))
            .address("wave", "view"),
        chosen,
        bar: stacked(&counts),
    }
}

/// What is shown, in words.
pub(super) fn shown_text(count: usize, filter: &Filter) -> String {
    let mut text = words::count(count, "server");
    if let Some(application) = &filter.application {
        text.push_str(&format!(" of {application}"));
    }
    if let Some(stage) = &filter.stage {
        text.push_str(&format!(", {stage}"));
    }
    text
}

/// One server.
pub(super) fn server_row<'a>(server: &'a Server, row: &'a ServerView) -> Row<'a> {
    let mut facts = Vec::new();
    if let Some(percent) = row.replicated_percent {
        facts.push(format!("{percent} % replicated"));
    }
    if let Some(lag) = row.lag_seconds {
        let lag = words::duration(SignedDuration::from_secs(lag));
        facts.push(format!("lag {lag}"));
    }
    if row.backlog_bytes.is_some_and(|bytes| bytes > 0) {
        facts.push(format!("backlog {}", bytes(row.backlog_bytes.unwrap_or(0))));
    }
    facts.push(words::count(row.tests as usize, "test"));
    if row.cutovers > 0 {
        facts.push(words::count(row.cutovers as usize, "cutover"));
    }
    let copying = row.replicated_percent.filter(|percent| *percent < 100);
    Row {
        hostname: one_line(&row.hostname, LONGEST_NAME),
        application: row.application.as_str(),
        stage: &row.stage,
        class: class(&server.stage),
        facts: facts.join(" · "),
        detail: row
            .detail
            .as_ref()
            .map(|detail| one_line(detail, LONGEST_TEXT)),
        copied: copying.map(|percent| share(percent.into(), 100)),
    }
}
