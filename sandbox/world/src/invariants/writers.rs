//! Invariant 2: one writer, whose generations and turns only rise and whose audit chain verifies.
//! Invariant 12: terminal means terminal, and a hold names what releases it.

use tidegate_domain::audit::{self, AuditRecord};
use tidegate_domain::id::WaveId;
use tidegate_domain::wave::Wave;
use tidegate_ports::turns::Turn;

use super::violated;
use crate::cloud::Cloud;

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = turn.wave;
    if let Some(before) = &turn.loaded.wave {
        rises(cloud, before, wave);
    } else if wave.turn != 1 {
        violated(
            cloud,
            2,
            format!("{} begins with turn {}", wave.id, wave.turn),
        );
    }
    let head = turn
        .loaded
        .wave
        .as_ref()
        .map(|before| before.audit.clone())
        .unwrap_or_default();
    match turn.audit {
        None if head != wave.audit => {
            violated(
                cloud,
                2,
                format!("{}: the audit head moved without a record", wave.id),
            );
        }
        None => {}
        Some(record) => {
            let follows = record.number == head.records + 1 && record.previous == head.hash;
            let heads = wave.audit.records == record.number && wave.audit.hash == record.hash();
            if !follows || !heads {
                violated(
                    cloud,
                    2,
                    format!("{}: record {} breaks the chain", wave.id, record.number),
                );
            }
        }
    }
    if let Some(hold) = &wave.hold
        && hold.reason.commands(&wave.id).is_empty()
    {
        violated(
            cloud,
            12,
            format!("{} is held and names no command", wave.id),
        );
    }
}

fn rises(cloud: &Cloud, before: &Wave, after: &Wave) {
    let id = &after.id;
    if after.turn != before.turn + 1 {
        violated(
            cloud,
            2,
            format!("{id}: turn {} follows {}", after.turn, before.turn),
        );
    }
    if after.generation < before.generation {
        violated(
            cloud,
            2,
            format!("{id}: a lower generation wrote turn {}", after.turn),
        );
    }
    if before.phase.terminal() && after.phase != before.phase {
        let (from, to) = (before.phase.name(), after.phase.name());
        violated(cloud, 12, format!("{id} was {from} and is {to}"));
    }
}

/// When everything has come to rest: the whole chain of each wave, and nothing left behind.
pub fn at_the_end(cloud: &Cloud) {
    type Stored = (WaveId, Wave, Vec<AuditRecord>, usize);
    let waves: Vec<Stored> = cloud.table.inspect(|tables| {
        let stored = tables.waves.iter().map(|(id, stored)| {
            let owned = tables.owners.values().filter(|owner| *owner == id).count();
            let audit = stored.audit.values().cloned().collect();
            (id.clone(), stored.wave.clone(), audit, owned)
        });
        stored.collect()
    });
    for (id, wave, records, owned) in waves {
        if let Err(text) = audit::verify(&records, &wave.audit) {
            violated(cloud, 2, format!("{id}: {text}"));
        }
        if wave.phase.terminal() && owned > 0 {
            violated(cloud, 2, format!("{id} has ended and owns {owned} servers"));
        }
    }
    let reserved = cloud.table.inspect(|tables| {
        let live = |wave: &WaveId| {
            tables
                .waves
                .get(wave)
                .is_some_and(|stored| !stored.wave.phase.terminal())
        };
        let reservations = tables.slots.reservations.values();
        reservations
            .filter(|r| !live(&r.wave) && r.expires > cloud.now())
            .count()
    });
    if reserved > 0 {
        violated(
            cloud,
            8,
            format!("{reserved} reservations of waves that have ended"),
        );
    }
}
