//! Managed nodes: launched EC2 instances, and a hybrid node `mi-…` per source server.
//!
//! Both carry the machine's hostname as ComputerName; ResourceType tells them apart.
//!
//! **Invariant:** nodes come and go only with MGN's instances and servers.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Due, SsmSimulator};
use crate::core::output::later;
use crate::core::wire::epoch_seconds;
use crate::core::{Simulator, StatusChecks};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// An EC2 instance, `i-…`.
    Instance,
    /// A hybrid node, `mi-…`: the source machine.
    Hybrid,
}

/// A managed node.
#[derive(Clone, Debug)]
pub struct Node {
    /// `i-…` or `mi-…`.
    pub id: String,
    /// What it is.
    pub kind: NodeKind,
    /// The name that the machine gives itself.
    pub computer_name: String,
    /// The source server it is or came from.
    pub server: String,
    /// Whether it runs Windows.
    pub windows: bool,
    /// When its agent registers; before that SSM does not know it.
    pub online_from: Timestamp,
    /// Since when its agent does not answer.
    pub lost_since: Option<Timestamp>,
    /// Whether it is gone for good.
    pub gone: bool,
}

impl Node {
    /// Whether SSM knows it and takes commands for it.
    pub fn registered(&self, now: Timestamp) -> bool {
        !self.gone && self.online_from <= now
    }

    /// Whether commands reach it.
    pub fn online(&self, now: Timestamp) -> bool {
        self.registered(now) && self.lost_since.is_none()
    }
}

impl SsmSimulator {
    /// The hybrid node of a source server.
    pub fn hybrid_node(&self, server: &str) -> Option<&Node> {
        self.nodes.get(&self.random.identifier("mi-", server, 0))
    }

    pub(super) fn follow_servers(&mut self, mgn: &Simulator) {
        while let Some(id) = mgn.server_changes.get(self.servers_seen) {
            self.servers_seen += 1;
            let node = self.random.identifier("mi-", id, 0);
            match mgn.servers().get(id) {
                None => {
                    self.nodes.remove(&node);
                }
                Some(server) => {
                    let lost_since = server.down_since;
                    self.nodes
                        .entry(node.clone())
                        .or_insert_with(|| Node {
                            id: node,
                            kind: NodeKind::Hybrid,
                            computer_name: server.hostname.clone(),
                            server: id.clone(),
                            windows: server.os == "windows",
                            online_from: mgn.now(),
                            lost_since: None,
                            gone: false,
                        })
                        .lost_since = lost_since;
                }
            }
        }
    }

    pub(super) fn follow_instances(&mut self, mgn: &Simulator) {
        self.now = self.now.max(mgn.now());
        while let Some(id) = mgn.instance_changes.get(self.instances_seen) {
            self.instances_seen += 1;
            let Some(instance) = mgn.instances().get(id) else {
                continue;
            };
            if !self.nodes.contains_key(id) {
                let Some(server) = mgn.servers().get(&instance.server) else {
                    continue;
                };
                let delay = self.drawn(self.config.online, "online", id);
                let boots = instance.bootable && instance.running;
                let online_from = if boots {
                    later(instance.launched, delay)
                } else {
                    Timestamp::MAX
                };
                self.nodes.insert(
                    id.clone(),
                    Node {
                        id: id.clone(),
                        kind: NodeKind::Instance,
                        computer_name: server.hostname.clone(),
                        server: instance.server.clone(),
                        windows: server.os == "windows",
                        online_from,
                        lost_since: None,
                        gone: false,
                    },
                );
                if boots {
                    let wait = online_from
                        .duration_since(self.now)
                        .max(SignedDuration::ZERO);
                    self.plan(wait, Due::Look);
                }
            }
            if let Some(node) = self.nodes.get_mut(id) {
                node.gone = instance.terminated.is_some();
                if instance.checks == StatusChecks::Impaired {
                    node.lost_since.get_or_insert(mgn.now());
                }
            }
        }
    }

    pub(super) fn show_node(&self, node: &Node) -> Value {
        let hybrid = node.kind == NodeKind::Hybrid;
        let (platform, name, version) = if node.windows {
            (
                "Windows",
                "Microsoft Windows Server 2019 Datacenter",
                "10.0.17763",
            )
        } else {
            ("Linux", "Debian GNU/Linux", "12")
        };
        let seen = node.lost_since.unwrap_or(self.now);
        let mut shown = json!({
            "InstanceId": node.id,
            "PingStatus": if node.lost_since.is_some() { "ConnectionLost" } else { "Online" },
            "LastPingDateTime": epoch_seconds(seen),
            "AgentVersion": "3.3.2299.0",
            "IsLatestVersion": true,
            "PlatformType": platform,
            "PlatformName": name,
            "PlatformVersion": version,
            "ResourceType": if hybrid { "ManagedInstance" } else { "EC2Instance" },
            "IPAddress": "10.0.0.10",
            "ComputerName": node.computer_name,
            "SourceId": node.id,
            "SourceType": if hybrid { "AWS::SSM::ManagedInstance" } else { "AWS::EC2::Instance" },
        });
        if hybrid {
            shown["Name"] = json!(node.computer_name);
            shown["RegistrationDate"] = epoch_seconds(node.online_from);
        }
        shown
    }
}
