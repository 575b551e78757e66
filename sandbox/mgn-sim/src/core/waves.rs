//! Waves: groups of applications.
//!
//! **Invariant:** an application is in one wave at most; a wave is archived only when all
//! its servers are archived, cut over or disconnected.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::applications::{Health, Progress};
use super::errors::{self, ApiError};
use super::paging;
use super::server::text;
use super::simulator::{Reply, Simulator};
use super::wire::{self, Object};

/// A wave of MGN.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) archived: bool,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Simulator {
    pub(crate) fn create_wave(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let name = text(input, "name");
        if let Some(other) = self.waves.values().find(|wave| wave.name == name) {
            let message = format!("A wave named {name} exists already.");
            return Err(errors::conflict(&message, "Wave", &other.id));
        }
        self.check_waves(false, "")?;
        self.created += 1;
        let id = self.random.identifier("wave-", name, self.created);
        let wave = Wave {
            id: id.clone(),
            name: name.to_owned(),
            description: input["description"].as_str().map(str::to_owned),
            archived: false,
            created: self.now,
            modified: self.now,
            tags: string_map(&input["tags"]),
        };
        self.waves.insert(id.clone(), wave);
        self.wave_reply(&id)
    }

    pub(crate) fn update_wave(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "waveID");
        let now = self.now;
        let name = input["name"].as_str();
        let taken = self
            .waves
            .values()
            .any(|wave| wave.id != id && Some(wave.name.as_str()) == name);
        let wave = self.wave_mut(id)?;
        if taken {
            let message = format!("A wave named {} exists already.", name.unwrap_or_default());
            return Err(errors::conflict(&message, "Wave", id));
        }
        if let Some(name) = name {
            wave.name = name.to_owned();
        }
        if let Some(description) = input["description"].as_str() {
            wave.description = Some(description.to_owned());
        }
        wave.modified = now;
        self.wave_reply(id)
    }

    pub(crate) fn delete_wave(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "waveID");
        self.wave_mut(id)?;
        if self.applications_of(id).next().is_some() {
            let message = "The wave still has applications.";
            return Err(errors::conflict(message, "Wave", id));
        }
        self.waves.remove(id);
        Ok(Reply::empty())
    }

    pub(crate) fn archive_wave(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "waveID");
        self.wave_mut(id)?;
        let unfinished = self
            .applications_of(id)
            .any(|application| self.has_unfinished_servers(application));
        if unfinished {
            let message = "Not all servers of the wave are archived, cut over or disconnected.";
            return Err(errors::conflict(message, "Wave", id));
        }
        self.check_waves(true, id)?;
        self.set_wave_archived(id, true)
    }

    pub(crate) fn unarchive_wave(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "waveID");
        self.wave_mut(id)?;
        self.check_waves(false, id)?;
        self.set_wave_archived(id, false)
    }

    pub(crate) fn list_waves(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let filters = &input["filters"];
        let ids = listed(&filters["waveIDs"]);
        let archived = filters["isArchived"].as_bool();
        let items = self
            .waves
            .values()
            .filter(|wave| {
                ids.as_ref()
                    .is_none_or(|ids| ids.contains(&wave.id.as_str()))
            })
            .filter(|wave| archived.is_none_or(|archived| archived == wave.archived))
            .map(|wave| (wave.id.clone(), wave))
            .collect();
        let size = self.config.default_page_size;
        paging::page("ListWaves", input, items, size, |wave| self.show_wave(wave)).map(Reply::ok)
    }

    pub(crate) fn associate_applications(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let wave = text(input, "waveID");
        self.wave_mut(wave)?;
        let ids: Vec<String> = owned(&input["applicationIDs"]);
        let mut added = 0;
        for id in &ids {
            let application = self
                .applications
                .get(id)
                .ok_or_else(|| errors::not_found("Application", id))?;
            match application.wave.as_deref() {
                Some(other) if other != wave => {
                    let message = format!("Application {id} is associated with another wave.");
                    return Err(errors::conflict(&message, "Application", id));
                }
                Some(_) => {}
                None => added += 1,
            }
        }
        let limit = self.config.quotas.applications_per_wave;
        if self.applications_of(wave).count() + added > limit {
            return Err(errors::quota("Applications per wave", limit, "Wave", wave));
        }
        for id in &ids {
            if let Some(application) = self.applications.get_mut(id) {
                application.wave = Some(wave.to_owned());
            }
        }
        Ok(Reply::empty())
    }

    pub(crate) fn disassociate_applications(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let wave = text(input, "waveID");
        self.wave_mut(wave)?;
        let ids: Vec<String> = owned(&input["applicationIDs"]);
        for id in &ids {
            let application = self
                .applications
                .get(id)
                .ok_or_else(|| errors::not_found("Application", id))?;
            if application.wave.as_deref() != Some(wave) {
                let message = format!("Application {id} is not associated with wave {wave}.");
                return Err(errors::conflict(&message, "Application", id));
            }
        }
        for id in &ids {
            if let Some(application) = self.applications.get_mut(id) {
                application.wave = None;
            }
        }
        Ok(Reply::empty())
    }

    fn check_waves(&self, archived: bool, id: &str) -> Result<(), ApiError> {
        let quotas = &self.config.quotas;
        let (name, limit) = if archived {
            ("Max Archived Waves", quotas.archived_waves)
        } else {
            ("Max Active Waves", quotas.active_waves)
        };
        let already = self
            .waves
            .get(id)
            .is_some_and(|wave| wave.archived == archived);
        let count = self
            .waves
            .values()
            .filter(|wave| wave.archived == archived)
            .count();
        if !already && count >= limit {
            return Err(errors::quota(name, limit, "Wave", id));
        }
        Ok(())
    }

    fn set_wave_archived(&mut self, id: &str, archived: bool) -> Result<Reply, ApiError> {
        let now = self.now;
        let wave = self.wave_mut(id)?;
        wave.archived = archived;
        wave.modified = now;
        self.wave_reply(id)
    }

    fn wave_mut(&mut self, id: &str) -> Result<&mut Wave, ApiError> {
        self.waves
            .get_mut(id)
            .ok_or_else(|| errors::not_found("Wave", id))
    }

    fn wave_reply(&self, id: &str) -> Result<Reply, ApiError> {
        self.waves
            .get(id)
            .map(|wave| Reply::ok(self.show_wave(wave)))
            .ok_or_else(|| errors::not_found("Wave", id))
    }

    fn show_wave(&self, wave: &Wave) -> Value {
        let guesses = &self.config.guesses;
        let applications: Vec<&str> = self.applications_of(&wave.id).collect();
        let mut health = Health::Healthy;
        let mut progress: Option<Progress> = None;
        let mut replicating: Option<Timestamp> = None;
        for application in &applications {
            let (of_application, made) = self.aggregate(application);
            health = health.max(of_application);
            progress = Some(progress.map_or(made, |progress| progress.with(made)));
            replicating = self
                .servers
                .values()
                .filter(|server| server.application.as_deref() == Some(application))
                .filter_map(|server| server.replication.initiated)
                .chain(replicating)
                .min();
        }
        let status = Object::new()
            .with("lastUpdateDateTime", wire::timestamp(self.now, guesses))
            .with_some(
                "replicationStartedDateTime",
                replicating.map(|at| wire::timestamp(at, guesses)),
            )
            .with("healthStatus", health.name())
            .with(
                "progressStatus",
                progress.unwrap_or(Progress::NotStarted).name(),
            )
            .with("totalApplications", applications.len())
            .build();
        Object::new()
            .with("waveID", wave.id.as_str())
            .with("arn", self.arn("wave", &wave.id))
            .with("name", wave.name.as_str())
            .with_some("description", wave.description.as_deref())
            .with("isArchived", wave.archived)
            .with("waveAggregatedStatus", status)
            .with("creationDateTime", wire::timestamp(wave.created, guesses))
            .with(
                "lastModifiedDateTime",
                wire::timestamp(wave.modified, guesses),
            )
            .with("tags", json!(wave.tags))
            .build()
    }

    fn applications_of(&self, wave: &str) -> impl Iterator<Item = &str> {
        self.applications
            .values()
            .filter(move |application| application.wave.as_deref() == Some(wave))
            .map(|application| application.id.as_str())
    }
}

/// A filter's list; none when it is empty or not given.
pub(crate) fn listed(list: &Value) -> Option<Vec<&str>> {
    let list: Vec<&str> = list.as_array()?.iter().filter_map(Value::as_str).collect();
    (!list.is_empty()).then_some(list)
}

/// The strings of a list.
pub(crate) fn owned(list: &Value) -> Vec<String> {
    list.as_array()
        .map(|list| {
            list.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

/// A map of strings, from JSON.
pub(crate) fn string_map(map: &Value) -> BTreeMap<String, String> {
    map.as_object()
        .map(|map| {
            map.iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect()
        })
        .unwrap_or_default()
}
