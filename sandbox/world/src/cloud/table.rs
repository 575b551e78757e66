//! The table's ports as one invocation sees them: each call is a point at which things go wrong.

use std::collections::BTreeMap;
use std::future::Future;

use jiff::Timestamp;
use jiff::civil::Date;
use tidegate_domain::audit::{AuditRecord, StoredRecord};
use tidegate_domain::effect::Outcome;
use tidegate_domain::id::{CommandId, EffectId, MessageId, ServerId, WaveId};
use tidegate_domain::message::{Message, Reading};
use tidegate_domain::observation::{AccountJobs, ServerSeen, WaveSeen};
use tidegate_domain::refused::{RefusedDay, RefusedRequest};
use tidegate_domain::wave::Wave;
use tidegate_ports::audit::Chain;
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::driver::{Driver, Drivers, Parked, Parking};
use tidegate_ports::effects::{Claim, Effects};
use tidegate_ports::error::StoreError;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::observations::{Known, Observations};
use tidegate_ports::references::References;
use tidegate_ports::refusals::Refusals;
use tidegate_ports::turns::{Loaded, SaveError, Turn, Turns};
use tidegate_ports::waves::{Waves, WholeWave};

use super::invocation::{Fate, Invocation, Service};
use crate::invariants;

/// What a message's ID holds on which the decision would panic.
pub(crate) const POISON: &str = "poison";

impl Invocation {
    async fn table<T, E: From<StoreError>>(
        &self,
        call: &str,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let fate = self.point(call, Service::Table).await;
        invariants::write(&self.cloud, self.function, call);
        match fate {
            Fate::Goes => step.await,
            Fate::Throttled | Fate::Fails => Err(unavailable("it was not done").into()),
            Fate::Lost => {
                step.await?;
                Err(unavailable("the answer was lost").into())
            }
        }
    }
}

fn unavailable(message: &str) -> StoreError {
    StoreError::Unavailable(message.into())
}

/// Whether the decision read a message on which it would have panicked: it answers by its ID.
fn read_poison(turn: &Turn<'_>) -> bool {
    let mut answered = turn.audit.iter().flat_map(|record| &record.entries);
    answered.any(|entry| {
        let reference = entry.reference.as_deref();
        reference.is_some_and(|reference| reference.contains(POISON))
    })
}

impl Turns for Invocation {
    async fn load(&self, wave: &WaveId) -> Result<Loaded, StoreError> {
        self.table("load", self.cloud.table.load(wave)).await
    }

    async fn note_reading(&self, wave: &WaveId, reading: &Reading) -> Result<(), StoreError> {
        let noted = self.cloud.table.note_reading(wave, reading);
        self.table("note what is read", noted).await
    }

    async fn save(&self, turn: &Turn<'_>) -> Result<(), SaveError> {
        if read_poison(turn) {
            return self.die("deciding on a poisoned message").await;
        }
        self.table("save", async {
            let saved = Turns::save(&self.cloud.table, turn).await;
            if saved.is_ok() {
                self.cloud.note(|| invariants::describe(turn));
                invariants::saved(&self.cloud, turn);
                invariants::decided(&self.cloud, turn);
            }
            saved
        })
        .await
    }

    async fn make_due(&self, waves: &[WaveId], now: Timestamp) -> Result<(), StoreError> {
        self.table("make_due", self.cloud.table.make_due(waves, now))
            .await
    }
}

impl Observations for Invocation {
    async fn known(&self, wave: &WaveId) -> Result<Known, StoreError> {
        self.table("known", self.cloud.table.known(wave)).await
    }

    async fn save(
        &self,
        wave: &WaveId,
        round: &WaveSeen,
        servers: &BTreeMap<ServerId, ServerSeen>,
    ) -> Result<(), StoreError> {
        let table = &self.cloud.table;
        self.table(
            "save observations",
            Observations::save(table, wave, round, servers),
        )
        .await
    }

    async fn save_jobs(&self, jobs: &AccountJobs) -> Result<(), StoreError> {
        self.table("save jobs", self.cloud.table.save_jobs(jobs))
            .await
    }
}

