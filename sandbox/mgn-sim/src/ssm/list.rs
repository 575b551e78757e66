//! The reads: commands, invocations, nodes, documents; with paging and filters.
//!
//! **Invariant:** lists are newest first where SSM's are, and a page never repeats an item.

use serde_json::{Value, json};

use super::{Command, Node, SsmSimulator, errors, limits};
use crate::core::ApiError;

/// SSM returns this many nodes when a call does not say.
const NODES_ON_A_PAGE: usize = 10;
/// SSM returns at most this many commands or invocations.
const ON_A_PAGE: usize = 50;

impl SsmSimulator {
    pub(super) fn list_commands(&mut self, input: &Value) -> Result<Value, ApiError> {
        limits::range(&input["MaxResults"], "maxResults", 1, 50)?;
        let id = input["CommandId"].as_str();
        let node = input["InstanceId"].as_str();
        let filters = filters(input)?;
        let mut found = Vec::new();
        for (index, known) in self.order.iter().enumerate().rev() {
            let Some(command) = self.commands.get(known) else {
                continue;
            };
            if id.is_none_or(|id| id == command.id)
                && node.is_none_or(|node| command.invocations.contains_key(node))
                && self.fits(command, command.status.name(), &filters)
            {
                found.push((key(index), command));
            }
        }
        if let Some(id) = id
            && !self.commands.contains_key(id)
        {
            return Err(errors::invalid_command(id));
        }
        let (items, next) = page(found, input, ON_A_PAGE)?;
        let shown: Vec<Value> = items
            .into_iter()
            .map(|command| self.show_command(command))
            .collect();
        Ok(with_token(json!({ "Commands": shown }), next))
    }

    pub(super) fn list_invocations(&mut self, input: &Value) -> Result<Value, ApiError> {
        limits::range(&input["MaxResults"], "maxResults", 1, 50)?;
        let id = input["CommandId"].as_str();
        let only = input["InstanceId"].as_str();
        let details = input["Details"].as_bool().unwrap_or(false);
        let filters = filters(input)?;
        if let Some(id) = id
            && !self.commands.contains_key(id)
        {
            return Err(errors::invalid_command(id));
        }
        let mut found = Vec::new();
        for (index, known) in self.order.iter().enumerate().rev() {
            let Some(command) = self.commands.get(known) else {
                continue;
            };
            if id.is_some_and(|id| id != command.id) {
                continue;
            }
            for (node, invocation) in &command.invocations {
                if only.is_none_or(|only| only == node)
                    && self.fits(command, invocation.status.name(), &filters)
                {
                    found.push((
                        format!("{} {node}", key(index)),
                        (command, node.as_str(), invocation),
                    ));
                }
            }
        }
        let (items, next) = page(found, input, ON_A_PAGE)?;
        let shown: Vec<Value> = items
            .into_iter()
            .map(|(command, node, invocation)| {
                self.show_invocation(command, node, invocation, details)
            })
            .collect();
        Ok(with_token(json!({ "CommandInvocations": shown }), next))
    }

    pub(super) fn describe_instance_information(
        &mut self,
        input: &Value,
    ) -> Result<Value, ApiError> {
        limits::range(&input["MaxResults"], "maxResults", 5, 50)?;
        let mut wanted: Vec<(String, Vec<String>)> = Vec::new();
        for (list, key, values) in [
            ("Filters", "Key", "Values"),
            ("InstanceInformationFilterList", "key", "valueSet"),
        ] {
            for filter in input[list].as_array().into_iter().flatten() {
                let values = filter[values]
                    .as_array()
                    .map(|values| {
                        values
                            .iter()
                            .filter_map(Value::as_str)
                            .map(str::to_owned)
                            .collect()
                    })
                    .unwrap_or_default();
                wanted.push((filter[key].as_str().unwrap_or_default().to_owned(), values));
            }
        }
        let now = self.now;
        let mut found = Vec::new();
        'nodes: for node in self.nodes.values().filter(|node| node.registered(now)) {
            let shown = self.show_node(node);
            for (key, values) in &wanted {
                if !node_fits(node, &shown, key, values)? {
                    continue 'nodes;
                }
            }
            found.push((node.id.clone(), shown));
        }
        let (items, next) = page(found, input, NODES_ON_A_PAGE)?;
        Ok(with_token(
            json!({ "InstanceInformationList": items }),
            next,
        ))
    }

    fn fits(&self, command: &Command, status: &str, filters: &[(String, String)]) -> bool {
        filters.iter().all(|(key, value)| match key.as_str() {
            "InvokedAfter" => value.parse().is_ok_and(|at| command.requested >= at),
            "InvokedBefore" => value.parse().is_ok_and(|at| command.requested <= at),
            "Status" => status == value,
            "ExecutionStage" => (value == "Complete") == command.status.ended(),
            _ => command.document == *value,
        })
    }
}

fn filters(input: &Value) -> Result<Vec<(String, String)>, ApiError> {
    limits::at_most(&input["Filters"], "filters", 5)?;
    let mut filters = Vec::new();
    for filter in input["Filters"].as_array().into_iter().flatten() {
        let key = filter["key"].as_str().unwrap_or_default();
        if ![
            "InvokedAfter",
            "InvokedBefore",
            "Status",
            "ExecutionStage",
            "DocumentName",
        ]
        .contains(&key)
        {
            return Err(errors::invalid_filter(key));
        }
        filters.push((
            key.to_owned(),
            filter["value"].as_str().unwrap_or_default().to_owned(),
        ));
    }
    Ok(filters)
}

fn node_fits(node: &Node, shown: &Value, key: &str, values: &[String]) -> Result<bool, ApiError> {
    let member = match key {
        "InstanceIds" => "InstanceId",
        "PingStatus" => "PingStatus",
        "ResourceType" => "ResourceType",
        "PlatformTypes" => "PlatformType",
        "AgentVersion" => "AgentVersion",
        "SourceIds" => "SourceId",
        "SourceTypes" => "SourceType",
        "ActivationIds" | "IamRole" | "AssociationStatus" | "tag-key" => return Ok(false),
        "tag:Name" => return Ok(values.contains(&node.computer_name)),
        _ if key.starts_with("tag:") => return Ok(false),
        _ => return Err(errors::invalid_filter(key)),
    };
    Ok(values.iter().any(|value| shown[member] == json!(value)))
}

/// A key that sorts the newest first.
fn key(index: usize) -> String {
    format!("{:020}", usize::MAX - index)
}

fn page<T>(
    items: Vec<(String, T)>,
    input: &Value,
    default: usize,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let after = match input["NextToken"]
        .as_str()
        .filter(|token| !token.is_empty())
    {
        None => None,
        Some(token) => Some(
            token
                .strip_prefix("after ")
                .ok_or_else(errors::invalid_token)?,
        ),
    };
    let size = input["MaxResults"]
        .as_u64()
        .map_or(default, |size| size as usize);
    let mut rest = items
        .into_iter()
        .skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after))
        .peekable();
    let mut found = Vec::new();
    let mut last = None;
    while found.len() < size {
        let Some((key, item)) = rest.next() else {
            break;
        };
        last = Some(format!("after {key}"));
        found.push(item);
    }
    Ok((found, last.filter(|_| rest.peek().is_some())))
}

fn with_token(mut reply: Value, token: Option<String>) -> Value {
    if let Some(token) = token {
        reply["NextToken"] = json!(token);
    }
    reply
}
