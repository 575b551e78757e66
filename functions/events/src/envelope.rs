//! What an event concerns, read from EventBridge's envelope. Every byte of it is somebody else's.
//!
//! MGN documents three detail-types (EventBridge schema registry and MGN user guide); the four
//! others that the events reference names have no published schema. `resources` carries one
//! source server ARN in every sample. SSM's shapes are those of the Systems Manager user guide,
//! "Amazon EventBridge event examples for Systems Manager".

use std::fmt;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use serde_json::Value;
use tidegate_domain::id::{CommandId, ServerId};

/// MGN's documented detail-types.
const MGN_TYPES: [&str; 3] = [
    "MGN Source Server Launch Result",
    "MGN Source Server Lifecycle State Change",
    "MGN Source Server Data Replication Stalled Change",
];

/// The ends of commands, as a whole and on one node.
const SSM_TYPES: [&str; 2] = [
    "EC2 Command Status-change Notification",
    "EC2 Command Invocation Status-change Notification",
];

/// The most servers that one event is taken to concern (invariant 11).
const MOST_SERVERS: usize = 20;

/// The most characters of an event that are logged.
const MOST_LOGGED: usize = 100;

/// The account and Region whose events are heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// Such as `eu-central-1`.
    pub region: String,
}

/// What an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// These source servers; at least one.
    Servers(Vec<ServerId>),
    /// An SSM command.
    Command(CommandId),
}

/// An event that wakes nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The event's ID as far as it can be told, for the log.
    pub event: String,
    /// Why it is ignored.
    pub reason: String,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers(servers) => {
                let servers: Vec<&str> = servers.iter().map(ServerId::as_str).collect();
                write!(f, "servers {}", servers.join(", "))
            }
            Self::Command(command) => write!(f, "command {command}"),
        }
    }
}

/// What the event concerns, with its ID.
pub fn read(event: &[u8], place: &Place) -> Result<(String, Concern), Ignored> {
    let value: Value = serde_json::from_slice(event).map_err(|error| Ignored {
        event: String::new(),
        reason: format!("no JSON: {error}"),
    })?;
    let id = shortened(value.get("id").and_then(Value::as_str).unwrap_or_default());
    let ignored = |reason: String| Ignored {
        event: id.clone(),
        reason: shortened(&reason),
    };
    let envelope: EventBridgeEvent = serde_json::from_value(value)
        .map_err(|error| ignored(format!("no EventBridge envelope: {error}")))?;
    let account = envelope.account.as_deref().unwrap_or_default();
    let region = envelope.region.as_deref().unwrap_or_default();
    if account != place.account || region != place.region {
        return Err(ignored(format!("it is of account {account} in {region}")));
    }
    let concern = match envelope.source.as_str() {
        "aws.mgn" => of_mgn(&envelope, place),
        "aws.ssm" => of_ssm(&envelope),
        other => Err(format!("its source is {other}")),
    };
    concern
        .map(|concern| (id.clone(), concern))
        .map_err(ignored)
}

fn of_mgn(envelope: &EventBridgeEvent, place: &Place) -> Result<Concern, String> {
    if !MGN_TYPES.contains(&envelope.detail_type.as_str()) {
        return Err(format!(
            "MGN does not document the detail-type {}",
            envelope.detail_type
        ));
    }
    let servers: Vec<ServerId> = envelope
        .resources
        .iter()
        .flatten()
        .filter_map(|arn| source_server(arn, place))
        .take(MOST_SERVERS)
        .collect();
    if servers.is_empty() {
        return Err("it names no source server of this account and Region".to_owned());
    }
    Ok(Concern::Servers(servers))
}

fn of_ssm(envelope: &EventBridgeEvent) -> Result<Concern, String> {
    if !SSM_TYPES.contains(&envelope.detail_type.as_str()) {
        return Err(format!(
            "the detail-type {} concerns no command",
            envelope.detail_type
        ));
    }
    let command = envelope.detail.get("command-id").and_then(Value::as_str);
    let command = command.ok_or_else(|| "it names no command".to_owned())?;
    CommandId::parse(command)
        .map(Concern::Command)
        .map_err(|error| error.to_string())
}

/// `arn:PARTITION:mgn:REGION:ACCOUNT:source-server/s-…`.
fn source_server(arn: &str, place: &Place) -> Option<ServerId> {
    let mut parts = arn.splitn(6, ':');
    let mut is = |expected: &str| parts.next() == Some(expected);
    if !is("arn") {
        return None;
    }
    parts.next()?;
    let mut is = |expected: &str| parts.next() == Some(expected);
    if !(is("mgn") && is(&place.region) && is(&place.account)) {
        return None;
    }
    ServerId::parse(parts.next()?.strip_prefix("source-server/")?).ok()
}

fn shortened(text: &str) -> String {
    text.chars().take(MOST_LOGGED).collect()
}
