//! SSM for the tests of handlers: commands that stay as a test sets them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tidegate_domain::id::{CommandId, EffectId, InstanceId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_domain::plan::Document;
use tidegate_ports::commands::{Commands, Documents, SendsCommands};
use tidegate_ports::error::{CallError, ReadError};

use super::Script;
use crate::contract::fixtures::command_id;

/// The fake.
#[derive(Debug, Default)]
pub struct FakeSsm {
    /// What becomes of the next commands.
    pub script: Script,
    /// The commands sent, with their effect and nodes.
    pub sent: RefCell<Vec<(CommandId, EffectId, Vec<NodeId>)>>,
    /// How commands fare on their nodes.
    pub statuses: RefCell<BTreeMap<CommandId, BTreeMap<NodeId, CommandStatus>>>,
    /// The nodes of sources, with their computer names.
    pub nodes: RefCell<Vec<(NodeId, String)>>,
    /// The instances that SSM reaches.
    pub managed: RefCell<BTreeSet<InstanceId>>,
    /// The documents there are.
    pub documents: RefCell<BTreeSet<String>>,
    /// What reads fail with, if they do.
    pub down: RefCell<Option<ReadError>>,
}

impl FakeSsm {
    fn read<T>(&self, answer: T) -> Result<T, ReadError> {
        match self.down.borrow().as_ref() {
            Some(error) => Err(error.clone()),
            None => Ok(answer),
        }
    }
}

impl SendsCommands for FakeSsm {
    async fn send(
        &self,
        _document: &Document,
        nodes: &[NodeId],
        effect: &EffectId,
    ) -> Result<CommandId, CallError> {
        self.script.play(|| {
            let command = command_id(&format!("command-{}", self.sent.borrow().len() + 1));
            self.sent
                .borrow_mut()
                .push((command.clone(), effect.clone(), nodes.to_vec()));
            command
        })
    }

    async fn find(
        &self,
        effect: &EffectId,
        node: &NodeId,
        _since: Timestamp,
    ) -> Result<Option<CommandId>, ReadError> {
        let sent = self.sent.borrow();
        let found = sent
            .iter()
            .find(|(_, by, nodes)| by == effect && nodes.contains(node));
        self.read(found.map(|(command, _, _)| command.clone()))
    }
}

impl Commands for FakeSsm {
    async fn invocations(
        &self,
        command: &CommandId,
    ) -> Result<BTreeMap<NodeId, CommandStatus>, ReadError> {
        self.read(
            self.statuses
                .borrow()
                .get(command)
                .cloned()
                .unwrap_or_default(),
        )
    }

    async fn source_nodes(&self) -> Result<Vec<(NodeId, String)>, ReadError> {
        self.read(self.nodes.borrow().clone())
    }

    async fn managed(&self, instances: &[InstanceId]) -> Result<Vec<InstanceId>, ReadError> {
        let managed = self.managed.borrow();
        self.read(
            instances
                .iter()
                .filter(|id| managed.contains(id))
                .cloned()
                .collect(),
        )
    }
}

impl Documents for FakeSsm {
    async fn exists(&self, document: &str) -> Result<bool, ReadError> {
        self.read(self.documents.borrow().contains(document))
    }
}
