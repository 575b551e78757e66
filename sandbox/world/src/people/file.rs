//! A plan as the file that somebody would have written. JSON is YAML.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tidegate_domain::gate::Door;
use tidegate_domain::plan::{
    Application, Approver, Channel, Document, Escalation, GatePlan, OnExpiry, OnFailure, Plan,
    Policy, Select, Start, Window,
};

/// The file.
pub(super) fn text(plan: &Plan) -> String {
    let mut gates =
        json!({"cutover": gate(&plan.gates.cutover), "finalize": gate(&plan.gates.finalize)});
    gates["finalize"]["after_soak"] = duration(plan.gates.soak);
    let mut file = json!({
        "wave": plan.wave,
        "start": start(&plan.start),
        "gates": gates,
        "policy": policy(&plan.policy),
        "applications": plan.applications.iter().map(application).collect::<Vec<_>>(),
    });
    if let Some(window) = &plan.window {
        file["window"] = self::window(window);
    }
    file.to_string()
}

fn start(start: &Start) -> Value {
    match start {
        Start::Replication => json!({"on": "replication"}),
        Start::Manual => json!({"on": "manual"}),
        Start::Schedule(at) => {
            json!({"on": "schedule", "at": local(*at, "UTC"), "time_zone": "UTC"})
        }
    }
}

fn window(window: &Window) -> Value {
    json!({
        "opens": local(window.opens, &window.time_zone),
        "lasts": duration(window.closes.duration_since(window.opens)),
        "time_zone": window.time_zone,
    })
}

fn gate(gate: &GatePlan) -> Value {
    if gate.automatic {
        return json!({"automatic": true, "expires": duration(gate.expires)});
    }
    let mut written = json!({
        "approvers": people(gate),
        "quorum": gate.quorum,
        "expires": duration(gate.expires),
        "on_expiry": match gate.on_expiry {
            OnExpiry::Hold => "hold",
            OnExpiry::Reject => "reject",
            OnExpiry::Proceed => "proceed",
            OnExpiry::RollBack => "roll_back",
        },
        "notify": gate.notify.iter().map(channel).collect::<Vec<_>>(),
        "minimum": match gate.minimum {
            Door::Mail => "mail",
            Door::Page => "page",
            Door::Slack => "slack",
            Door::Iam => "iam",
        },
        "self_approval": gate.self_approval,
    });
    if let Some(before) = gate.remind {
        written["remind"] = duration(before);
    }
    if let Some(Escalation { before, to }) = &gate.escalate {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        written["escalate"] = json!({"before": duration(*before), "to": to});
    }
    written
}

/// The approvers; who has several identities stands where the first of them is named.
fn people(gate: &GatePlan) -> Vec<Value> {
    let mut written = Vec::new();
    let mut known: Vec<&Approver> = Vec::new();
    for approver in &gate.approvers {
        if known.contains(&approver) {
            continue;
        }
        match gate.people.iter().find(|person| person.contains(approver)) {
            Some(person) => {
                known.extend(person);
                written.push(person.iter().map(identity).collect());
            }
            None => written.push(approver.to_string().into()),
        }
    }
    written
}

fn identity(approver: &Approver) -> (String, Value) {
    let (kind, name) = match approver {
        Approver::Mail(address) => ("mail", address),
        Approver::Slack(user) => ("slack", user),
        Approver::Iam(arn) => ("iam", arn),
    };
    (kind.to_owned(), name.clone().into())
}

fn channel(channel: &Channel) -> &'static str {
    match channel {
        Channel::Sns => "sns",
        Channel::Slack => "slack",
    }
}

fn policy(policy: &Policy) -> Value {
    json!({
        "max_lag": duration(policy.max_lag),
        "attempts": policy.attempts,
        "failure_budget": format!("{}%", policy.failure_budget),
        "on_failure": match policy.on_failure {
            OnFailure::Hold => "hold",
            OnFailure::Skip => "skip",
        },
        "keep_test_instances": duration(policy.keep_test_instances),
        "observe_every": duration(policy.observe_every),
        "launch_timeout": duration(policy.launch_timeout),
        "boot_timeout": duration(policy.boot_timeout),
    })
}

fn application(application: &Application) -> Value {
    let servers = application.servers.iter().map(|selector| {
        let mut written = match &selector.select {
            Select::Id(id) => json!({"id": id}),
            Select::Hostname(hostname) => json!({"hostname": hostname}),
            Select::Tags(tags) => json!({"tag": tags}),
        };
        if selector.critical {
            written["criticality"] = "critical".into();
        }
        written
    });
    let mut written = json!({
        "name": application.name,
        "servers": servers.collect::<Vec<_>>(),
        "after": application.after,
        "validate": application.validate.iter().map(document).collect::<Vec<_>>(),
    });
    if let Some(quiesce) = &application.quiesce {
        written["quiesce"] = document(&quiesce.stop);
        if let Some(start) = &quiesce.start {
            written["quiesce"]["undo"] = document(start);
        }
    }
    written
}

fn document(document: &Document) -> Value {
    json!({
        "document": document.document,
        "parameters": document.parameters,
        "timeout": duration(document.timeout),
    })
}

fn duration(duration: SignedDuration) -> Value {
    format!("{}s", duration.as_secs()).into()
}

fn local(at: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned(zone)
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use tidegate_domain::plan::parse;

    use super::*;
    use crate::scenario::{START, Size, scenario};

    /// The plan, but for the order of those who may decide.
    fn sorted(mut plan: Plan) -> Plan {
        for gate in [&mut plan.gates.cutover, &mut plan.gates.finalize] {
            gate.approvers.sort();
            gate.notify.sort();
        }
        plan
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for seed in 0..300 {
            for (_, plan) in scenario(seed, Size::Small).plans {
                let text = text(&plan);
                let read = parse(&text, START)
                    .unwrap_or_else(|errors| panic!("{seed}: {:?}\n{text}", errors.0));
                assert_eq!(sorted(read), sorted(plan), "{seed}");
            }
        }
    }
}
