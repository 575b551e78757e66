//! MGN's ports over the simulator.
//!
//! **Invariant**: what the simulator answers is read as the AWS answer would be: paged, unknown
//! values tolerated, unset objects as `{}` or not at all.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_domain::effect::LifeCycleTarget;
use tidegate_domain::id::{EffectId, InstanceId, JobId, ServerId};
use tidegate_domain::observation::{
    LaunchStatus, LifeCycle, Replication, ReplicationState, ServerSeen,
};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mgn::{
    EFFECT_TAG, Finalizes, Job, JobLog, JobServer, Jobs, LaunchConfigurations, Launches,
    LifeCycles, SourceServers,
};

use super::answers::{call_error, read_error};
use super::invocation::{Fate, Invocation, Service};
use crate::invariants::{self, Change};

/// The most IDs of one DescribeSourceServers call.
const MOST_IDS: usize = 200;

impl Invocation {
    pub(super) async fn read_mgn(&self, operation: &str, input: Value) -> Result<Value, ReadError> {
        match self.point(operation, Service::Other).await {
            Fate::Goes => {}
            Fate::Throttled => return Err(ReadError::Failed("throttled".to_owned())),
            Fate::Fails | Fate::Lost => return Err(ReadError::Failed("no answer".to_owned())),
        }
        let now = self.cloud.now();
        let reply = self
            .cloud
            .region
            .borrow_mut()
            .call_mgn(operation, &input, now);
        reply
            .map(|reply| reply.body)
            .map_err(|error| read_error(&error))
    }

    /// All items of a list.
    async fn list_mgn(&self, operation: &str, mut input: Value) -> Result<Vec<Value>, ReadError> {
        let mut items = Vec::new();
        loop {
            let mut page = self.read_mgn(operation, input.clone()).await?;
            if let Value::Array(found) = page["items"].take() {
                items.extend(found);
            }
            match page["nextToken"].take() {
                Value::String(token) => input["nextToken"] = Value::String(token),
                _ => return Ok(items),
            }
        }
    }

    async fn change_mgn(&self, operation: &str, input: Value) -> Result<Value, CallError> {
        let fate = self.point(operation, Service::Other).await;
        match fate {
            Fate::Goes | Fate::Lost => {}
            Fate::Throttled => {
                let kind = tidegate_domain::effect::RefusalKind::Throttled;
                return Err(CallError::refused(kind, "throttled"));
            }
            Fate::Fails => return Err(CallError::Unknown("no answer".to_owned())),
        }
        let cloud = &self.cloud;
        let now = cloud.now();
        let change = Change::new(self.function, operation, &input);
        self.changed.set(true);
        invariants::before(cloud, &change);
        let reply = cloud.region.borrow_mut().call_mgn(operation, &input, now);
        let shown = reply
            .as_ref()
            .map_or_else(ToString::to_string, |_| "accepted".to_owned());
        cloud.note(|| format!("{}#{} {change}: {shown}", self.function.name(), self.number));
        invariants::answered(cloud, &change, &reply);
        let code = reply
            .as_ref()
            .map_or_else(|error| error.code, |_| "accepted");
        invariants::covered(cloud, format!("{} {code}", change.operation));
        if let Ok(reply) = &reply {
            invariants::after(cloud, &change, &reply.body);
        }
        cloud.ring();
        if fate == Fate::Lost {
            return Err(CallError::Unknown("the answer was lost".to_owned()));
        }
        reply
            .map(|reply| reply.body)
            .map_err(|error| call_error(&error))
    }

    async fn start_job(
        &self,
        operation: &str,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        let input = json!({"sourceServerIDs": servers, "tags": {EFFECT_TAG: effect}});
        crate::mischief::overtake(&self.cloud);
        let body = self.change_mgn(operation, input).await?;
        let now = self.cloud.now();
        for server in servers {
            // MGN may add a version itself (its image, its disks), or may not.
            if self.cloud.random.borrow_mut().chance(0.5) {
                self.cloud.templates.borrow_mut().add(server, None, now);
            }
        }
        id(&body["job"]["jobID"]).ok_or_else(|| CallError::Unknown("no job ID".to_owned()))
    }
}

impl SourceServers for Invocation {
    async fn servers(&self, ids: &[ServerId], at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let mut seen = Vec::new();
        for ids in ids.chunks(MOST_IDS) {
            let input = json!({"filters": {"sourceServerIDs": ids}});
            let found = self.list_mgn("DescribeSourceServers", input).await?;
            seen.extend(found.iter().filter_map(|shown| server(shown, at)));
        }
        invariants::read(&self.cloud, &seen);
        Ok(seen)
    }

    async fn all_servers(&self, at: Timestamp) -> Result<Vec<ServerSeen>, ReadError> {
        let input = json!({"filters": {"isArchived": false}});
        let found = self.list_mgn("DescribeSourceServers", input).await?;
        Ok(found.iter().filter_map(|shown| server(shown, at)).collect())
    }
}

