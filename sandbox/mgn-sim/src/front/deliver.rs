//! Delivers events as EventBridge would: to the targets of the rules that are deployed in
//! the local AWS. (PutEvents refuses the source `aws.mgn`, there as on AWS.)
//!
//! A target's RetryPolicy says how often an event is tried, within [`MOST_RETRIES`]; then it goes to the
//! target's dead-letter queue, as EventBridge sends it. Where the target is not there, or may not be
//! invoked, it goes there at once (EventBridge user guide, "Using dead-letter queues").
//!
//! **Invariant:** the deployed pattern decides, not a copy of it here; an event that cannot
//! be delivered is logged, never lost in silence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_eventbridge::error::DisplayErrorContext;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use super::local_aws::{LocalAws, short};

/// How long deployed rules are believed.
const RULES_KEPT: Duration = Duration::from_secs(2);
/// How often the rules are tried to be read.
const ATTEMPTS: u32 = 5;

/// The most retries of a delivery: EventBridge makes up to 185 in a day, and here nobody waits so long.
const MOST_RETRIES: u32 = 10;

/// The first pause between tries; each next one is twice as long, up to the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How many events are delivered at once.
const AT_ONCE: usize = 4;

/// A rule that is deployed and enabled.
struct Rule {
    name: String,
    arn: String,
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
    let mut pause = PAUSE;
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
                arn: rule.arn().unwrap_or(name).to_owned(),
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
                    hand_over(local, rule, target, event).await;
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

/// Gives an event to a target, or to its dead-letter queue.
async fn hand_over(local: &LocalAws, rule: &Rule, target: &Target, event: &Value) {
    let (name, arn) = (&rule.name, target.arn());
    if !arn.contains(":lambda:") {
        tracing::error!(rule = name, arn, event = %event, "only Lambda targets are served: event not delivered");
        return;
    }
    let Err(failure) = invoke(local, name, target, event).await else {
        return;
    };
    let Some(queue) = target.dead_letter_config().and_then(|config| config.arn()) else {
        tracing::error!(rule = name, arn, event = %event, "the event could not be delivered");
        return;
    };
    let attributes = [
        ("RULE_ARN", rule.arn.as_str()),
        ("TARGET_ARN", arn),
        ("ERROR_CODE", failure.code),
        ("ERROR_MESSAGE", &failure.message),
    ];
    match local
        .queues
        .send(queue, &event.to_string(), &attributes)
        .await
    {
        Ok(()) => {
            tracing::warn!(rule = name, arn, queue, event = %event, "the event could not be delivered: it is in the dead-letter queue");
        }
        Err(error) => {
            tracing::error!(rule = name, arn, queue, event = %event, error = format!("{error:#}"), "the event could neither be delivered nor put into the dead-letter queue");
        }
    }
}

/// Why a target did not take an event.
#[derive(Debug)]
struct Failure {
    /// The error code that EventBridge's user guide has for it.
    code: &'static str,
    message: String,
    again: bool,
}

impl Failure {
    fn new(error: &SdkError<InvokeError>) -> Self {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let (code, again) = match (error, status) {
            (SdkError::TimeoutError(_), _) => ("TIMEOUT", true),
            (SdkError::DispatchFailure(_), _) => ("CONNECTION_FAILURE", true),
            (_, Some(404)) => ("NO_RESOURCE", false),
            (_, Some(401 | 403)) => ("NO_PERMISSIONS", false),
            (_, Some(429)) => ("THROTTLING", true),
            (_, Some(500..)) => ("INTERNAL_ERROR", true),
            _ => ("UNKNOWN", true),
        };
        Self {
            code,
            message: short(error),
            again,
        }
    }
}

/// Tries as often, and for as long, as the target's retry policy says.
async fn invoke(
    local: &LocalAws,
    rule: &str,
    target: &Target,
    event: &Value,
) -> Result<(), Failure> {
    let arn = target.arn();
    let payload = payload(target, event);
    let retries = retries(target);
    let (begun, longest) = (Instant::now(), longest(target));
    let mut pause = PAUSE;
    let mut retry = 0;
    loop {
        let sent = local
            .lambda
            .invoke()
            .function_name(arn)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(payload.clone()))
            .send()
            .await;
        let failure = match sent {
            Ok(_) => return Ok(()),
            Err(error) => Failure::new(&error),
        };
        tracing::warn!(
            rule,
            arn,
            retry,
            code = failure.code,
            error = failure.message,
            "the target did not take the event"
        );
        if !failure.again || retry == retries || begun.elapsed() + pause > longest {
            return Err(failure);
        }
        retry += 1;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How often a target is tried again; 185 times if its rule does not say.
fn retries(target: &Target) -> u32 {
    target
        .retry_policy()
        .and_then(|policy| policy.maximum_retry_attempts())
        .and_then(|retries| u32::try_from(retries).ok())
        .map_or(MOST_RETRIES, |retries| retries.min(MOST_RETRIES))
}

/// How long a target is tried; a day if its rule does not say.
fn longest(target: &Target) -> Duration {
    let seconds = target
        .retry_policy()
        .and_then(|policy| policy.maximum_event_age_in_seconds())
        .and_then(|seconds| u64::try_from(seconds).ok());
    Duration::from_secs(seconds.unwrap_or(86_400))
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

    use aws_sdk_eventbridge::types::RetryPolicy;

    use super::{Target, payload, retries};

    #[test]
    fn a_target_is_tried_again_as_its_rule_says_within_bounds() {
        let check = |policy: Option<RetryPolicy>, expected| {
            let target = Target::builder().id("t").arn("arn:aws:lambda:x");
            let target = target.set_retry_policy(policy).build().expect("a target");
            assert_eq!(retries(&target), expected);
        };
        let policy = |retries| {
            RetryPolicy::builder()
                .maximum_retry_attempts(retries)
                .build()
        };
        check(Some(policy(0)), 0);
        check(Some(policy(3)), 3);
        check(Some(policy(185)), super::MOST_RETRIES);
        check(None, super::MOST_RETRIES);
    }

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
