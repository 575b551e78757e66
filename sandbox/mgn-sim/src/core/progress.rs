//! A job under way: cleanup, snapshot, conversion, launch, for each server on its own.
//!
//! The log of a test or cutover: JOB_START → [CLEANUP_START, CLEANUP_END when there is a
//! previous instance] → SNAPSHOT_START, SNAPSHOT_END → CONVERSION_START, CONVERSION_END →
//! LAUNCH_START, LAUNCH_END → JOB_END. A source that does not answer: SNAPSHOT_FAIL after
//! 300 s, USING_PREVIOUS_SNAPSHOT, and LAUNCHED all the same.
//!
//! **Invariant:** every server of a job ends exactly once, and the job ends after the last.

use jiff::{SignedDuration, Timestamp};

use super::durations::scaled;
use super::faults::{FailingStage, LaunchFaultKind};
use super::instance::{Instance, StatusChecks};
use super::job::{JobKind, JobStatus, LaunchStatus, LogItem, Participant, Stage};
use super::output::{Output, later};
use super::server::{LaunchedInstance, LifeCycleState};
use super::simulator::Simulator;
use super::timeline::Due;

impl Simulator {
    pub(crate) fn job_starts(&mut self, id: &str, at: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.status = JobStatus::Started;
        job.log.push(LogItem::new(at, "JOB_START", None));
        let servers: Vec<String> = job.participants.keys().cloned().collect();
        for server in servers {
            self.server_begins(id, &server, at);
        }
        self.end_job_if_done(id, at);
    }

    fn server_begins(&mut self, id: &str, server: &str, at: Timestamp) {
        let cleanup_logged = self.config.guesses.terminate_logs_cleanup;
        let previous = self
            .servers
            .get(server)
            .and_then(|server| server.launched.clone());
        let Some((kind, participant)) = self.participant(id, server) else {
            return;
        };
        participant.status = LaunchStatus::InProgress;
        let terminates = kind == JobKind::Terminate;
        if participant.faults.contains(&LaunchFaultKind::Skip) || (terminates && previous.is_none())
        {
            self.server_skipped(id, server, at);
            return;
        }
        if previous.is_some() {
            if !terminates || cleanup_logged {
                self.note(id, at, "CLEANUP_START", server);
            }
            self.plan(id, server, Stage::Cleanup, at);
        } else {
            self.snapshot_begins(id, server, at);
        }
    }

    /// The step that was planned for a server is over.
    pub(crate) fn participant_step(&mut self, id: &str, server: &str, at: Timestamp) {
        let Some((kind, participant)) = self.participant(id, server) else {
            return;
        };
        let stage = participant.stage;
        let fails = |stage| participant.faults.contains(&LaunchFaultKind::Fail(stage));
        match stage {
            Stage::Cleanup if fails(FailingStage::Cleanup) => {
                self.server_fails(id, server, "CLEANUP_FAIL", None, at);
            }
            Stage::Cleanup => self.cleaned_up(id, server, kind, at),
            Stage::Snapshot if fails(FailingStage::Snapshot) => {
                self.server_fails(id, server, "SNAPSHOT_FAIL", None, at);
            }
            Stage::Snapshot => {
                if let Some(server) = self.servers.get_mut(server) {
                    server.replication.last_snapshot = Some(at);
                }
                self.note(id, at, "SNAPSHOT_END", server);
                self.conversion_begins(id, server, at);
            }
            Stage::SnapshotTimeout => self.snapshot_timed_out(id, server, at),
            Stage::Conversion if fails(FailingStage::Conversion) => {
                // Missing rights end like this too: without a reason.
                self.server_fails(id, server, "CONVERSION_FAIL", None, at);
            }
            Stage::Conversion => {
                let converter = self.converter(id, server);
                self.note_with(id, at, "CONVERSION_END", server, |item| {
                    item.conversion_server = Some(converter);
                });
                self.launch_begins(id, server, at);
            }
            Stage::Launch if fails(FailingStage::Launch) => {
                let why = "VPCIdNotSpecified: No default VPC for this user";
                self.server_fails(id, server, "LAUNCH_FAILED", Some(why.to_owned()), at);
            }
            Stage::Launch => self.launch_done(id, server, at),
            Stage::Waiting | Stage::AwaitingInstance | Stage::Ended => {}
        }
        self.end_job_if_done(id, at);
    }

    fn cleaned_up(&mut self, id: &str, server: &str, kind: JobKind, at: Timestamp) {
        let terminates = kind == JobKind::Terminate;
        let keep = terminates && self.config.guesses.terminated_instance_shown;
        let logged = !terminates || self.config.guesses.terminate_logs_cleanup;
        if let Some(known) = self.servers.get_mut(server) {
            let launched = known.launched.clone();
            if !keep {
                known.launched = None;
            }
            if let Some(launched) = launched {
                self.terminate_instance(&launched.instance, at);
            }
        }
        if logged {
            self.note(id, at, "CLEANUP_END", server);
        }
        if terminates {
            self.server_ends(id, server, LaunchStatus::Terminated, at);
        } else {
            self.snapshot_begins(id, server, at);
        }
    }

