//! What happened leaves the table: signed, archived, told, in order; a chain that was meddled with
//! does not.

use std::cell::{Cell, RefCell};

use export::{Changed, ChangedItem, Keys, Ports, Request, Response, Text, handle};
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::audit::{AuditHead, AuditRecord, Report, Seal, Verifier, hash};
use tidegate_domain::event::DomainEvent;
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Bus, Chain, Exports};
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, HandlerError, ReadError, chain};
use tidegate_ports::signer::Signer;
use tidegate_ports::turns::Turns;
use tidegate_world::contract::fixtures::{Draft, at, wave_id};
use tidegate_world::fakes::{MemoryArchive, MemoryBus};
use tidegate_world::memory::MemoryStore;

/// Signs by hashing; fails while it is told to.
#[derive(Default)]
struct FakeSigner {
    broken: Cell<bool>,
}

impl Signer for FakeSigner {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        if self.broken.get() {
            return Err(ReadError::Failed("no answer".to_owned()));
        }
        Ok(hash(message).into_bytes())
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        Ok(self.sign(message).await? == code)
    }
}

/// A bus that fails so many times.
#[derive(Default)]
struct FakeBus {
    inner: MemoryBus,
    failures: Cell<u32>,
}

impl Bus for FakeBus {
    async fn tell(&self, events: &[DomainEvent]) -> Result<(), CallError> {
        self.inner.tell(events).await?;
        if self.failures.get() > 0 {
            self.failures.set(self.failures.get() - 1);
            return Err(CallError::Unknown("the answer was lost".to_owned()));
        }
        Ok(())
    }
}

struct FakeClock(Cell<Timestamp>);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }
}

struct Stage {
    store: MemoryStore,
    signer: FakeSigner,
    archive: MemoryArchive,
    bus: FakeBus,
    clock: FakeClock,
}

impl Stage {
    fn new() -> Self {
        Self {
            store: MemoryStore::new(),
            signer: FakeSigner::default(),
            archive: MemoryArchive::default(),
            bus: FakeBus::default(),
            clock: FakeClock(Cell::new(at(1_000))),
        }
    }

    async fn export(&self, request: Request) -> Result<Response, HandlerError> {
        let ports = Ports {
            table: &self.store,
            signer: &self.signer,
            archive: &self.archive,
            bus: &self.bus,
            clock: &self.clock,
        };
        let until = self.clock.now() + SignedDuration::from_secs(60);
        handle(request, &ports, until).await
    }

    async fn sweep(&self) -> Result<Response, HandlerError> {
        self.export(Request::default()).await
    }

    async fn happen(&self, wave: &WaveId, text: &str) {
        self.save(wave, |draft| draft.record(text)).await;
    }

    async fn save(&self, wave: &WaveId, change: impl FnOnce(&mut Draft)) {
        let loaded = self.store.load(wave).await.expect("loaded");
        let mut draft = Draft::next(wave, loaded, self.clock.now());
        change(&mut draft);
        self.store.save(&draft.turn()).await.expect("saved");
    }

    /// What was told, as ID and sentence.
    fn told(&self) -> Vec<(String, String)> {
        let told = self.bus.inner.told.borrow();
        told.iter()
            .map(|event| (event.id.clone(), event.text.clone()))
            .collect()
    }

    async fn proof(&self, wave: &WaveId) -> Report {
        let mut verifier = Verifier::new(wave);
        for sealed in self.archive.kept.borrow().values() {
            assert_eq!(
                sealed.code(),
                hash(&sealed.seal.signed()).into_bytes(),
                "the code is the seal's"
            );
            verifier.seal(sealed.seal.number, Some(sealed.seal.hash.clone()));
        }
        let records = self.store.records_after(wave, 0, 1_000).await;
        for record in records.expect("read") {
            verifier.record(record.number, &record.body);
        }
        let head = self.store.inspect(|t| t.waves[wave].wave.audit.clone());
        verifier.finish(&head, self.clock.now())
    }
}

