//! EC2's launch templates: one for each server, made when MGN first names it; the newest version is
//! the default.
//!
//! **Invariant**: a version never changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_domain::id::{ServerId, TemplateId};
use tidegate_domain::launch_settings::{INSTANCE_TYPE, RIGHT_SIZING, Values};
use tidegate_ports::error::ReadError;
use tidegate_ports::settings::{Configuration, Configurations, LaunchTemplates};

use super::invocation::{Fate, Invocation, Service};

/// The launch templates of the account.
#[derive(Debug, Default)]
pub struct Templates {
    of: BTreeMap<ServerId, TemplateId>,
    versions: BTreeMap<TemplateId, Vec<(Timestamp, Values)>>,
}

impl Templates {
    /// Somebody makes a new version the default: with this setting, or the same as before.
    pub fn add(&mut self, server: &ServerId, setting: Option<(&str, &str)>, now: Timestamp) {
        let template = self.of.get(server);
        let Some(versions) = template.and_then(|id| self.versions.get_mut(id)) else {
            return;
        };
        let mut values = versions.last().map_or_else(first, |(_, last)| last.clone());
        if let Some((what, value)) = setting {
            values.set(what, value);
        }
        versions.push((now, values));
    }

    /// The number of the version that was the default then.
    #[must_use]
    pub fn default_at(&self, template: &TemplateId, at: Timestamp) -> u64 {
        let versions = self.versions.get(template).map(Vec::as_slice);
        let before = versions.unwrap_or_default().iter();
        before.filter(|(made, _)| *made <= at).count() as u64
    }

    fn named(&mut self, server: &ServerId, template: &TemplateId) {
        self.of.insert(server.clone(), template.clone());
        let made = || vec![(Timestamp::MIN, first())];
        self.versions.entry(template.clone()).or_insert_with(made);
    }
}

/// What MGN makes a template with.
fn first() -> Values {
    let mut values = Values::default();
    values.set(INSTANCE_TYPE, "t3.medium");
    values
}

impl Configurations for Invocation {
    async fn configuration(&self, server: &ServerId) -> Result<Configuration, ReadError> {
        let input = json!({"sourceServerID": server});
        let shown = self.read_mgn("GetLaunchConfiguration", input).await?;
        let template = shown["ec2LaunchTemplateID"].as_str().unwrap_or_default();
        let template = TemplateId::parse(template)
            .map_err(|_| ReadError::NotFound("no launch template".to_owned()))?;
        self.cloud.templates.borrow_mut().named(server, &template);
        let mut values = Values::default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        values.set("launch disposition", word(&shown["launchDisposition"]));
        values.set("boot mode", word(&shown["bootMode"]));
        let method = word(&shown["targetInstanceTypeRightSizingMethod"]);
        if method != "NONE" {
            values.set(RIGHT_SIZING, method);
        }
        Ok(Configuration { template, values })
    }
}

impl LaunchTemplates for Invocation {
    async fn default_versions(
        &self,
        templates: &[TemplateId],
    ) -> Result<BTreeMap<TemplateId, u64>, ReadError> {
        self.ask("DescribeLaunchTemplates").await?;
        let known = self.cloud.templates.borrow();
        let of = |id: &TemplateId| Some((id.clone(), known.versions.get(id)?.len() as u64));
        Ok(templates.iter().filter_map(of).collect())
    }

    async fn version(&self, template: &TemplateId, version: u64) -> Result<Values, ReadError> {
        self.ask("DescribeLaunchTemplateVersions").await?;
        let known = self.cloud.templates.borrow();
        let index = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
        let versions = known.versions.get(template);
        let found = versions.and_then(|versions| versions.get(index));
        found
            .map(|(_, values)| values.clone())
            .ok_or_else(|| ReadError::NotFound(template.to_string()))
    }
}

impl Invocation {
    /// One call to EC2.
    async fn ask(&self, call: &str) -> Result<(), ReadError> {
        match self.point(call, Service::Other).await {
            Fate::Goes => Ok(()),
            Fate::Throttled | Fate::Fails | Fate::Lost => {
                Err(ReadError::Failed("no answer".to_owned()))
            }
        }
    }
}
