//! Applications: groups of source servers.
//!
//! **Invariant:** a server is in one application at most.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::paging;
use super::replication::ReplicationState;
use super::server::{LifeCycleState, SourceServer, text};
use super::simulator::{Reply, Simulator};
use super::waves::{listed, owned, string_map};
use super::wire::{self, Object};

/// From this lag on a server is LAGGING; MGN does not publish the value.
const LAGGING_SECONDS: i64 = 300;

/// An application of MGN.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) archived: bool,
    pub(crate) wave: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The health of an application or wave: that of its worst server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Health {
    Healthy,
    Lagging,
    Error,
}

impl Health {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Healthy => "HEALTHY",
            Self::Lagging => "LAGGING",
            Self::Error => "ERROR",
        }
    }
}

/// How far an application or wave is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    NotStarted,
    Underway,
    Completed,
}

impl Progress {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::Underway => "IN_PROGRESS",
            Self::Completed => "COMPLETED",
        }
    }

    /// The progress of both together.
    pub(crate) fn with(self, other: Self) -> Self {
        if self == other { self } else { Self::Underway }
    }
}

impl Simulator {
    pub(crate) fn create_application(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let name = text(input, "name");
        if let Some(other) = self.applications.values().find(|known| known.name == name) {
            let message = format!("An application named {name} exists already.");
            return Err(errors::conflict(&message, "Application", &other.id));
        }
        self.check_applications(false, "")?;
        self.created += 1;
        let id = self.random.identifier("app-", name, self.created);
        let application = Application {
            id: id.clone(),
            name: name.to_owned(),
            description: input["description"].as_str().map(str::to_owned),
            archived: false,
            wave: None,
            created: self.now,
            modified: self.now,
            tags: string_map(&input["tags"]),
        };
        self.applications.insert(id.clone(), application);
        self.application_reply(&id)
    }