fn told(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn change_of(pk: &str) -> Changed {
    Changed {
        dynamodb: ChangedItem {
            keys: Keys {
                pk: Text {
                    text: pk.to_owned(),
                },
            },
        },
    }
}

fn why(result: Result<Response, HandlerError>) -> String {
    chain(&result.expect_err("it failed"))
}

#[tokio::test]
async fn records_are_signed_archived_and_told_in_order() {
    let stage = Stage::new();
    let wave = wave_id("orders");
    for text in ["one", "two", "three"] {
        stage.happen(&wave, text).await;
    }
    stage.sweep().await.expect("exported");
    let expected = [
        ("orders/1/0", "one"),
        ("orders/2/0", "two"),
        ("orders/3/0", "three"),
    ];
    let expected = expected.map(|(id, text)| (id.to_owned(), text.to_owned()));
    assert_eq!(stage.told(), expected);
    let proof = stage.proof(&wave).await;
    assert_eq!((proof.records, proof.sealed), (3, 3));
    assert_eq!(proof.findings, []);

    stage.sweep().await.expect("nothing is new");
    assert_eq!(stage.told().len(), 3);
    stage.happen(&wave, "four").await;
    stage.sweep().await.expect("exported");
    assert_eq!(stage.told()[3].0, "orders/4/0");
}

#[tokio::test]
async fn a_change_says_which_wave_and_nothing_else_is_believed() {
    let stage = Stage::new();
    let (orders, billing) = (wave_id("orders"), wave_id("billing"));
    stage.happen(&orders, "one").await;
    stage.happen(&billing, "one").await;
    let changes = [
        "WAVE#orders",
        "WAVE#orders",
        "WAVE#NOT A WAVE",
        "INBOX#billing",
        "WAVE#nobody",
    ];
    let records = changes.map(change_of).to_vec();
    stage.export(Request { records }).await.expect("exported");
    let ids: Vec<_> = stage.told().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, told(&["orders/1/0"]));
}

#[tokio::test]
async fn what_failed_is_told_again_under_the_same_id() {
    let stage = Stage::new();
    let wave = wave_id("orders");
    stage.happen(&wave, "one").await;
    stage.bus.failures.set(1);
    assert!(why(stage.sweep().await).contains("the answer was lost"));
    assert_eq!(
        stage.store.swept().await.expect("read"),
        None,
        "not looked at"
    );
    stage.sweep().await.expect("exported");
    let ids: Vec<_> = stage.told().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, told(&["orders/1/0", "orders/1/0"]));
    assert_eq!(stage.archive.kept.borrow().len(), 1);
}

#[tokio::test]
async fn one_wave_that_fails_does_not_keep_the_others() {
    let stage = Stage::new();
    let (good, bad) = (wave_id("a-good"), wave_id("a-bad"));
    stage.happen(&bad, "one").await;
    stage.happen(&good, "one").await;
    // Somebody else exported another record of that number before.
    let seal = Seal {
        wave: bad.clone(),
        number: 1,
        hash: "0".repeat(64),
    };
    let sealed = tidegate_domain::audit::Sealed {
        seal,
        code: String::new(),
        record: String::new(),
    };
    let archive = &stage.archive.kept;
    archive.borrow_mut().insert((bad.clone(), 1), sealed);
    let why = why(stage.sweep().await);
    assert!(
        why.contains("BROKEN at record 1: another one was exported"),
        "{why}"
    );
    let ids: Vec<_> = stage.told().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, told(&["a-good/1/0"]));
}

#[tokio::test]
async fn nothing_is_signed_that_does_not_continue_what_was_signed() {
    let append = |records: u64, previous: &str| {
        let previous = previous.to_owned();
        move |draft: &mut Draft| {
            let record = AuditRecord {
                wave: draft.wave.id.clone(),
                number: records + 1,
                at: draft.now,
                generation: 1,
                entries: Vec::new(),
                effects: Vec::new(),
                previous,
            };
            draft.wave.audit = AuditHead {
                records: record.number,
                hash: record.hash(),
            };
            draft.audit = Some(record);
        }
    };
    let wave = wave_id("orders");
    let cases = [
        (append(1, "0123"), "record 2: it does not follow"),
        (append(5, "0123"), "record 2: it is missing"),
    ];
    for (forge, expected) in cases {
        let stage = Stage::new();
        stage.happen(&wave, "one").await;
        stage.sweep().await.expect("exported");
        stage.save(&wave, forge).await;
        let why = why(stage.sweep().await);
        assert!(why.contains(expected), "{why}");
        assert_eq!(stage.archive.kept.borrow().len(), 1, "it is not signed");
    }
}

