//! What a simulated account holds and how it behaves.
//!
//! **Invariant:** a run is a function of this and of the calls made; nothing else goes in.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::durations::Durations;
use super::faults::Faults;
use super::guesses::Guesses;

/// Everything that a simulated account is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The source of all chance.
    pub seed: u64,
    /// The account's twelve digits.
    pub account: String,
    /// The Region, for ARNs and events.
    pub region: String,
    /// When agents are installed; without it, the first time the simulator is told.
    pub start: Option<Timestamp>,
    /// Whether InitializeService has been called before.
    pub initialized: bool,
    /// The source servers.
    pub inventory: Vec<Machine>,
    /// Where the servers without a `state` of their own start.
    pub initial: InitialState,
    /// How long things take.
    pub durations: Durations,
    /// What goes wrong.
    pub faults: Faults,
    /// The answers to MGN's open questions.
    pub guesses: Guesses,
    /// MGN's limits.
    pub quotas: Quotas,
    /// How the sources' ordinary writing shows.
    pub drift: Drift,
    /// Items on a page when a call names no `maxResults`; MGN publishes none.
    pub default_page_size: usize,
    /// Whether someone outside really launches instances and tells their IDs with
    /// [`Simulator::instance_started`](super::Simulator::instance_started); otherwise the
    /// simulator makes them up.
    pub external_instances: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            start: None,
            initialized: true,
            inventory: Vec::new(),
            initial: InitialState::NotReady,
            durations: Durations::default(),
            faults: Faults::default(),
            guesses: Guesses::default(),
            quotas: Quotas::default(),
            drift: Drift::default(),
            default_page_size: 200,
            external_instances: false,
        }
    }
}

/// One source machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// The name that the machine gives itself.
    pub hostname: String,
    /// The MGN tags of its source server.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The sizes of its disks, in GiB, the boot disk first.
    #[serde(default = "one_disk", rename = "disksGiB")]
    pub disks_gib: Vec<u64>,
    /// `linux` or `windows`.
    #[serde(default = "linux")]
    pub os: String,
    /// Its source server ID (`s-` and 17 digits); made from seed and hostname otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it starts; [`Config::initial`] otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InitialState>,
    /// How much longer than others its launches take.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub launch_factor: f64,
}

impl Machine {
    /// A Linux machine with one disk of 16 GiB.
    pub fn named(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            tags: BTreeMap::new(),
            disks_gib: one_disk(),
            os: linux(),
            id: None,
            state: None,
            launch_factor: 1.0,
        }
    }

    /// Everything that is wrong with an inventory, a line each.
    pub fn faults(machines: &[Self]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut hostnames = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for machine in machines {
            let name = &machine.hostname;
            let mut fault = |text: String| faults.push(format!("{name:?}: {text}"));
            if name.is_empty() || name.len() > 255 {
                fault("a hostname has 1 to 255 characters".to_owned());
            }
            if !hostnames.insert(name) {
                fault("the hostname is there twice".to_owned());
            }
            if !["linux", "windows"].contains(&machine.os.as_str()) {
                fault(format!("os is linux or windows, not {:?}", machine.os));
            }
            if machine.disks_gib.is_empty() || machine.disks_gib.len() > 60 {
                fault("disksGiB lists 1 to 60 disks".to_owned());
            }
            if machine
                .disks_gib
                .iter()
                .any(|gib| *gib == 0 || *gib > 65_536)
            {
                fault("a disk has 1 to 65536 GiB".to_owned());
            }
            if machine.tags.len() > 50 {
                fault("a server has at most 50 tags".to_owned());
            }
            if !(machine.launch_factor.is_finite() && machine.launch_factor > 0.0) {
                fault("launchFactor is above 0".to_owned());
            }
            if let Some(id) = &machine.id {
                let digits = id.strip_prefix("s-").unwrap_or_default();
                if digits.len() != 17 || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    fault(format!("{id:?} is not s- and 17 digits or letters"));
                }
                if !ids.insert(id) {
                    fault(format!("the id {id:?} is there twice"));
                }
            }
        }
        faults
    }

    /// `count` machines `server0001`, `server0002`, …
    pub fn fleet(count: usize) -> Vec<Self> {
        (1..=count)
            .map(|number| Self::named(format!("server{number:04}")))
            .collect()
    }
}

