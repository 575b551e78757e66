//! Delivers events as EventBridge would: to the targets of the rules that are deployed in
//! the local AWS. (PutEvents refuses the source `aws.mgn`, there as on AWS.)
//!
//! **Invariant:** the deployed pattern decides, not a copy of it here; an event that cannot
//! be delivered is logged, never lost in silence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use super::local_aws::LocalAws;

/// How long deployed rules are believed.
const RULES_KEPT: Duration = Duration::from_secs(2);
/// How often a delivery is tried.
const ATTEMPTS: u32 = 5;

/// How many events are delivered at once.
const AT_ONCE: usize = 4;

/// A rule that is deployed and enabled.
struct Rule {
    name: String,
    pattern: String,
    targets: Vec<Target>,
}

/// Delivers events as they come.
pub(super) async fn run(
    local: LocalAws,
    mut queue: mpsc::UnboundedReceiver<Value>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut rules: Option<(Instant, Arc<[Rule]>)> = None;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let event = tokio::select! {
            event = queue.recv() => event,
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        let Some(event) = event else { return };
        let fresh = rules
            .as_ref()
            .is_some_and(|(read, _)| read.elapsed() < RULES_KEPT);
        if !fresh && let Some(read) = read_rules_patiently(&local).await {
            rules = Some((Instant::now(), read.into()));
        }
        let Some((_, known)) = &rules else {
            tracing::error!(%event, "no rules are known: the event could not be delivered");
            continue;
        };
        // EventBridge promises no order either; one slow target does not hold up the rest.
        let (local, known) = (local.clone(), Arc::clone(known));
        let permit = Arc::clone(&slots).acquire_owned().await;
        tokio::spawn(async move {
            deliver(&local, &known, &event).await;
            drop(permit);
        });
    }
}

/// The rules, tried a few times; why not is logged.
async fn read_rules_patiently(local: &LocalAws) -> Option<Vec<Rule>> {
    let mut pause = Duration::from_millis(200);
    for attempt in 1..=ATTEMPTS {
        match read_rules(local).await {
            Ok(rules) => return Some(rules),
            Err(why) => tracing::error!(attempt, why, "the rules of the local AWS cannot be read"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    None
}

async fn read_rules(local: &LocalAws) -> Result<Vec<Rule>, String> {
    let mut rules = Vec::new();
    let mut token = None;
    loop {
        let page = local
            .events
            .list_rules()
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        for rule in page.rules() {
            let (Some(name), Some(pattern)) = (rule.name(), rule.event_pattern()) else {
                continue;
            };
            if rule.state() != Some(&RuleState::Enabled) || pattern.is_empty() {
                continue;
            }
            rules.push(Rule {
                name: name.to_owned(),
                pattern: pattern.to_owned(),
                targets: read_targets(local, name).await?,
            });
        }
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(rules);
        }
    }
}

async fn read_targets(local: &LocalAws, rule: &str) -> Result<Vec<Target>, String> {
    let mut targets = Vec::new();
    let mut token = None;
    loop {
        let page = local
            .events
            .list_targets_by_rule()
            .rule(rule)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        targets.extend(page.targets().iter().cloned());
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            return Ok(targets);
        }
    }
}

async fn deliver(local: &LocalAws, rules: &[Rule], event: &Value) {
    let text = event.to_string();
    let mut matched = false;
    for rule in rules.iter().filter(|rule| may_match(&rule.pattern, event)) {
        let test = local
            .events
            .test_event_pattern()
            .event_pattern(&rule.pattern)
            .event(&text)
            .send()
            .await;
        match test {
            Ok(test) if test.result() => {
                matched = true;
                for target in &rule.targets {
                    invoke(local, &rule.name, target, event).await;
                }
            }
            Ok(_) => {}
            Err(error) => {
                let error = DisplayErrorContext(&error);
                tracing::error!(rule = rule.name, %error, event = text, "the pattern cannot be tested");
            }
        }
    }
    if !matched {
        tracing::debug!(
            event = text,
            rules = rules.len(),
            "no rule is for the event"
        );
    }
}

/// Whether a pattern's `source` leaves the event a chance. Only a plain list that lacks the
/// event's source says no; everything else is for the pattern's own test.
fn may_match(pattern: &str, event: &Value) -> bool {
    let pattern: Value = serde_json::from_str(pattern).unwrap_or_default();
    match pattern["source"].as_array() {
        Some(sources) if sources.iter().all(Value::is_string) => sources.contains(&event["source"]),
        _ => true,
    }
}

async fn invoke(local: &LocalAws, rule: &str, target: &Target, event: &Value) {
    let arn = target.arn();
    if !arn.contains(":lambda:") {
        tracing::error!(rule, arn, event = %event, "only Lambda targets are served: event not delivered");
        return;
    }
    let payload = payload(target, event);
    let mut pause = Duration::from_millis(200);
    for attempt in 1..=ATTEMPTS {
        let sent = local
            .lambda
            .invoke()
            .function_name(arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload.clone()))
            .send()
            .await;
        match sent {
            Ok(_) => return,
            Err(error) => {
                let error = DisplayErrorContext(&error);
                tracing::warn!(rule, arn, attempt, %error, "the target did not take the event");
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    tracing::error!(rule, arn, event = %event, "the event could not be delivered");
}

/// What a target gets: the event, a part of it, or a constant.
fn payload(target: &Target, event: &Value) -> String {
    if let Some(input) = target.input() {
        return input.to_owned();
    }
    if let Some(path) = target.input_path() {
        let pointer = path.trim_start_matches('$').replace('.', "/");
        return event.pointer(&pointer).unwrap_or(&Value::Null).to_string();
    }
    if target.input_transformer().is_some() {
        tracing::error!(
            target = target.id(),
            "input transformers are not simulated: the whole event is sent"
        );
    }
    event.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Target, payload};

    #[test]
    fn only_a_plain_list_of_sources_rules_an_event_out() {
        let event = json!({"source": "aws.mgn"});
        for (pattern, expected) in [
            (r#"{"source":["aws.mgn","aws.ssm"]}"#, true),
            (r#"{"source":["aws.ssm"]}"#, false),
            (r#"{"source":[{"prefix":"aws"}]}"#, true),
            (r#"{"detail-type":["x"]}"#, true),
            ("nonsense", true),
        ] {
            assert_eq!(super::may_match(pattern, &event), expected, "{pattern}");
        }
    }

    #[test]
    fn targets_get_what_they_ask_for() {
        let event = json!({"detail": {"state": "STALLED"}});
        let target = || Target::builder().id("t").arn("arn:aws:lambda:x");
        let whole = target().build().expect("a target");
        assert_eq!(payload(&whole, &event), event.to_string());
        let part = target()
            .input_path("$.detail.state")
            .build()
            .expect("a target");
        assert_eq!(payload(&part, &event), "\"STALLED\"");
        let constant = target().input("{}").build().expect("a target");
        assert_eq!(payload(&constant, &event), "{}");
    }
}
