//! MGN for the tests of handlers: servers that change at once, jobs that stay as they began.

use std::cell::RefCell;
use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::effect::LifeCycleTarget;
use tidegate_domain::id::{EffectId, InstanceId, JobId, ServerId, SnapshotId, TemplateId};
use tidegate_domain::launch_settings::Values;
use tidegate_domain::observation::{
    InstanceSeen, LaunchStatus, LifeCycle, ServerSeen, SettingsSeen, SnapshotsSeen,
};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::instances::{Instances, Snapshots, Targets};
use tidegate_ports::mgn::{
    Finalizes, Job, JobLog, JobServer, Jobs, LaunchConfigurations, Launches, LifeCycles,
    SourceServers,
};
use tidegate_ports::settings::{Configuration, Configurations, LaunchTemplates};

use super::Script;
use crate::contract::fixtures::{job_id, seen};

/// The fake.
#[derive(Debug, Default)]
pub struct FakeMgn {
    /// What becomes of the next calls that change something.
    pub script: Script,
    /// The servers; a test changes them as it likes.
    pub servers: RefCell<BTreeMap<ServerId, ServerSeen>>,
    /// The jobs.
    pub jobs: RefCell<Vec<Job>>,
    /// The logs of jobs.
    pub logs: RefCell<BTreeMap<JobId, JobLog>>,
    /// The instances that EC2 knows.
    pub instances: RefCell<BTreeMap<InstanceId, InstanceSeen>>,
    /// The snapshots that EC2 knows, each with its state and the instance whose data it keeps.
    pub snapshots: RefCell<BTreeMap<SnapshotId, (InstanceId, SnapshotsSeen)>>,
    /// The launch configurations; those that are not there do not exist.
    pub configurations: RefCell<BTreeMap<ServerId, Configuration>>,
    /// The default versions of EC2's launch templates: number and content.
    pub templates: RefCell<BTreeMap<TemplateId, (u64, Values)>>,
    /// How often each of these was read.
    pub reads: RefCell<BTreeMap<&'static str, usize>>,
    /// Problems of launch configurations.
    pub problems: RefCell<BTreeMap<ServerId, Vec<String>>>,
    /// What reads fail with, if they do.
    pub down: RefCell<Option<ReadError>>,
    /// The calls that changed something or tried to.
    pub calls: RefCell<Vec<String>>,
}

impl FakeMgn {
    /// These servers, caught up, in that state, without jobs.
    #[must_use]
    pub fn with(servers: &[ServerId], life_cycle: LifeCycle) -> Self {
        let fake = Self::default();
        for (number, id) in servers.iter().enumerate() {
            let mut server = seen(id, number, Timestamp::UNIX_EPOCH);
            server.life_cycle = life_cycle;
            server.replication.state = tidegate_domain::observation::ReplicationState::Continuous;
            server.replication.lag = Some(jiff::SignedDuration::ZERO);
            server.replication.backlog_bytes = 0;
            (server.last_test, server.last_cutover) = (None, None);
            (server.job, server.instance, server.node) = (None, None, None);
            server.commands.clear();
            server.settings = SettingsSeen::default();
            fake.servers.borrow_mut().insert(id.clone(), server);
        }
        fake
    }

    /// Change a server.
    pub fn change(&self, id: &ServerId, change: impl FnOnce(&mut ServerSeen)) {
        if let Some(server) = self.servers.borrow_mut().get_mut(id) {
            change(server);
        }
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }

    fn read<T>(&self, answer: T) -> Result<T, ReadError> {
        match self.down.borrow().as_ref() {
            Some(error) => Err(error.clone()),
            None => Ok(answer),
        }
    }

    fn start(
        &self,
        call: &str,
        servers: &[ServerId],
        effect: &EffectId,
        mark: impl Fn(&mut ServerSeen, JobId),
    ) -> Result<JobId, CallError> {
        self.calls.borrow_mut().push(call.to_owned());
        self.script.play(|| {
            let id = job_id(self.jobs.borrow().len() + 1);
            for server in servers {
                self.change(server, |server| mark(server, id.clone()));
            }
            let part = |id: &ServerId| JobServer {
                id: id.clone(),
                launch: LaunchStatus::Pending,
                instance: None,
            };
            self.jobs.borrow_mut().push(Job {
                id: id.clone(),
                completed: false,
                effect: Some(effect.clone()),
                servers: servers.iter().map(part).collect(),
            });
            id
        })
    }
}

impl SourceServers for FakeMgn {
    async fn servers(&self, ids: &[ServerId], at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let servers = self.servers.borrow();
        let found = ids.iter().filter_map(|id| servers.get(id));
        self.read(
            found
                .map(|server| ServerSeen {
                    at,
                    ..server.clone()
                })
                .collect(),
        )
    }

    async fn all_servers(&self, at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let servers = self.servers.borrow();
        self.read(
            servers
                .values()
                .map(|server| ServerSeen {
                    at,
                    ..server.clone()
                })
                .collect(),
        )
    }
}

impl Jobs for FakeMgn {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, ReadError> {
        let jobs = self.jobs.borrow();
        self.read(
            jobs.iter()
                .filter(|job| ids.contains(&job.id))
                .cloned()
                .collect(),
        )
    }

    async fn jobs_since(&self, _from: Timestamp) -> Result<Vec<Job>, ReadError> {
        self.read(self.jobs.borrow().clone())
    }