    fn snapshot_begins(&mut self, id: &str, server: &str, at: Timestamp) {
        self.note(id, at, "SNAPSHOT_START", server);
        let stale = self
            .participant(id, server)
            .is_some_and(|(_, participant)| participant.faults.contains(&LaunchFaultKind::Stale));
        if stale || !self.takes_snapshots(server) {
            self.plan(id, server, Stage::SnapshotTimeout, at);
        } else {
            self.plan(id, server, Stage::Snapshot, at);
        }
    }

    fn snapshot_timed_out(&mut self, id: &str, server: &str, at: Timestamp) {
        let previous = self
            .servers
            .get(server)
            .is_some_and(|server| server.replication.last_snapshot.is_some());
        if !previous {
            self.server_fails(id, server, "SNAPSHOT_FAIL", None, at);
            return;
        }
        self.note(id, at, "SNAPSHOT_FAIL", server);
        self.note(id, at, "USING_PREVIOUS_SNAPSHOT", server);
        if let Some((_, participant)) = self.participant(id, server) {
            participant.from_previous_snapshot = true;
        }
        self.conversion_begins(id, server, at);
    }

    fn conversion_begins(&mut self, id: &str, server: &str, at: Timestamp) {
        let converter = self.converter(id, server);
        self.note_with(id, at, "CONVERSION_START", server, |item| {
            item.conversion_server = Some(converter);
        });
        self.plan(id, server, Stage::Conversion, at);
    }

    fn launch_begins(&mut self, id: &str, server: &str, at: Timestamp) {
        self.note(id, at, "LAUNCH_START", server);
        self.plan(id, server, Stage::Launch, at);
        let Some((_, participant)) = self.participant(id, server) else {
            return;
        };
        let nth = participant.nth;
        if participant
            .faults
            .contains(&LaunchFaultKind::Fail(FailingStage::Launch))
        {
            return;
        }
        let Some(known) = self.servers.get(server) else {
            return;
        };
        let output = Output::RunInstance {
            server: server.to_owned(),
            hostname: known.hostname.clone(),
            job: id.to_owned(),
            instance: self.random.identifier("i-", server, nth),
            tags: self.instance_tags(server, id),
            stopped: self.launches_stopped(server),
        };
        self.outbox.push(output);
    }

    /// The tags that MGN puts on launched instances; copied from real Terraform imports.
    fn instance_tags(&self, server: &str, job: &str) -> std::collections::BTreeMap<String, String> {
        let mut tags = std::collections::BTreeMap::new();
        if let Some(known) = self.servers.get(server) {
            if self.copies_tags(server) {
                tags.extend(known.tags.clone());
            }
            tags.insert("Name".to_owned(), known.hostname.clone());
        }
        for (key, value) in [
            ("AWSApplicationMigrationServiceManaged", "mgn.amazonaws.com"),
            ("AWSApplicationMigrationServiceSourceServerID", server),
            ("mgn.amazonaws.com-job", job),
            ("mgn.amazonaws.com-source-server", server),
        ] {
            tags.insert(key.to_owned(), value.to_owned());
        }
        tags
    }

    fn launch_done(&mut self, id: &str, server: &str, at: Timestamp) {
        let external = self.config.external_instances;
        let Some((_, participant)) = self.participant(id, server) else {
            return;
        };
        let nth = participant.nth;
        if let Some(why) = participant.told_failure.take() {
            self.server_fails(id, server, "LAUNCH_FAILED", Some(why), at);
            return;
        }
        let instance = match participant.told_instance.take() {
            Some(instance) => instance,
            None if external => {
                participant.stage = Stage::AwaitingInstance;
                self.awaiting.insert((id.to_owned(), server.to_owned()));
                return;
            }
            None => self.random.identifier("i-", server, nth),
        };
        self.server_launched(id, server, instance, at);
    }

    /// Goes on with the launches that waited for their instance's ID.
    pub(crate) fn settle_awaiting(&mut self, at: Timestamp) {
        for (id, server) in self.awaiting.clone() {
            let told = self
                .participant(&id, &server)
                .is_none_or(|(_, participant)| {
                    participant.told_instance.is_some() || participant.told_failure.is_some()
                });
            if told {
                self.awaiting.remove(&(id.clone(), server.clone()));
                self.launch_done(&id, &server, at);
                self.end_job_if_done(&id, at);
            }
        }
    }

    fn server_launched(&mut self, id: &str, server: &str, instance: String, at: Timestamp) {
        let logged = self.config.guesses.launch_end_logged;
        let tags = self.instance_tags(server, id);
        let stopped = self.launches_stopped(server);
        let Some((_, participant)) = self.participant(id, server) else {
            return;
        };
        participant.instance = Some(instance.clone());
        let from_previous_snapshot = participant.from_previous_snapshot;
        let bootable = !participant.faults.contains(&LaunchFaultKind::Impaired);
        if logged {
            let target = instance.clone();
            self.note_with(id, at, "LAUNCH_END", server, |item| {
                item.target = Some(target)
            });
        }
        self.add_instance(Instance {
            id: instance.clone(),
            server: server.to_owned(),
            job: id.to_owned(),
            tags,
            launched: at,
            running: !stopped,
            terminated: None,
            checks: StatusChecks::Initializing,
            bootable,
        });
        if let Some(known) = self.servers.get_mut(server) {
            known.launched = Some(LaunchedInstance {
                instance,
                job: id.to_owned(),
                from_previous_snapshot,
            });
        }
        self.begin_actions(id, server, at);
        self.server_ends(id, server, LaunchStatus::Launched, at);
    }

