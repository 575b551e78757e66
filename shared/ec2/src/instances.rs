//! Instances and their status checks.
//!
//! **Invariant**: an instance that EC2 does not know is gone; one that EC2 did not answer for at
//! all is an error, never taken for gone.

use std::collections::BTreeMap;

use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::describe_instance_status::DescribeInstanceStatusError;
use aws_sdk_ec2::types::{InstanceStateName, InstanceStatus, InstanceStatusSummary, SummaryStatus};
use tidegate_domain::id::InstanceId;
use tidegate_domain::observation::{InstanceSeen, StatusChecks};
use tidegate_ports::error::ReadError;
use tidegate_ports::instances::Instances;

use crate::SdkEc2;

/// The most instances in a call (API reference, DescribeInstanceStatus).
const MOST_IDS: usize = 100;

impl Instances for SdkEc2 {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError> {
        let mut seen = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_IDS) {
            seen.extend(self.some_instances(ids).await?);
        }
        Ok(seen)
    }
}

impl SdkEc2 {
    /// Ask until EC2 knows all that are asked for: it names those that it does not know, not
    /// always all at once.
    async fn some_instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceSeen>, ReadError> {
        let mut asked: Vec<&InstanceId> = ids.iter().collect();
        let mut seen = Vec::with_capacity(ids.len());
        while !asked.is_empty() {
            match self.status(&asked).await {
                Ok(mut known) => {
                    // With all of them included, whoever is not there is gone for good.
                    seen.extend(
                        asked
                            .iter()
                            .map(|id| known.remove(id).unwrap_or_else(|| gone(id))),
                    );
                    break;
                }
                Err(Failed::Unknown(message)) => {
                    let before = asked.len();
                    asked.retain(|id| {
                        let unknown = names(&message, id);
                        if unknown {
                            seen.push(gone(id));
                        }
                        !unknown
                    });
                    if asked.len() == before {
                        return Err(ReadError::Failed(message));
                    }
                }
                Err(Failed::Read(error)) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// What EC2 says of these instances, stopped and terminated ones included.
    async fn status(
        &self,
        ids: &[&InstanceId],
    ) -> Result<BTreeMap<InstanceId, InstanceSeen>, Failed> {
        let mut pages = self
            .client
            .describe_instance_status()
            .set_instance_ids(Some(ids.iter().map(ToString::to_string).collect()))
            .include_all_instances(true)
            .into_paginator()
            .items()
            .send();
        let mut seen = BTreeMap::new();
        while let Some(status) = pages.next().await {
            let status = status.map_err(failed)?;
            if let Ok(id) = InstanceId::parse(status.instance_id.clone().unwrap_or_default()) {
                seen.insert(id.clone(), instance(id, &status));
            }
        }
        Ok(seen)
    }
}

/// Why instances were not read.
enum Failed {
    /// Some do not exist; EC2's message, which names them.
    Unknown(String),
    /// Anything else.
    Read(ReadError),
}

fn failed(error: SdkError<DescribeInstanceStatusError>) -> Failed {
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let said = match (
        code,
        error
            .as_service_error()
            .and_then(ProvideErrorMetadata::message),
    ) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => DisplayErrorContext(&error).to_string(),
    };
    match code {
        Some("InvalidInstanceID.NotFound" | "InvalidInstanceID.Malformed") => Failed::Unknown(said),
        Some("UnauthorizedOperation" | "AuthFailure" | "AccessDenied") => {
            Failed::Read(ReadError::Denied(said))
        }
        Some(_) | None => Failed::Read(ReadError::Failed(said)),
    }
}

/// Whether a message names this instance, and not a longer ID that begins like it.
fn names(message: &str, id: &InstanceId) -> bool {
    message
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .any(|word| word == id.as_str())
}

fn gone(id: &InstanceId) -> InstanceSeen {
    InstanceSeen {
        id: id.clone(),
        running: false,
        gone: true,
        stopped: false,
        checks: StatusChecks::Pending,
        managed: false,
    }
}

fn instance(id: InstanceId, status: &InstanceStatus) -> InstanceSeen {
    let state = status
        .instance_state
        .as_ref()
        .and_then(|state| state.name.as_ref());
    let running = state == Some(&InstanceStateName::Running);
    let gone = matches!(
        state,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Terminated)
    );
    let checks = if running {
        checks(
            status.system_status.as_ref(),
            status.instance_status.as_ref(),
        )
    } else {
        StatusChecks::Pending
    };
    InstanceSeen {
        id,
        running,
        gone,
        stopped: state == Some(&InstanceStateName::Stopped),
        checks,
        managed: false,
    }
}

/// Both checks together: failed if either is impaired, passed if both are ok.
fn checks(
    system: Option<&InstanceStatusSummary>,
    instance: Option<&InstanceStatusSummary>,
) -> StatusChecks {
    let of = |summary: Option<&InstanceStatusSummary>| summary.and_then(|s| s.status.clone());
    match (of(system), of(instance)) {
        (Some(SummaryStatus::Impaired), _) | (_, Some(SummaryStatus::Impaired)) => {
            StatusChecks::Failed
        }
        (Some(SummaryStatus::Ok), Some(SummaryStatus::Ok)) => StatusChecks::Passed,
        // Initializing, insufficient data, and what is not known yet.
        _ => StatusChecks::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_status(state: &str, system: &str, own: &str) -> InstanceSeen {
        let summary = |status: &str| {
            InstanceStatusSummary::builder()
                .status(status.into())
                .build()
        };
        let state = aws_sdk_ec2::types::InstanceState::builder()
            .name(state.into())
            .build();
        let status = InstanceStatus::builder()
            .instance_state(state)
            .system_status(summary(system))
            .instance_status(summary(own))
            .build();
        let id = InstanceId::parse("i-0123456789abcdef0").expect("an ID");
        instance(id, &status)
    }

    #[test]
    fn both_checks_must_pass() {
        let check = |system, own, expected| {
            assert_eq!(
                check_status("running", system, own).checks,
                expected,
                "{system} {own}"
            );
        };
        check("ok", "ok", StatusChecks::Passed);
        check("ok", "initializing", StatusChecks::Pending);
        check("insufficient-data", "ok", StatusChecks::Pending);
        check("ok", "impaired", StatusChecks::Failed);
        check("impaired", "initializing", StatusChecks::Failed);
        check("ok", "something new", StatusChecks::Pending);
    }

    #[test]
    fn whoever_is_going_is_gone() {
        let check = |state, running, gone| {
            let seen = check_status(state, "ok", "ok");
            assert_eq!((seen.running, seen.gone), (running, gone), "{state}");
            assert_eq!(seen.stopped, state == "stopped", "{state}");
        };
        check("pending", false, false);
        check("running", true, false);
        check("stopping", false, false);
        check("stopped", false, false);
        check("shutting-down", false, true);
        check("terminated", false, true);
        assert_eq!(
            check_status("stopped", "ok", "ok").checks,
            StatusChecks::Pending
        );
    }

    #[test]
    fn unknown_instances_are_named_whole() {
        let message = "The instance IDs 'i-0aa, i-0bb' do not exist";
        let id = |text: &str| InstanceId::parse(text).expect("an ID");
        assert!(names(message, &id("i-0aa")) && names(message, &id("i-0bb")));
        assert!(!names(message, &id("i-0a")) && !names(message, &id("i-0aab")));
    }
}
