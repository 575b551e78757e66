//! The log of refused requests.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidegate_domain::refused::{
    MOST_AN_HOUR, MOST_SHOWN, RefusedCount, RefusedDay, RefusedRequest,
};
use tidegate_ports::error::StoreError;
use tidegate_ports::refusals::Refusals;

use super::MemoryStore;

impl Refusals for MemoryStore {
    async fn note(&self, refused: &RefusedRequest) -> Result<bool, StoreError> {
        let at = refused.at.to_zoned(TimeZone::UTC);
        let hour = u8::try_from(at.hour()).unwrap_or_default();
        Ok(self.with(|tables| {
            let day = tables.refused.entry(at.date()).or_default();
            let kind = refused.kind();
            let place = day
                .counts
                .iter()
                .position(|count| (count.hour, &count.kind) == (hour, &kind));
            let place = place.unwrap_or_else(|| {
                let new = RefusedCount {
                    hour,
                    kind,
                    count: 0,
                };
                let place = day
                    .counts
                    .partition_point(|c| (c.hour, &c.kind) < (new.hour, &new.kind));
                day.counts.insert(place, new);
                place
            });
            let count = &mut day.counts[place].count;
            *count += 1;
            let kept = *count <= MOST_AN_HOUR;
            if kept {
                let place = day.requests.partition_point(|r| r.at <= refused.at);
                day.requests.insert(place, refused.clone());
            }
            kept
        }))
    }

    async fn refused_on(&self, day: Date) -> Result<RefusedDay, StoreError> {
        Ok(self.with(|tables| {
            let mut found = tables.refused.get(&day).cloned().unwrap_or_default();
            found.requests.truncate(MOST_SHOWN);
            found
        }))
    }
}
