//! The last look before a cutover.
//!
//! **Invariant 7**: no cutover without a fresh read of zero lag and backlog. The decision has read
//! it too; but an effect may be taken up long after it was decided, because a driver died, and a
//! source that is not stopped writes again any moment.

use jiff::Timestamp;
use tidegate_domain::effect::{Refusal, RefusalKind};
use tidegate_domain::id::ServerId;
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::SourceServers;

/// How many servers a refusal names.
const NAMED: usize = 5;

/// Why these servers are not to be cut over now, if there is a reason.
pub(crate) async fn cutover(
    mgn: &impl SourceServers,
    servers: &[ServerId],
    not_after: Timestamp,
    now: Timestamp,
) -> Result<Option<Refusal>, ReadError> {
    if now > not_after {
        let message = format!("it should have been launched by {not_after}");
        return Ok(Some(Refusal {
            kind: RefusalKind::Guard,
            message,
        }));
    }
    let seen = mgn.servers(servers, now).await?;
    let behind: Vec<&str> = servers
        .iter()
        .filter(|id| {
            !seen
                .iter()
                .any(|server| server.id == **id && server.caught_up())
        })
        .map(ServerId::as_str)
        .collect();
    if behind.is_empty() {
        return Ok(None);
    }
    let named = behind
        .iter()
        .take(NAMED)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match behind.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("replication is behind again: {named}{more}");
    Ok(Some(Refusal {
        kind: RefusalKind::Guard,
        message,
    }))
}