    fn server_fails(
        &mut self,
        id: &str,
        server: &str,
        event: &'static str,
        why: Option<String>,
        at: Timestamp,
    ) {
        self.note_with(id, at, event, server, |item| item.raw_error = why);
        self.server_ends(id, server, LaunchStatus::Failed, at);
    }

    fn server_skipped(&mut self, id: &str, server: &str, at: Timestamp) {
        self.note(id, at, "SERVER_SKIPPED", server);
        let status = if self.config.guesses.skipped_is_failed {
            LaunchStatus::Failed
        } else {
            LaunchStatus::Pending
        };
        self.server_ends(id, server, status, at);
    }

    /// A server's part of a job is over.
    fn server_ends(&mut self, id: &str, server: &str, status: LaunchStatus, at: Timestamp) {
        let guesses = self.config.guesses.clone();
        let Some((kind, participant)) = self.participant(id, server) else {
            return;
        };
        participant.status = status;
        participant.stage = Stage::Ended;
        participant.ended = true;
        let from = participant.from;
        if matches!(status, LaunchStatus::Failed | LaunchStatus::Pending) {
            self.launch_reverts(kind, server, from, at);
        }
        if guesses.server_free_at_server_end
            && let Some(known) = self.servers.get_mut(server)
        {
            known.job = None;
        }
        if !guesses.launch_event_at_job_end && !guesses.one_launch_event_per_job {
            self.announce_launch(id, &[server.to_owned()], at);
        }
    }

    /// Where a server goes whose launch failed, if it goes back.
    fn launch_reverts(&mut self, kind: JobKind, id: &str, from: LifeCycleState, at: Timestamp) {
        let guesses = &self.config.guesses;
        let (test, cutover) = (guesses.failed_test_reverts, guesses.failed_cutover_reverts);
        let Some(server) = self.servers.get_mut(id) else {
            return;
        };
        match kind {
            JobKind::Test if test => {
                let synced = server.replication.last_snapshot.is_some();
                if from == LifeCycleState::NotReady && !synced {
                    server.life_cycle = LifeCycleState::NotReady;
                } else {
                    self.become_ready_for_test(id, at);
                }
            }
            JobKind::Cutover if cutover => server.life_cycle = LifeCycleState::ReadyForCutover,
            JobKind::Test | JobKind::Cutover | JobKind::Terminate => {}
        }
    }

    /// Plans the end of a stage.
    fn plan(&mut self, id: &str, server: &str, stage: Stage, at: Timestamp) {
        let durations = &self.config.durations;
        let (purpose, length) = match stage {
            Stage::Cleanup => ("cleanup", durations.cleanup),
            Stage::Snapshot => ("snapshot", durations.snapshot),
            Stage::SnapshotTimeout => ("snapshot timeout", durations.snapshot_timeout),
            Stage::Conversion => ("conversion", durations.conversion),
            Stage::Launch => ("launch", durations.launch),
            Stage::Waiting | Stage::AwaitingInstance | Stage::Ended => {
                ("nothing", SignedDuration::ZERO)
            }
        };
        let mut factor = self
            .servers
            .get(server)
            .map_or(1.0, |server| server.launch_factor);
        let Some(participant) = self
            .jobs
            .get_mut(id)
            .and_then(|job| job.participants.get_mut(server))
        else {
            return;
        };
        for fault in &participant.faults {
            if let LaunchFaultKind::Slow(times) = fault {
                factor *= times;
            }
        }
        participant.stage = stage;
        let drawn = durations.drawn(length, &self.random, purpose, server, participant.nth);
        let due = Due::Participant {
            job: id.to_owned(),
            server: server.to_owned(),
        };
        self.timeline.add(later(at, scaled(drawn, factor)), due);
    }

    pub(crate) fn participant(
        &mut self,
        id: &str,
        server: &str,
    ) -> Option<(JobKind, &mut Participant)> {
        let job = self.jobs.get_mut(id)?;
        let kind = job.kind;
        Some((kind, job.participants.get_mut(server)?))
    }

    fn note(&mut self, id: &str, at: Timestamp, event: &'static str, server: &str) {
        self.note_with(id, at, event, server, |_| {});
    }

    fn note_with(
        &mut self,
        id: &str,
        at: Timestamp,
        event: &'static str,
        server: &str,
        fill: impl FnOnce(&mut LogItem),
    ) {
        if let Some(job) = self.jobs.get_mut(id) {
            let mut item = LogItem::new(at, event, Some(server));
            fill(&mut item);
            job.log.push(item);
        }
    }

    fn converter(&self, id: &str, server: &str) -> String {
        self.random
            .identifier("i-", &format!("converter {id} {server}"), 0)
    }
}
