//! TagResource, UntagResource and ListTagsForResource, by ARN.
//!
//! **Invariant:** a resource never has more than 50 tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::server::text;
use super::simulator::{Reply, Simulator};
use super::waves::{owned, string_map};

/// The most tags that a resource can have.
const MOST: usize = 50;

impl Simulator {
    pub(crate) fn tag_resource(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let arn = text(input, "resourceArn");
        let mut tags = self.tags_of(arn)?;
        tags.extend(string_map(&input["tags"]));
        if tags.len() > MOST {
            let message = format!("A resource can have {MOST} tags.");
            return Err(errors::validation("other", &message, Vec::new()));
        }
        self.set_tags(arn, tags);
        Ok(Reply::empty())
    }

    pub(crate) fn untag_resource(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let arn = text(input, "resourceArn");
        let mut tags = self.tags_of(arn)?;
        for key in owned(&input["tagKeys"]) {
            tags.remove(&key);
        }
        self.set_tags(arn, tags);
        Ok(Reply::empty())
    }

    pub(crate) fn list_tags(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let tags = self.tags_of(text(input, "resourceArn"))?;
        Ok(Reply::ok(json!({ "tags": tags })))
    }

    /// The kind and ID of one of this account's resources.
    fn resource<'a>(&self, arn: &'a str) -> Option<(&'a str, &'a str)> {
        let prefix = format!(
            "arn:aws:mgn:{}:{}:",
            self.config.region, self.config.account
        );
        arn.strip_prefix(&prefix)?.split_once('/')
    }

    fn tags_of(&self, arn: &str) -> Result<BTreeMap<String, String>, ApiError> {
        let found = self.resource(arn).and_then(|(kind, id)| match kind {
            "source-server" => self.servers.get(id).map(|known| known.tags.clone()),
            "job" => self.jobs.get(id).map(|known| known.tags.clone()),
            "wave" => self.waves.get(id).map(|known| known.tags.clone()),
            "application" => self.applications.get(id).map(|known| known.tags.clone()),
            "replication-configuration-template" => self
                .replication_templates
                .get(id)
                .map(|known| string_map(&known["tags"])),
            "launch-configuration-template" => self
                .launch_templates
                .get(id)
                .map(|known| string_map(&known.shown["tags"])),
            "connector" => self
                .connectors
                .get(id)
                .map(|known| string_map(&known["tags"])),
            _ => None,
        });
        found.ok_or_else(|| errors::not_found("Resource", arn))
    }

    fn set_tags(&mut self, arn: &str, tags: BTreeMap<String, String>) {
        let Some((kind, id)) = self.resource(arn) else {
            return;
        };
        let (kind, id) = (kind.to_owned(), id.to_owned());
        match kind.as_str() {
            "source-server" => {
                if let Some(known) = self.servers.get_mut(&id) {
                    known.tags = tags;
                }
            }
            "job" => {
                if let Some(known) = self.jobs.get_mut(&id) {
                    known.tags = tags;
                }
            }
            "wave" => {
                if let Some(known) = self.waves.get_mut(&id) {
                    known.tags = tags;
                }
            }
            "application" => {
                if let Some(known) = self.applications.get_mut(&id) {
                    known.tags = tags;
                }
            }
            "replication-configuration-template" => {
                if let Some(known) = self.replication_templates.get_mut(&id) {
                    known["tags"] = json!(tags);
                }
            }
            "launch-configuration-template" => {
                if let Some(known) = self.launch_templates.get_mut(&id) {
                    known.shown["tags"] = json!(tags);
                }
            }
            "connector" => {
                if let Some(known) = self.connectors.get_mut(&id) {
                    known["tags"] = json!(tags);
                }
            }
            _ => {}
        }
    }
}