/// Where a source server is when the simulation starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InitialState {
    /// The agent has just been installed; the initial sync begins.
    NotReady,
    /// The initial sync is long over.
    ReadyForTest,
    /// A vCenter client found it; StartReplication begins its replication.
    Discovered,
    /// It was imported; its agent is still to be installed.
    PendingInstallation,
}

/// MGN's limits per account and Region, as the AWS General Reference names them.
#[derive(Clone, Debug)]
pub struct Quotas {
    /// Jobs in progress at once.
    pub concurrent_jobs: usize,
    /// Source servers in all jobs that are not completed.
    pub servers_in_all_jobs: usize,
    /// Source servers in one job.
    pub servers_in_job: usize,
    /// Source servers replicating at once (adjustable).
    pub active_servers: usize,
    /// Waves that are not archived.
    pub active_waves: usize,
    /// Applications that are not archived.
    pub active_applications: usize,
    /// Archived waves.
    pub archived_waves: usize,
    /// Archived applications.
    pub archived_applications: usize,
    /// Applications in a wave.
    pub applications_per_wave: usize,
    /// Servers in an application.
    pub servers_per_application: usize,
    /// Actions of a server or a template.
    pub actions: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            concurrent_jobs: 20,
            servers_in_all_jobs: 200,
            servers_in_job: 200,
            active_servers: 150,
            active_waves: 200,
            active_applications: 200,
            archived_waves: 10_000,
            archived_applications: 10_000,
            applications_per_wave: 1_000,
            servers_per_application: 200,
            actions: 100,
        }
    }
}

/// How the ordinary writing of a source shows in its lag and backlog, until it is quiesced.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Whether sources write at all.
    pub writing: bool,
    /// How often the lag is zero all the same (0 to 1).
    pub zero_odds: f64,
    /// The largest ordinary lag, in seconds.
    pub max_lag_seconds: u32,
    /// The backlog for each second of lag, in bytes.
    pub backlog_bytes_per_second: u64,
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            writing: true,
            zero_odds: 0.3,
            max_lag_seconds: 30,
            backlog_bytes_per_second: 1 << 20,
        }
    }
}

fn one_disk() -> Vec<u64> {
    vec![16]
}

fn linux() -> String {
    "linux".to_owned()
}

fn one() -> f64 {
    1.0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(value: &f64) -> bool {
    (*value - 1.0).abs() < f64::EPSILON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_inventory_is_told_in_full() {
        let text = r#"[{"hostname":"a","os":"dos"},{"hostname":"a","disksGiB":[],"id":"s-1"}]"#;
        let machines: Vec<Machine> = serde_json::from_str(text).expect("an inventory");
        assert_eq!(Machine::faults(&machines).len(), 4);
        assert!(Machine::faults(&Machine::fleet(10)).is_empty());
    }

    #[test]
    fn an_inventory_reads_with_its_defaults() {
        let text = r#"[{"hostname":"db01","tags":{"role":"db"},"disksGiB":[16,100],"os":"linux"},
                       {"hostname":"web01","state":"READY_FOR_TEST"}]"#;
        let machines: Vec<Machine> = serde_json::from_str(text).expect("an inventory");
        assert_eq!(machines[0].disks_gib, [16, 100]);
        assert_eq!(machines[1].disks_gib, [16]);
        assert_eq!(machines[1].state, Some(InitialState::ReadyForTest));
        assert!(serde_json::from_str::<Vec<Machine>>(r#"[{"hostnam":"x"}]"#).is_err());
    }
}
