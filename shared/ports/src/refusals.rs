//! The log of refused requests.

use jiff::civil::Date;
use tidegate_domain::refused::{RefusedDay, RefusedRequest};

use crate::error::StoreError;

/// Requests that the doors refused.
pub trait Refusals {
    /// Note one: kept while there is room for its kind in this hour, counted in any case. Gives
    /// whether it was kept.
    async fn note(&self, refused: &RefusedRequest) -> Result<bool, StoreError>;

    /// What was refused on a day, in UTC.
    async fn refused_on(&self, day: Date) -> Result<RefusedDay, StoreError>;
}