#[tokio::test]
async fn a_head_that_goes_back_or_changes_is_noticed() {
    let wave = wave_id("orders");
    let heads = [
        (
            AuditHead::default(),
            "record 1: it was exported and is gone",
        ),
        (
            AuditHead {
                records: 2,
                hash: "0".repeat(64),
            },
            "record 2: it is not the one that was exported",
        ),
    ];
    for (head, expected) in heads {
        let stage = Stage::new();
        stage.happen(&wave, "one").await;
        stage.happen(&wave, "two").await;
        stage.sweep().await.expect("exported");
        stage.save(&wave, |draft| draft.wave.audit = head).await;
        let why = why(stage.sweep().await);
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn how_far_the_export_has_come_is_not_believed_without_the_archive() {
    let wave = wave_id("orders");
    let change = || Request {
        records: vec![change_of("WAVE#orders")],
    };
    // Two are exported; two more happen, and somebody notes one or both of them as exported.
    for (noted, expected) in [
        (4, "record 4: it is noted as exported and was not"),
        (3, "record 3: it is noted as exported and was not"),
        (2, "record 2: another one is noted as exported"),
    ] {
        for request in [Request::default(), change()] {
            let stage = Stage::new();
            stage.happen(&wave, "one").await;
            stage.happen(&wave, "two").await;
            stage.sweep().await.expect("exported");
            stage.happen(&wave, "three").await;
            stage.happen(&wave, "four").await;
            let from = stage.store.exported(&wave).await.expect("read");
            let to = if noted == 2 {
                AuditHead {
                    records: 2,
                    hash: "0".repeat(64),
                }
            } else {
                let records = stage.store.records_after(&wave, noted - 1, 1).await;
                let record = records.expect("read").remove(0);
                AuditHead {
                    records: noted,
                    hash: hash(record.body.as_bytes()),
                }
            };
            let set = stage.store.set_exported(&wave, &from, &to).await;
            assert!(set.expect("noted"));
            let why = why(stage.export(request).await);
            assert!(why.contains(expected), "{why}");
            assert_eq!(stage.archive.kept.borrow().len(), 2, "nothing is signed");
        }
    }
}

#[tokio::test]
async fn a_sweep_that_is_still_to_come_was_none() {
    let stage = Stage::new();
    let wave = wave_id("orders");
    stage.happen(&wave, "one").await;
    let tomorrow = stage.clock.now() + SignedDuration::from_hours(24);
    stage.store.set_swept(tomorrow).await.expect("noted");
    stage.sweep().await.expect("exported");
    assert_eq!(stage.told().len(), 1);
}

#[tokio::test]
async fn without_a_signature_nothing_leaves() {
    let stage = Stage::new();
    stage.happen(&wave_id("orders"), "one").await;
    stage.signer.broken.set(true);
    let error = stage.sweep().await.expect_err("no signature");
    assert_eq!(error.name(), "Retryable");
    assert!(stage.archive.kept.borrow().is_empty());
    assert!(stage.told().is_empty());
}

#[tokio::test]
async fn a_long_chain_is_exported_as_far_as_time_allows() {
    let stage = Stage::new();
    let wave = wave_id("orders");
    for turn in 0..60 {
        stage.happen(&wave, &turn.to_string()).await;
    }
    stage.sweep().await.expect("exported");
    assert_eq!(stage.told().len(), 60);
    let seen = RefCell::new(stage.told());
    seen.borrow_mut().dedup();
    assert_eq!(seen.borrow().len(), 60, "none is told twice");
}

#[test]
fn the_sample_payloads_can_be_read() {
    let stream = include_str!("../../../events/streams/table.json");
    let stream: Request = serde_json::from_str(stream).expect("a request");
    assert_eq!(stream.records, [change_of("WAVE#orders")]);
    let schedule = include_str!("../../../events/schedule.json");
    let schedule: Request = serde_json::from_str(schedule).expect("a request");
    assert_eq!(schedule, Request::default());
}