    async fn job_log(&self, job: &JobId) -> Result<JobLog, ReadError> {
        match self.logs.borrow().get(job) {
            Some(log) => self.read(log.clone()),
            None => Err(ReadError::Failed("the log is not there".to_owned())),
        }
    }
}

impl Launches for FakeMgn {
    async fn start_test(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        self.start("StartTest", servers, effect, |server, job| {
            server.life_cycle = LifeCycle::Testing;
            server.last_test = Some(job);
        })
    }

    async fn start_cutover(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        self.start("StartCutover", servers, effect, |server, job| {
            server.life_cycle = LifeCycle::CuttingOver;
            server.last_cutover = Some(job);
        })
    }

    async fn terminate(&self, servers: &[ServerId], effect: &EffectId) -> Result<JobId, CallError> {
        self.start("TerminateTargetInstances", servers, effect, |_, _| {})
    }
}

impl LifeCycles for FakeMgn {
    async fn change(&self, server: &ServerId, to: LifeCycleTarget) -> Result<(), CallError> {
        self.calls.borrow_mut().push(format!("{to:?} {server}"));
        self.script.play(|| {
            FakeMgn::change(self, server, |server| {
                server.life_cycle = match to {
                    LifeCycleTarget::ReadyForTest => LifeCycle::ReadyForTest,
                    LifeCycleTarget::ReadyForCutover => LifeCycle::ReadyForCutover,
                };
            });
        })
    }

    async fn retry_replication(&self, server: &ServerId) -> Result<(), CallError> {
        self.calls.borrow_mut().push(format!("Retry {server}"));
        self.script.play(|| ())
    }
}

impl Finalizes for FakeMgn {
    async fn finalize(&self, server: &ServerId) -> Result<(), CallError> {
        self.calls
            .borrow_mut()
            .push(format!("FinalizeCutover {server}"));
        self.script.play(|| {
            FakeMgn::change(self, server, |server| {
                server.life_cycle = LifeCycle::Cutover
            });
        })
    }
}

impl LaunchConfigurations for FakeMgn {
    async fn problems(&self, server: &ServerId) -> Result<Vec<String>, ReadError> {
        self.read(
            self.problems
                .borrow()
                .get(server)
                .cloned()
                .unwrap_or_default(),
        )
    }
}

impl FakeMgn {
    fn count(&self, call: &'static str) {
        *self.reads.borrow_mut().entry(call).or_default() += 1;
    }
}

impl Configurations for FakeMgn {
    async fn configuration(&self, server: &ServerId) -> Result<Configuration, ReadError> {
        self.count("GetLaunchConfiguration");
        match self.configurations.borrow().get(server) {
            Some(configuration) => self.read(configuration.clone()),
            None => Err(ReadError::NotFound(server.to_string())),
        }
    }
}

impl LaunchTemplates for FakeMgn {
    async fn default_versions(
        &self,
        templates: &[TemplateId],
    ) -> Result<BTreeMap<TemplateId, u64>, ReadError> {
        self.count("DescribeLaunchTemplates");
        let known = self.templates.borrow();
        let found = templates.iter().filter_map(|id| known.get_key_value(id));
        self.read(
            found
                .map(|(id, (number, _))| (id.clone(), *number))
                .collect(),
        )
    }

    async fn version(&self, template: &TemplateId, version: u64) -> Result<Values, ReadError> {
        self.count("DescribeLaunchTemplateVersions");
        match self.templates.borrow().get(template) {
            Some((number, values)) if *number == version => self.read(values.clone()),
            Some(_) | None => Err(ReadError::NotFound(template.to_string())),
        }
    }
}

impl Instances for FakeMgn {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError> {
        let instances = self.instances.borrow();
        self.read(
            ids.iter()
                .filter_map(|id| instances.get(id))
                .cloned()
                .collect(),
        )
    }
}

impl Snapshots for FakeMgn {
    async fn snapshots(
        &self,
        ids: &[SnapshotId],
    ) -> Result<BTreeMap<SnapshotId, SnapshotsSeen>, ReadError> {
        let snapshots = self.snapshots.borrow();
        let state = |id: &SnapshotId| snapshots.get(id).map_or(SnapshotsSeen::Failed, |(_, s)| *s);
        self.read(ids.iter().map(|id| (id.clone(), state(id))).collect())
    }
}

impl Targets for FakeMgn {
    async fn stop(&self, instance: &InstanceId) -> Result<(), CallError> {
        self.calls.borrow_mut().push(format!("Stop {instance}"));
        self.script.play(|| {
            if let Some(seen) = self.instances.borrow_mut().get_mut(instance) {
                (seen.running, seen.stopped) = (false, true);
            }
        })
    }

    async fn keep(
        &self,
        instance: &InstanceId,
        _server: &ServerId,
        _effect: &EffectId,
    ) -> Result<Vec<SnapshotId>, CallError> {
        self.calls.borrow_mut().push(format!("Keep {instance}"));
        self.script.play(|| {
            let mut snapshots = self.snapshots.borrow_mut();
            let known = snapshots.iter().find(|(_, (of, _))| of == instance);
            if let Some((id, _)) = known {
                return vec![id.clone()];
            }
            let id = SnapshotId::parse(format!("snap-{:017}", snapshots.len()));
            let id = id.expect("a snapshot's ID");
            snapshots.insert(id.clone(), (instance.clone(), SnapshotsSeen::Pending));
            vec![id]
        })
    }
}