    pub(crate) fn update_application(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "applicationID");
        let now = self.now;
        let name = input["name"].as_str();
        let taken = self
            .applications
            .values()
            .any(|known| known.id != id && Some(known.name.as_str()) == name);
        let application = self.application_mut(id)?;
        if taken {
            let message = format!(
                "An application named {} exists already.",
                name.unwrap_or_default()
            );
            return Err(errors::conflict(&message, "Application", id));
        }
        if let Some(name) = name {
            application.name = name.to_owned();
        }
        if let Some(description) = input["description"].as_str() {
            application.description = Some(description.to_owned());
        }
        application.modified = now;
        self.application_reply(id)
    }

    pub(crate) fn delete_application(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "applicationID");
        self.application_mut(id)?;
        if self.servers_of(id).next().is_some() {
            let message = "The application still has source servers.";
            return Err(errors::conflict(message, "Application", id));
        }
        self.applications.remove(id);
        Ok(Reply::empty())
    }

    pub(crate) fn archive_application(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "applicationID");
        self.application_mut(id)?;
        if self.has_unfinished_servers(id) {
            let message =
                "Not all servers of the application are archived, cut over or disconnected.";
            return Err(errors::conflict(message, "Application", id));
        }
        self.check_applications(true, id)?;
        self.set_application_archived(id, true)
    }

    pub(crate) fn unarchive_application(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "applicationID");
        self.application_mut(id)?;
        self.check_applications(false, id)?;
        self.set_application_archived(id, false)
    }

    pub(crate) fn list_applications(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let filters = &input["filters"];
        let ids = listed(&filters["applicationIDs"]);
        let waves = listed(&filters["waveIDs"]);
        let archived = filters["isArchived"].as_bool();
        let items = self
            .applications
            .values()
            .filter(|known| {
                ids.as_ref()
                    .is_none_or(|ids| ids.contains(&known.id.as_str()))
            })
            .filter(|known| archived.is_none_or(|archived| archived == known.archived))
            .filter(|known| {
                waves.as_ref().is_none_or(|waves| {
                    known
                        .wave
                        .as_deref()
                        .is_some_and(|wave| waves.contains(&wave))
                })
            })
            .map(|known| (known.id.clone(), known))
            .collect();
        let size = self.config.default_page_size;
        paging::page("ListApplications", input, items, size, |known| {
            self.show_application(known)
        })
        .map(Reply::ok)
    }

    pub(crate) fn associate_servers(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let application = text(input, "applicationID");
        self.application_mut(application)?;
        let ids: Vec<String> = owned(&input["sourceServerIDs"]);
        let mut added = 0;
        for id in &ids {
            match self.server(id)?.application.as_deref() {
                Some(other) if other != application => {
                    let message =
                        format!("Source Server {id} is associated with another application.");
                    return Err(errors::conflict(&message, "SourceServer", id));
                }
                Some(_) => {}
                None => added += 1,
            }
        }
        let limit = self.config.quotas.servers_per_application;
        if self.servers_of(application).count() + added > limit {
            let name = "Source servers per application";
            return Err(errors::quota(name, limit, "Application", application));
        }
        for id in &ids {
            self.server_mut(id)?.application = Some(application.to_owned());
        }
        Ok(Reply::empty())
    }

    pub(crate) fn disassociate_servers(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let application = text(input, "applicationID");
        self.application_mut(application)?;
        let ids: Vec<String> = owned(&input["sourceServerIDs"]);
        for id in &ids {
            if self.server(id)?.application.as_deref() != Some(application) {
                let message = format!("Source Server {id} is not associated with {application}.");
                return Err(errors::conflict(&message, "SourceServer", id));
            }
        }
        for id in &ids {
            self.server_mut(id)?.application = None;
        }
        Ok(Reply::empty())
    }

    /// Health and progress of an application's servers.
    pub(crate) fn aggregate(&self, application: &str) -> (Health, Progress) {
        let mut health = Health::Healthy;
        let mut progress: Option<Progress> = None;
        for server in self.servers_of(application) {
            let lagging = self
                .lag(server)
                .is_some_and(|lag| lag.as_secs() >= LAGGING_SECONDS);
            let of_server = if server.replication.state == ReplicationState::Stalled {
                Health::Error
            } else if lagging {
                Health::Lagging
            } else {
                Health::Healthy
            };
            health = health.max(of_server);
            let made = match server.life_cycle {
                LifeCycleState::Cutover | LifeCycleState::Disconnected => Progress::Completed,
                LifeCycleState::Discovered | LifeCycleState::PendingInstallation => {
                    Progress::NotStarted
                }
                LifeCycleState::Stopped
                | LifeCycleState::NotReady
                | LifeCycleState::ReadyForTest
                | LifeCycleState::Testing
                | LifeCycleState::ReadyForCutover
                | LifeCycleState::CuttingOver => Progress::Underway,
            };
            progress = Some(progress.map_or(made, |progress| progress.with(made)));
        }
        (health, progress.unwrap_or(Progress::NotStarted))
    }

    pub(crate) fn has_unfinished_servers(&self, application: &str) -> bool {
        self.servers_of(application).any(|server| {
            !server.archived
                && !matches!(
                    server.life_cycle,
                    LifeCycleState::Cutover | LifeCycleState::Disconnected
                )
        })
    }

    fn servers_of(&self, application: &str) -> impl Iterator<Item = &SourceServer> {
        self.servers
            .values()
            .filter(move |server| server.application.as_deref() == Some(application))
    }

    fn check_applications(&self, archived: bool, id: &str) -> Result<(), ApiError> {
        let quotas = &self.config.quotas;
        let (name, limit) = if archived {
            ("Max Archived Applications", quotas.archived_applications)
        } else {
            ("Max Active Applications", quotas.active_applications)
        };
        let already = self
            .applications
            .get(id)
            .is_some_and(|known| known.archived == archived);
        let count = self
            .applications
            .values()
            .filter(|known| known.archived == archived)
            .count();
        if !already && count >= limit {
            return Err(errors::quota(name, limit, "Application", id));
        }
        Ok(())
    }

    fn set_application_archived(&mut self, id: &str, archived: bool) -> Result<Reply, ApiError> {
        let now = self.now;
        let application = self.application_mut(id)?;
        application.archived = archived;
        application.modified = now;
        self.application_reply(id)
    }

    fn application_mut(&mut self, id: &str) -> Result<&mut Application, ApiError> {
        self.applications
            .get_mut(id)
            .ok_or_else(|| errors::not_found("Application", id))
    }

    fn application_reply(&self, id: &str) -> Result<Reply, ApiError> {
        self.applications
            .get(id)
            .map(|application| Reply::ok(self.show_application(application)))
            .ok_or_else(|| errors::not_found("Application", id))
    }

    fn show_application(&self, application: &Application) -> Value {
        let guesses = &self.config.guesses;
        let (health, progress) = self.aggregate(&application.id);
        let status = json!({
            "lastUpdateDateTime": wire::timestamp(self.now, guesses),
            "healthStatus": health.name(),
            "progressStatus": progress.name(),
            "totalSourceServers": self.servers_of(&application.id).count(),
        });
        Object::new()
            .with("applicationID", application.id.as_str())
            .with("arn", self.arn("application", &application.id))
            .with("name", application.name.as_str())
            .with_some("description", application.description.as_deref())
            .with("isArchived", application.archived)
            .with("applicationAggregatedStatus", status)
            .with(
                "creationDateTime",
                wire::timestamp(application.created, guesses),
            )
            .with(
                "lastModifiedDateTime",
                wire::timestamp(application.modified, guesses),
            )
            .with("tags", json!(application.tags))
            .with_some("waveID", application.wave.as_deref())
            .build()
    }
}
