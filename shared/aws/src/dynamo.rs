//! The table on DynamoDB: every port of the table, one file each.
//!
//! **Invariants**: whatever a writer was told before it wrote is a condition of the write, so a
//! stale writer loses; what belongs together is one transaction; every query is paged to its end
//! and every read is consistent, but for the index. A write whose answer was lost is known again
//! when the SDK repeats it.
//!
//! | pk | sk | attributes beside the keys |
//! |---|---|---|
//! | `WAVE#id` | `WAVE` | body, turn, generation, token, chunk_size, chunks, servers, list, at |
//! | | `SERVERS#nnnn` | body (some servers, in the plan's order), turn |
//! | | `AUDIT#nnnnnnnnnn` | body, turn |
//! | `SEEN#id` | `ROUND` | body, seen_at, chunks |
//! | | `SERVERS#nnnn` | body (some observations, by server), seen_at |
//! | `EFFECTS#id` | effect | body, turn, status, claims, generation, until, claim, outcome, answered_at |
//! | `INBOX#id` | message | body, nonce; drained, expires |
//! | `DRIVER#id` | `DRIVER` | wakes, generation, restarts, reading, turn, token, parked_generation, parked_turn, taken_by, list, at |
//! | `SERVER#s-…` | `CLAIM` | wave |
//! | `REF#command` | `REF` | wave, expires |
//! | `ACCOUNT#account#region` | `SLOTS` | body, version |
//! | `JOBS#account#region` | `JOBS` | body, listed_at |
//! | `EXPORT#id` | `EXPORT` | records, hash |
//! | `EXPORT#` | `SWEPT` | until |
//! | `REFUSED#day` | `HH#COUNT#kind` | count, expires |
//! | | `HH#REQUEST#time#kind#nn` | body, expires |
//!
//! `body` is JSON. A body that is too large for one item (DynamoDB: 400 KB) goes on in items
//! whose `sk` ends in `#part-nn`; `parts` counts them. Partitions are cut so that a role can be
//! given one kind alone (`dynamodb:LeadingKeys`): only `advance` writes `WAVE#…`.

use aws_sdk_dynamodb::Client;

mod audit;
mod claims;
mod drivers;
mod effects;
mod inbox;
mod observations;
mod references;
mod refusals;
mod turns;
mod waves;

mod errors;
mod item;
mod parts;
mod query;
mod retries;
mod save;
mod stored_wave;

pub use retries::TransactionConflicts;

/// The index over `list` and `at`: what is due, and the waves by their last change.
pub const INDEX: &str = "by_list";

/// The table of one account and Region.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    place: String,
}

impl DynamoStore {
    /// A store over a table. `account` and `region` name the item of the slots: MGN's quotas are
    /// counted for each account and Region. The client comes from [`crate::clients::dynamo`].
    #[must_use]
    pub fn new(client: Client, table: &str, account: &str, region: &str) -> Self {
        Self {
            client,
            table: table.to_owned(),
            place: format!("{account}#{region}"),
        }
    }
}