impl Jobs for Invocation {
    async fn jobs(&self, ids: &[JobId]) -> Result<Vec<Job>, ReadError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = self
            .list_mgn("DescribeJobs", json!({"filters": {"jobIDs": ids}}))
            .await?;
        Ok(found.iter().filter_map(job).collect())
    }

    async fn jobs_since(&self, from: Timestamp) -> Result<Vec<Job>, ReadError> {
        let input = json!({"filters": {"fromDate": from.to_string()}});
        let found = self.list_mgn("DescribeJobs", input).await?;
        Ok(found.iter().filter_map(job).collect())
    }

    async fn job_log(&self, job: &JobId) -> Result<JobLog, ReadError> {
        let items = self
            .list_mgn("DescribeJobLogItems", json!({"jobID": job}))
            .await?;
        let of = |event: &str| {
            let found = items.iter().filter(|item| item["event"] == event);
            found
                .filter_map(|item| id(&item["eventData"]["sourceServerID"]))
                .collect()
        };
        Ok(JobLog {
            previous_snapshot: of("USING_PREVIOUS_SNAPSHOT"),
            skipped: of("SERVER_SKIPPED"),
        })
    }
}

impl Launches for Invocation {
    async fn start_test(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        self.start_job("StartTest", servers, effect).await
    }

    async fn start_cutover(
        &self,
        servers: &[ServerId],
        effect: &EffectId,
    ) -> Result<JobId, CallError> {
        self.start_job("StartCutover", servers, effect).await
    }

    async fn terminate(&self, servers: &[ServerId], effect: &EffectId) -> Result<JobId, CallError> {
        self.start_job("TerminateTargetInstances", servers, effect)
            .await
    }
}

impl LifeCycles for Invocation {
    async fn change(&self, server: &ServerId, to: LifeCycleTarget) -> Result<(), CallError> {
        let input = json!({"sourceServerID": server, "lifeCycle": {"state": to}});
        self.change_mgn("ChangeServerLifeCycleState", input)
            .await
            .map(|_| ())
    }

    async fn retry_replication(&self, server: &ServerId) -> Result<(), CallError> {
        let input = json!({"sourceServerID": server});
        self.change_mgn("RetryDataReplication", input)
            .await
            .map(|_| ())
    }
}

impl Finalizes for Invocation {
    async fn finalize(&self, server: &ServerId) -> Result<(), CallError> {
        let input = json!({"sourceServerID": server});
        self.change_mgn("FinalizeCutover", input).await.map(|_| ())
    }
}

impl LaunchConfigurations for Invocation {
    async fn problems(&self, server: &ServerId) -> Result<Vec<String>, ReadError> {
        let input = json!({"sourceServerID": server});
        let shown = self.read_mgn("GetLaunchConfiguration", input).await?;
        let template = shown["ec2LaunchTemplateID"].as_str().unwrap_or_default();
        Ok(if template.is_empty() {
            vec!["no launch template".to_owned()]
        } else {
            Vec::new()
        })
    }
}

fn server(shown: &Value, at: Timestamp) -> Option<ServerSeen> {
    let hints = &shown["sourceProperties"]["identificationHints"];
    let life_cycle = &shown["lifeCycle"];
    Some(ServerSeen {
        id: id(&shown["sourceServerID"])?,
        at,
        hostname: text(&hints["hostname"]),
        fqdn: text(&hints["fqdn"]),
        tags: serde_json::from_value(shown["tags"].clone()).unwrap_or_default(),
        archived: shown["isArchived"].as_bool().unwrap_or(false),
        life_cycle: id(&life_cycle["state"]).unwrap_or(LifeCycle::Unknown),
        replication: replication(&shown["dataReplicationInfo"]),
        last_test: id(&life_cycle["lastTest"]["initiated"]["jobID"]),
        last_cutover: id(&life_cycle["lastCutover"]["initiated"]["jobID"]),
        job: None,
        instance: None,
        node: None,
        commands: std::collections::BTreeMap::new(),
        snapshots: Default::default(),
        settings: Default::default(),
    })
}

fn replication(shown: &Value) -> Replication {
    let disks = shown["replicatedDisks"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let sum = |member: &str| disks.iter().filter_map(|disk| disk[member].as_u64()).sum();
    Replication {
        state: id(&shown["dataReplicationState"]).unwrap_or(ReplicationState::Unknown),
        lag: shown["lagDuration"].as_str().and_then(lag),
        backlog_bytes: sum("backloggedStorageBytes"),
        total_bytes: sum("totalStorageBytes"),
        replicated_bytes: sum("replicatedStorageBytes"),
        eta: time(&shown["etaDateTime"]),
        last_snapshot: time(&shown["lastSnapshotDateTime"]),
        error: shown["dataReplicationError"]["error"]
            .as_str()
            .map(str::to_owned),
    }
}

/// `P0D` is no lag (a field observation); a day is 24 hours.
fn lag(text: &str) -> Option<SignedDuration> {
    let span: jiff::Span = text.parse().ok()?;
    span.to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .ok()
}

fn job(shown: &Value) -> Option<Job> {
    let servers = shown["participatingServers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    Some(Job {
        id: id(&shown["jobID"])?,
        completed: shown["status"] == "COMPLETED",
        effect: id(&shown["tags"][EFFECT_TAG]),
        servers: servers
            .iter()
            .filter_map(|part| {
                Some(JobServer {
                    id: id(&part["sourceServerID"])?,
                    launch: id(&part["launchStatus"]).unwrap_or(LaunchStatus::Unknown),
                    instance: id::<InstanceId>(&part["launchedEc2InstanceID"]),
                })
            })
            .collect(),
    })
}

/// An identifier or a value of an enumeration; None if it is absent or unknown.
pub(super) fn id<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
