//! Templates for new servers: of their replication configuration, of their launch
//! configuration.
//!
//! **Invariant:** a template holds what was given with it, and nothing that the model's
//! output does not have.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::paging;
use super::server::text;
use super::simulator::{Reply, Simulator};
use super::waves::listed;

/// A launch configuration template and its actions.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplate {
    pub(crate) shown: Value,
    pub(crate) actions: BTreeMap<String, Value>,
}

impl Simulator {
    pub(crate) fn create_replication_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        self.created += 1;
        let id = self.random.identifier("rct-", "", self.created);
        let mut template = input.clone();
        template["replicationConfigurationTemplateID"] = json!(id);
        template["arn"] = json!(self.arn("replication-configuration-template", &id));
        if template["tags"].is_null() {
            template["tags"] = json!({});
        }
        self.replication_templates.insert(id, template.clone());
        Ok(Reply::ok(template))
    }

    pub(crate) fn describe_replication_templates(
        &mut self,
        input: &Value,
    ) -> Result<Reply, ApiError> {
        let ids = listed(&input["replicationConfigurationTemplateIDs"]);
        if let Some(unknown) = unknown(&ids, |id| self.replication_templates.contains_key(id)) {
            return Err(errors::not_found(
                "ReplicationConfigurationTemplate",
                &unknown,
            ));
        }
        let items = self
            .replication_templates
            .iter()
            .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(&id.as_str())))
            .map(|(id, template)| (id.clone(), template))
            .collect();
        let size = self.config.default_page_size;
        let operation = "DescribeReplicationConfigurationTemplates";
        paging::page(operation, input, items, size, Value::clone).map(Reply::ok)
    }

    pub(crate) fn update_replication_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "replicationConfigurationTemplateID");
        let template = self
            .replication_templates
            .get_mut(id)
            .ok_or_else(|| errors::not_found("ReplicationConfigurationTemplate", id))?;
        merge(template, input, &["arn", "accountID"]);
        Ok(Reply::ok(template.clone()))
    }

    pub(crate) fn delete_replication_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "replicationConfigurationTemplateID");
        self.replication_templates
            .remove(id)
            .map(|_| Reply::empty())
            .ok_or_else(|| errors::not_found("ReplicationConfigurationTemplate", id))
    }

    pub(crate) fn create_launch_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        self.created += 1;
        let id = self.random.identifier("lct-", "", self.created);
        let mut shown = json!({
            "launchConfigurationTemplateID": id,
            "arn": self.arn("launch-configuration-template", &id),
            "ec2LaunchTemplateID": self.random.identifier("lt-", &id, 0),
            "launchDisposition": "STARTED",
            "targetInstanceTypeRightSizingMethod": "BASIC",
            "copyPrivateIp": false,
            "associatePublicIpAddress": false,
            "copyTags": true,
            "licensing": {"osByol": false},
            "bootMode": "LEGACY_BIOS",
            "enableMapAutoTagging": false,
            "postLaunchActions": {},
            "tags": {},
        });
        merge(&mut shown, input, &[]);
        let template = LaunchTemplate {
            shown: shown.clone(),
            actions: BTreeMap::new(),
        };
        self.launch_templates.insert(id, template);
        Ok(Reply::ok(shown))
    }

    pub(crate) fn describe_launch_templates(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let ids = listed(&input["launchConfigurationTemplateIDs"]);
        if let Some(unknown) = unknown(&ids, |id| self.launch_templates.contains_key(id)) {
            return Err(errors::not_found("LaunchConfigurationTemplate", &unknown));
        }
        let items = self
            .launch_templates
            .iter()
            .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(&id.as_str())))
            .map(|(id, template)| (id.clone(), template))
            .collect();
        let size = self.config.default_page_size;
        let operation = "DescribeLaunchConfigurationTemplates";
        paging::page(
            operation,
            input,
            items,
            size,
            |template: &LaunchTemplate| template.shown.clone(),
        )
        .map(Reply::ok)
    }

    pub(crate) fn update_launch_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "launchConfigurationTemplateID");
        let template = self.launch_template_mut(id)?;
        merge(&mut template.shown, input, &[]);
        Ok(Reply::ok(template.shown.clone()))
    }

    pub(crate) fn delete_launch_template(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "launchConfigurationTemplateID");
        self.launch_templates
            .remove(id)
            .map(|_| Reply::empty())
            .ok_or_else(|| errors::not_found("LaunchConfigurationTemplate", id))
    }

    pub(crate) fn launch_template_mut(
        &mut self,
        id: &str,
    ) -> Result<&mut LaunchTemplate, ApiError> {
        self.launch_templates
            .get_mut(id)
            .ok_or_else(|| errors::not_found("LaunchConfigurationTemplate", id))
    }
}

/// Takes over every member that is given, but for some.
pub(crate) fn merge(into: &mut Value, from: &Value, except: &[&str]) {
    for (name, value) in from.as_object().into_iter().flatten() {
        if !value.is_null() && !except.contains(&name.as_str()) {
            into[name] = value.clone();
        }
    }
}

fn unknown(ids: &Option<Vec<&str>>, known: impl Fn(&str) -> bool) -> Option<String> {
    ids.as_ref()?
        .iter()
        .find(|id| !known(id))
        .map(|id| (*id).to_owned())
}
