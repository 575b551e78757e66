//! Post-launch actions of servers and templates, and their runs after a launch.
//!
//! **Invariant:** the orders of a server's actions are unique; an action that must succeed
//! for the cutover blocks FinalizeCutover until it did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::job::{ActionRun, JobKind};
use super::output::later;
use super::paging;
use super::server::{SourceServer, text};
use super::simulator::{Reply, Simulator};
use super::templates::merge;
use super::timeline::Due;
use super::waves::listed;

impl Simulator {
    pub(crate) fn put_server_action(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let limit = self.config.quotas.actions;
        let id = text(input, "sourceServerID");
        put(
            &mut self.server_mut(id)?.actions,
            input,
            limit,
            "SourceServer",
            id,
        )
    }

    pub(crate) fn list_server_actions(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let size = self.config.default_page_size;
        let server = self.server(text(input, "sourceServerID"))?;
        list("ListSourceServerActions", &server.actions, input, size)
    }

    pub(crate) fn remove_server_action(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let server = self.server_mut(text(input, "sourceServerID"))?;
        remove(&mut server.actions, text(input, "actionID"))
    }

    pub(crate) fn put_template_action(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let limit = self.config.quotas.actions;
        let id = text(input, "launchConfigurationTemplateID");
        let template = self.launch_template_mut(id)?;
        put(
            &mut template.actions,
            input,
            limit,
            "LaunchConfigurationTemplate",
            id,
        )
    }

    pub(crate) fn list_template_actions(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let size = self.config.default_page_size;
        let template = self.launch_template_mut(text(input, "launchConfigurationTemplateID"))?;
        list("ListTemplateActions", &template.actions, input, size)
    }

    pub(crate) fn remove_template_action(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let template = self.launch_template_mut(text(input, "launchConfigurationTemplateID"))?;
        remove(&mut template.actions, text(input, "actionID"))
    }

    /// The actions of a launched server begin, one after the other.
    pub(crate) fn begin_actions(&mut self, job: &str, server: &str, at: Timestamp) {
        let Some(known) = self.servers.get(server) else {
            return;
        };
        let deployment = known.launch_configuration["postLaunchActions"]["deployment"].clone();
        let Some((kind, _)) = self.participant(job, server) else {
            return;
        };
        let meant = match deployment.as_str() {
            Some("CUTOVER_ONLY") => kind == JobKind::Cutover,
            Some("TEST_ONLY") => kind == JobKind::Test,
            _ => true,
        };
        if !meant {
            return;
        }
        let Some(known) = self.servers.get(server) else {
            return;
        };
        let documents: Vec<Value> = known.launch_configuration["postLaunchActions"]["ssmDocuments"]
            .as_array()
            .into_iter()
            .flatten()
            .cloned()
            .chain(active_documents(known))
            .collect();
        let runs: Vec<ActionRun> = documents
            .into_iter()
            .enumerate()
            .map(|(index, document)| ActionRun {
                document,
                execution: self
                    .random
                    .uuid("action", &format!("{job} {server}"), index as u64),
                status: "IN_PROGRESS",
            })
            .collect();
        if runs.is_empty() {
            return;
        }
        if let Some((_, participant)) = self.participant(job, server) {
            participant.actions = runs;
        }
        self.plan_action(job, server, at);
    }

    fn plan_action(&mut self, job: &str, server: &str, at: Timestamp) {
        let durations = &self.config.durations;
        let delay = durations.drawn(durations.action, &self.random, "action", server, 0);
        let due = Due::Action {
            job: job.to_owned(),
            server: server.to_owned(),
        };
        self.timeline.add(later(at, delay), due);
    }

    pub(crate) fn action_ends(&mut self, job: &str, server: &str, at: Timestamp) {
        let Some((_, participant)) = self.participant(job, server) else {
            return;
        };
        let mut running = participant
            .actions
            .iter_mut()
            .filter(|run| run.status == "IN_PROGRESS");
        if let Some(run) = running.next() {
            run.status = "SUCCESS";
        }
        let more = running.next().is_some();
        if more {
            self.plan_action(job, server, at);
        } else {
            self.end_job_if_done(job, at);
        }
    }

    /// An action that must succeed before the server's cutover is finalized, and did not.
    pub(crate) fn unmet_action(&self, server: &SourceServer) -> Option<String> {
        let (_, job) = server.last_cutover.initiated.as_ref()?;
        let participant = self.jobs.get(job)?.participants.get(&server.id)?;
        participant
            .actions
            .iter()
            .find(|run| {
                run.document["mustSucceedForCutover"] == json!(true) && run.status != "SUCCESS"
            })
            .map(|run| text(&run.document, "actionName").to_owned())
    }
}

/// The active actions of a server, in order, as SsmDocuments.
fn active_documents(server: &SourceServer) -> Vec<Value> {
    let mut actions: Vec<&Value> = server
        .actions
        .values()
        .filter(|action| action["active"] != json!(false))
        .collect();
    actions.sort_by_key(|action| action["order"].as_u64());
    actions
        .into_iter()
        .map(|action| {
            json!({
                "actionName": action["actionName"],
                "ssmDocumentName": action["documentIdentifier"],
                "mustSucceedForCutover": action["mustSucceedForCutover"] == json!(true),
            })
        })
        .collect()
}

fn put(
    actions: &mut BTreeMap<String, Value>,
    input: &Value,
    limit: usize,
    kind: &str,
    owner: &str,
) -> Result<Reply, ApiError> {
    let id = text(input, "actionID");
    let clash = actions
        .iter()
        .any(|(other, action)| other != id && action["order"] == input["order"]);
    if clash {
        let message = format!("Another action has the order {}.", input["order"]);
        return Err(errors::conflict(&message, kind, owner));
    }
    if !actions.contains_key(id) && actions.len() >= limit {
        // ServiceQuotaExceeded is not among this operation's declared errors.
        let message = format!("The quota Max actions ({limit}) is exceeded.");
        return Err(errors::conflict(&message, kind, owner));
    }
    let mut action = json!({
        "documentVersion": "$DEFAULT",
        "active": true,
        "timeoutSeconds": 3600,
        "mustSucceedForCutover": false,
        "category": "OTHER",
    });
    let owners = [
        "sourceServerID",
        "launchConfigurationTemplateID",
        "accountID",
    ];
    merge(&mut action, input, &owners);
    actions.insert(id.to_owned(), action.clone());
    Ok(Reply::ok(action))
}

fn list(
    operation: &str,
    actions: &BTreeMap<String, Value>,
    input: &Value,
    size: usize,
) -> Result<Reply, ApiError> {
    let ids = listed(&input["filters"]["actionIDs"]);
    let items = actions
        .iter()
        .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(&id.as_str())))
        .map(|(id, action)| (id.clone(), action))
        .collect();
    paging::page(operation, input, items, size, Value::clone).map(Reply::ok)
}

fn remove(actions: &mut BTreeMap<String, Value>, id: &str) -> Result<Reply, ApiError> {
    actions
        .remove(id)
        .map(|_| Reply::empty())
        .ok_or_else(|| errors::not_found("Action", id))
}
