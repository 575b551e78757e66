//! Domain events to an event bus, over EventBridge: at least once, so the client retries.
//!
//! **Invariant**: each entry of the answer is checked; one that failed fails the call, and all of
//! them are sent again, under the same IDs.

use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use tidegate_domain::event::{DomainEvent, SOURCE};
use tidegate_ports::audit::Bus;
use tidegate_ports::error::CallError;

use crate::failures::call_error;

/// The most entries of one call (EventBridge API reference, "PutEvents").
const MOST_ENTRIES: usize = 10;

/// One bus.
#[derive(Debug, Clone)]
pub struct EventBridgeBus {
    client: Client,
    bus: String,
}

impl EventBridgeBus {
    /// The bus with this name or ARN.
    #[must_use]
    pub fn new(config: &SdkConfig, bus: &str) -> Self {
        Self {
            client: Client::new(config),
            bus: bus.to_owned(),
        }
    }

    fn entry(&self, event: &DomainEvent) -> Result<PutEventsRequestEntry, CallError> {
        let detail = serde_json::to_string(event).map_err(|error| {
            CallError::Unknown(format!("event {} cannot be written: {error}", event.id))
        })?;
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(&event.event)
            .time(DateTime::from_secs(event.at.as_second()))
            .detail(detail)
            .build())
    }
}

impl Bus for EventBridgeBus {
    async fn tell(&self, events: &[DomainEvent]) -> Result<(), CallError> {
        for some in events.chunks(MOST_ENTRIES) {
            let entries = some.iter().map(|event| self.entry(event));
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let output = self
                .client
                .put_events()
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(call_error)?;
            let failed = output
                .entries()
                .iter()
                .find(|entry| entry.error_code().is_some());
            if let Some(entry) = failed {
                return Err(CallError::Unknown(format!(
                    "the bus did not take an event: {} {}",
                    entry.error_code().unwrap_or_default(),
                    entry.error_message().unwrap_or_default()
                )));
            }
        }
        Ok(())
    }
}
