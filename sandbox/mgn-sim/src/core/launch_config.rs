//! How a server is launched: its launch configuration and the defaults of its volumes.
//!
//! Subnet, security groups and instance type are not here: they live in the default version
//! of the EC2 launch template that `ec2LaunchTemplateID` names.
//!
//! **Invariant:** `ec2LaunchTemplateID` is output only.

use serde_json::{Value, json};

use super::errors::ApiError;
use super::server::{SourceServer, text};
use super::simulator::{Reply, Simulator};
use super::templates::merge;

impl Simulator {
    pub(crate) fn get_launch_configuration(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let server = self.server(text(input, "sourceServerID"))?;
        Ok(Reply::ok(self.launch_configuration(server)))
    }

    pub(crate) fn update_launch_configuration(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server_mut(id)?;
        merge(
            &mut server.launch_configuration,
            input,
            &["sourceServerID", "accountID", "ec2LaunchTemplateID"],
        );
        let server = self.server(id)?;
        Ok(Reply::ok(self.launch_configuration(server)))
    }

    pub(crate) fn get_launch_defaults(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let server = self.server(text(input, "sourceServerID"))?;
        Ok(Reply::ok(volume_defaults(server)))
    }

    pub(crate) fn update_launch_defaults(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let server = self.server_mut(text(input, "sourceServerID"))?;
        merge(
            &mut server.volume_defaults,
            input,
            &["sourceServerID", "accountID"],
        );
        Ok(Reply::ok(volume_defaults(server)))
    }

    pub(crate) fn copies_tags(&self, server: &str) -> bool {
        self.servers
            .get(server)
            .is_some_and(|server| server.launch_configuration["copyTags"] != json!(false))
    }

    pub(crate) fn launches_stopped(&self, server: &str) -> bool {
        self.servers.get(server).is_some_and(|server| {
            server.launch_configuration["launchDisposition"] == json!("STOPPED")
        })
    }

    /// Tells the ID of the EC2 launch template that somebody outside made for a server.
    pub fn launch_template_made(&mut self, server: &str, template: &str) {
        if let Some(server) = self.servers.get_mut(server) {
            server
                .details
                .insert("ec2LaunchTemplateID".to_owned(), json!(template));
        }
    }

    fn launch_configuration(&self, server: &SourceServer) -> Value {
        let template = server
            .details
            .get("ec2LaunchTemplateID")
            .cloned()
            .unwrap_or_else(|| json!(self.random.identifier("lt-", &server.id, 0)));
        let mut shown = json!({
            "sourceServerID": server.id,
            "name": server.hostname,
            "ec2LaunchTemplateID": template,
            "launchDisposition": "STARTED",
            "targetInstanceTypeRightSizingMethod": "BASIC",
            "copyPrivateIp": false,
            "copyTags": true,
            "licensing": {"osByol": false},
            "bootMode": "LEGACY_BIOS",
            "postLaunchActions": {},
            "enableMapAutoTagging": false,
        });
        merge(&mut shown, &server.launch_configuration, &[]);
        shown
    }
}

fn volume_defaults(server: &SourceServer) -> Value {
    let mut shown = json!({
        "sourceServerID": server.id,
        "smallVolumeMaxSize": 0,
        "smallVolumeConfiguration": {"volumeType": "gp3"},
        "largeVolumeConfiguration": {"volumeType": "gp3"},
    });
    merge(&mut shown, &server.volume_defaults, &[]);
    shown
}
