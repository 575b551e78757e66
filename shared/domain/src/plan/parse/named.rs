//! What a plan names, as far as it can be read, whatever else is wrong with it: so that who owns
//! its servers is told beside its own errors.

use std::collections::BTreeMap;

use super::errors::Errors;
use super::node::{self, Node};
use crate::id::{ServerId, WaveId};
use crate::plan::MOST_SERVERS;

/// The wave and the servers that a plan names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The wave.
    pub wave: Option<WaveId>,
    /// The servers that are named by their IDs, each with its line and its column, from 1. At most
    /// [`MOST_SERVERS`]: a good plan names no more.
    pub servers: BTreeMap<ServerId, (usize, usize)>,
}

/// What a text names that may be no good plan: nothing if it is not YAML.
#[must_use]
pub fn named(text: &str) -> Named {
    let Some(root) = node::read(text, &mut Errors::default()) else {
        return Named::default();
    };
    let applications = root.get("applications").map_or(&[][..], Node::items).iter();
    let servers = applications
        .filter_map(|application| application.get("servers"))
        .flat_map(Node::items)
        .filter_map(|server| {
            let id = server.get("id")?;
            let server = ServerId::parse(id.text()?).ok()?;
            Some((server, (id.at.line, id.at.column)))
        });
    Named {
        wave: root
            .get("wave")
            .and_then(Node::text)
            .and_then(|name| WaveId::parse(name).ok()),
        servers: servers.take(MOST_SERVERS).collect(),
    }
}
