//! The archive and the bus in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use tidegate_domain::audit::Sealed;
use tidegate_domain::event::DomainEvent;
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Archive, Archived, Bus, Kept, MOST_LISTED};
use tidegate_ports::error::{CallError, ReadError};

/// An archive; tests reach into it.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    /// What is kept.
    pub kept: RefCell<BTreeMap<(WaveId, u64), Sealed>>,
}

/// A bus that keeps what it is told.
#[derive(Debug, Default)]
pub struct MemoryBus {
    /// What it was told, doubles included.
    pub told: RefCell<Vec<DomainEvent>>,
}

impl Archive for MemoryArchive {
    async fn keep(&self, sealed: &Sealed) -> Result<Option<Sealed>, CallError> {
        let place = (sealed.seal.wave.clone(), sealed.seal.number);
        let mut kept = self.kept.borrow_mut();
        if let Some(first) = kept.get(&place) {
            return Ok(Some(first.clone()));
        }
        kept.insert(place, sealed.clone());
        Ok(None)
    }
}

impl Archived for MemoryArchive {
    async fn kept_after(&self, wave: &WaveId, after: u64) -> Result<Vec<Kept>, ReadError> {
        let kept = self.kept.borrow();
        let numbers = kept.keys().filter(|(of, n)| of == wave && *n > after);
        Ok(numbers
            .take(MOST_LISTED)
            .map(|(_, number)| Kept {
                number: *number,
                version: String::new(),
            })
            .collect())
    }

    async fn read(&self, wave: &WaveId, kept: &Kept) -> Result<Option<Sealed>, ReadError> {
        let place = (wave.clone(), kept.number);
        Ok(self.kept.borrow().get(&place).cloned())
    }
}

impl Bus for MemoryBus {
    async fn tell(&self, events: &[DomainEvent]) -> Result<(), CallError> {
        self.told.borrow_mut().extend_from_slice(events);
        Ok(())
    }
}
