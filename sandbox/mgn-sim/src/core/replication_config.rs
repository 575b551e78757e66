//! How a server is replicated: its replication configuration.
//!
//! **Invariant:** a server without settings of its own has those of the account's template.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::server::{SourceServer, text};
use super::simulator::{Reply, Simulator};
use super::templates::merge;

/// Members that a template has and a server's configuration does not.
const OF_TEMPLATE: [&str; 3] = ["replicationConfigurationTemplateID", "arn", "tags"];

impl Simulator {
    pub(crate) fn get_replication_configuration(
        &mut self,
        input: &Value,
    ) -> Result<Reply, ApiError> {
        let server = self.server(text(input, "sourceServerID"))?;
        Ok(Reply::ok(self.replication_configuration(server)))
    }

    pub(crate) fn update_replication_configuration(
        &mut self,
        input: &Value,
    ) -> Result<Reply, ApiError> {
        let id = text(input, "sourceServerID");
        let server = self.server_mut(id)?;
        for disk in input["replicatedDisks"].as_array().into_iter().flatten() {
            let device = text(disk, "deviceName");
            if !device.is_empty() && !server.disks.iter().any(|known| known.device == device) {
                let message = format!("The source server has no disk {device}.");
                let field = json!({"name": "replicatedDisks", "message": message});
                return Err(errors::validation(
                    "fieldValidationFailed",
                    &message,
                    vec![field],
                ));
            }
        }
        merge(
            &mut server.replication_configuration,
            input,
            &["sourceServerID", "accountID"],
        );
        let server = self.server(id)?;
        Ok(Reply::ok(self.replication_configuration(server)))
    }

    fn replication_configuration(&self, server: &SourceServer) -> Value {
        let disks: Vec<Value> = server
            .disks
            .iter()
            .enumerate()
            .map(|(index, disk)| {
                json!({
                    "deviceName": disk.device,
                    "isBootDisk": index == 0,
                    "stagingDiskType": "AUTO",
                    "iops": 0,
                    "throughput": 0,
                })
            })
            .collect();
        let mut shown = json!({
            "sourceServerID": server.id,
            "name": server.hostname,
            "stagingAreaSubnetId": "subnet-00000000000000000",
            "associateDefaultSecurityGroup": true,
            "replicationServersSecurityGroupsIDs": [],
            "replicationServerInstanceType": "t3.small",
            "useDedicatedReplicationServer": false,
            "defaultLargeStagingDiskType": "GP3",
            "replicatedDisks": disks,
            "ebsEncryption": "DEFAULT",
            "bandwidthThrottling": 0,
            "dataPlaneRouting": "PRIVATE_IP",
            "createPublicIP": false,
            "stagingAreaTags": {},
            "useFipsEndpoint": false,
        });
        if let Some(template) = self.replication_templates.values().next() {
            merge(&mut shown, template, &OF_TEMPLATE);
        }
        merge(&mut shown, &server.replication_configuration, &[]);
        shown
    }
}
