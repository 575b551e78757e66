//! Connectors: managed instances through which MGN reaches sources.
//!
//! **Invariant:** a connector is only noted; it installs nothing here.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::paging;
use super::server::text;
use super::simulator::{Reply, Simulator};
use super::templates::merge;
use super::waves::listed;

impl Simulator {
    pub(crate) fn create_connector(&mut self, input: &Value) -> Result<Reply, ApiError> {
        self.created += 1;
        let id = self.random.identifier("connector-", "", self.created);
        let mut connector = json!({"tags": {}});
        merge(&mut connector, input, &[]);
        connector["connectorID"] = json!(id);
        connector["arn"] = json!(self.arn("connector", &id));
        self.connectors.insert(id, connector.clone());
        Ok(Reply::ok(connector))
    }

    pub(crate) fn update_connector(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "connectorID");
        let connector = self
            .connectors
            .get_mut(id)
            .ok_or_else(|| errors::not_found("Connector", id))?;
        merge(connector, input, &["connectorID"]);
        Ok(Reply::ok(connector.clone()))
    }

    pub(crate) fn delete_connector(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let id = text(input, "connectorID");
        self.connectors
            .remove(id)
            .map(|_| Reply::empty())
            .ok_or_else(|| errors::not_found("Connector", id))
    }

    pub(crate) fn list_connectors(&mut self, input: &Value) -> Result<Reply, ApiError> {
        let ids = listed(&input["filters"]["connectorIDs"]);
        let items = self
            .connectors
            .iter()
            .filter(|(id, _)| ids.as_ref().is_none_or(|ids| ids.contains(&id.as_str())))
            .map(|(id, connector)| (id.clone(), connector))
            .collect();
        let size = self.config.default_page_size;
        paging::page("ListConnectors", input, items, size, Value::clone).map(Reply::ok)
    }
}
