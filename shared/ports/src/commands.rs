//! SSM: documents, commands and the nodes that they run on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::id::{CommandId, EffectId, InstanceId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_domain::plan::Document;

use crate::error::{CallError, ReadError};

/// Sending commands: `validate` alone. SDK retries are off.
pub trait SendsCommands {
    /// SendCommand to at most 50 nodes; the comment carries the effect.
    async fn send(
        &self,
        document: &Document,
        nodes: &[NodeId],
        effect: &EffectId,
    ) -> Result<CommandId, CallError>;

    /// The command that this effect sent to this node since then, if it did.
    async fn find(
        &self,
        effect: &EffectId,
        node: &NodeId,
        since: Timestamp,
    ) -> Result<Option<CommandId>, ReadError>;
}

/// Commands and nodes, read.
pub trait Commands {
    /// How a command fares on each of its nodes, paged.
    async fn invocations(
        &self,
        command: &CommandId,
    ) -> Result<BTreeMap<NodeId, CommandStatus>, ReadError>;

    /// The online nodes of sources (hybrid activations, `mi-…`) with their computer names, paged.
    async fn source_nodes(&self) -> Result<Vec<(NodeId, String)>, ReadError>;

    /// Which of these instances SSM reaches, paged.
    async fn managed(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, ReadError>;
}

/// Documents, read.
pub trait Documents {
    /// Whether a document exists and can be run.
    async fn exists(&self, document: &str) -> Result<bool, ReadError>;
}
