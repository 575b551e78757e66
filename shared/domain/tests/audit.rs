//! The proof of the audit chain: whatever is altered, removed, put elsewhere or cut off is found
//! and named. And the events that follow from the records.

#[path = "audit/events.rs"]
mod events;
#[path = "audit/proof.rs"]
mod proof;
