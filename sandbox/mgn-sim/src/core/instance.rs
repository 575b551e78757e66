//! Launched EC2 instances, as far as a launch's validation looks at them.
//!
//! **Invariant:** `LAUNCHED` says nothing about booting: the status checks are decided
//! later, and may come out impaired.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::output::{Output, later};
use super::simulator::Simulator;
use super::timeline::Due;

/// EC2's status checks of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusChecks {
    /// Not decided yet.
    Initializing,
    /// Passed.
    Ok,
    /// Failed: the instance does not boot.
    Impaired,
}

impl StatusChecks {
    /// The name that DescribeInstanceStatus uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Ok => "ok",
            Self::Impaired => "impaired",
        }
    }
}

/// An instance that a job launched.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `i-` and 17 digits.
    pub id: String,
    /// The source server it was launched from.
    pub server: String,
    /// The job that launched it.
    pub job: String,
    /// The tags that MGN put on it.
    pub tags: BTreeMap<String, String>,
    /// When it was launched.
    pub launched: Timestamp,
    /// Whether it runs, rather than being left stopped or terminated.
    pub running: bool,
    /// When it was terminated.
    pub terminated: Option<Timestamp>,
    /// EC2's status checks.
    pub checks: StatusChecks,
    /// What the checks will come out as.
    pub(crate) bootable: bool,
}

impl Instance {
    /// The name of its state, as DescribeInstances has it.
    pub fn state(&self) -> &'static str {
        match (self.terminated, self.running) {
            (Some(_), _) => "terminated",
            (None, true) => "running",
            (None, false) => "stopped",
        }
    }

    pub(crate) fn first_boot(&self) -> &'static str {
        match (self.running, self.checks) {
            (false, _) => "STOPPED",
            (true, StatusChecks::Initializing) => "WAITING",
            (true, StatusChecks::Ok) => "SUCCEEDED",
            (true, StatusChecks::Impaired) => "UNKNOWN",
        }
    }
}

impl Simulator {
    /// An instance exists from now on; its checks are decided after the boot delay.
    pub(crate) fn add_instance(&mut self, instance: Instance) {
        let durations = &self.config.durations;
        let id = instance.id.clone();
        let delay = durations.drawn(durations.boot_checks, &self.random, "boot", &id, 0);
        if instance.running {
            let due = Due::Booted {
                instance: id.clone(),
            };
            self.timeline.add(later(instance.launched, delay), due);
        }
        self.instance_changes.push(id.clone());
        self.instances.insert(id, instance);
    }

    pub(crate) fn instance_booted(&mut self, id: &str) {
        if let Some(instance) = self.instances.get_mut(id)
            && instance.terminated.is_none()
        {
            instance.checks = if instance.bootable {
                StatusChecks::Ok
            } else {
                StatusChecks::Impaired
            };
            self.instance_changes.push(id.to_owned());
        }
    }

    /// Somebody stopped an instance in EC2; false if there is none that could be stopped.
    pub fn stop_instance(&mut self, id: &str) -> bool {
        let Some(instance) = self.instances.get_mut(id) else {
            return false;
        };
        if instance.terminated.is_some() {
            return false;
        }
        if std::mem::take(&mut instance.running) {
            self.instance_changes.push(id.to_owned());
        }
        true
    }

    /// Terminates an instance, and says so.
    pub(crate) fn terminate_instance(&mut self, id: &str, at: Timestamp) {
        if let Some(instance) = self.instances.get_mut(id)
            && instance.terminated.is_none()
        {
            instance.terminated = Some(at);
            instance.running = false;
            self.instance_changes.push(id.to_owned());
            self.outbox.push(Output::TerminateInstance {
                instance: id.to_owned(),
            });
        }
    }
}