impl Effects for Invocation {
    async fn claim(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Claim, StoreError> {
        let table = &self.cloud.table;
        self.table(
            "claim",
            Effects::claim(table, wave, effect, generation, now, until),
        )
        .await
    }

    async fn answer(
        &self,
        wave: &WaveId,
        effect: &EffectId,
        generation: u64,
        until: Timestamp,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let table = &self.cloud.table;
        if let Outcome::Job(_) | Outcome::Command(_) = outcome
            && !self.changed.get()
        {
            invariants::covered(&self.cloud, format!("{} adopts", self.function.name()));
        }
        self.table(
            "answer",
            table.answer(wave, effect, generation, until, outcome, now),
        )
        .await
    }
}

impl Claims for Invocation {
    async fn claim(&self, server: &ServerId, wave: &WaveId) -> Result<Option<WaveId>, StoreError> {
        self.table(
            "claim server",
            Claims::claim(&self.cloud.table, server, wave),
        )
        .await
    }

    async fn release(&self, server: &ServerId, wave: &WaveId) -> Result<(), StoreError> {
        self.table("release server", self.cloud.table.release(server, wave))
            .await
    }
}

impl Owners for Invocation {
    async fn owner(&self, server: &ServerId) -> Result<Option<WaveId>, StoreError> {
        self.table("owner", self.cloud.table.owner(server)).await
    }
}

impl References for Invocation {
    async fn remember(&self, command: &CommandId, wave: &WaveId) -> Result<(), StoreError> {
        self.table("remember", self.cloud.table.remember(command, wave))
            .await
    }

    async fn wave_of(&self, command: &CommandId) -> Result<Option<WaveId>, StoreError> {
        self.table("wave of", self.cloud.table.wave_of(command))
            .await
    }
}

impl Inbox for Invocation {
    async fn append(&self, wave: &WaveId, message: &Message) -> Result<bool, StoreError> {
        self.table("append", self.cloud.table.append(wave, message))
            .await
    }

    async fn message(&self, wave: &WaveId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        self.table("message", self.cloud.table.message(wave, id))
            .await
    }
}

impl Waves for Invocation {
    async fn list(&self) -> Result<Vec<(Wave, u32)>, StoreError> {
        self.table("list", self.cloud.table.list()).await
    }

    async fn wave(&self, wave: &WaveId) -> Result<Option<Wave>, StoreError> {
        self.table("wave", self.cloud.table.wave(wave)).await
    }

    async fn whole(&self, wave: &WaveId) -> Result<Option<WholeWave>, StoreError> {
        self.table("whole", self.cloud.table.whole(wave)).await
    }

    async fn audit(&self, wave: &WaveId) -> Result<Vec<AuditRecord>, StoreError> {
        self.table("audit", self.cloud.table.audit(wave)).await
    }

    async fn audit_since(&self, wave: &WaveId, first: u64) -> Result<Vec<AuditRecord>, StoreError> {
        self.table("audit_since", self.cloud.table.audit_since(wave, first))
            .await
    }
}

impl Drivers for Invocation {
    async fn driver(&self, wave: &WaveId) -> Result<Option<Driver>, StoreError> {
        self.table("driver", self.cloud.table.driver(wave)).await
    }

    async fn create(&self, wave: &WaveId, at: Timestamp) -> Result<(), StoreError> {
        self.table("create", self.cloud.table.create(wave, at))
            .await
    }

    async fn count_wake(&self, wave: &WaveId) -> Result<Option<Parked>, StoreError> {
        self.table("count wake", self.cloud.table.count_wake(wave))
            .await
    }

    async fn at_work(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        self.table("at work", self.cloud.table.at_work(wave, generation, until))
            .await
    }

    async fn park(
        &self,
        wave: &WaveId,
        parked: &Parked,
        wakes: u64,
        wake_at: Timestamp,
    ) -> Result<Parking, StoreError> {
        self.table("park", self.cloud.table.park(wave, parked, wakes, wake_at))
            .await
    }

    async fn unpark(
        &self,
        wave: &WaveId,
        parked: &Parked,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.table("unpark", self.cloud.table.unpark(wave, parked, at))
            .await
    }

    async fn take_generation(
        &self,
        wave: &WaveId,
        generation: u64,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let table = &self.cloud.table;
        self.table(
            "take generation",
            table.take_generation(wave, generation, until),
        )
        .await
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        self.table("due", self.cloud.table.due(now)).await
    }
}

impl Chain for Invocation {
    async fn records_after(
        &self,
        wave: &WaveId,
        after: u64,
        most: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let table = &self.cloud.table;
        self.table("records after", table.records_after(wave, after, most))
            .await
    }
}

impl Refusals for Invocation {
    async fn note(&self, refused: &RefusedRequest) -> Result<bool, StoreError> {
        self.table("note a refusal", self.cloud.table.note(refused))
            .await
    }

    async fn refused_on(&self, day: Date) -> Result<RefusedDay, StoreError> {
        self.table("refused on", self.cloud.table.refused_on(day))
            .await
    }
}
