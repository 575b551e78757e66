//! The archive and the bus. That S3 takes the signatures, keeps the first of a number and lists
//! what is deleted is tried in `tests/scenarios/test_audit.py`, with a bucket of the template's.

use tidegate_aws::eventbridge::EventBridgeBus;
use tidegate_aws::s3::S3Archive;
use tidegate_domain::audit::{About, AuditHead, Entry, Seal, Sealed};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::event::events;
use tidegate_domain::id::WaveId;
use tidegate_ports::audit::{Archive, Archived, Bus};
use tidegate_ports::error::{CallError, ReadError};

use crate::ministack::config;

fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

#[tokio::test]
async fn a_bucket_that_is_not_there_refuses() {
    let archive = S3Archive::new(&config(), "no-such-bucket-here");
    let sealed = Sealed {
        seal: Seal {
            wave: wave(),
            number: 1,
            hash: "0".repeat(64),
        },
        code: "00".repeat(32),
        record: "{}".to_owned(),
    };
    match archive.keep(&sealed).await {
        Err(CallError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::NotFound),
        other => panic!("should be refused: {other:?}"),
    }
    let listed = archive.kept_after(&wave(), 0).await;
    assert!(matches!(listed, Err(ReadError::NotFound(_))), "{listed:?}");
}

#[tokio::test]
async fn events_are_told_ten_at_a_time() {
    let entry = Entry {
        event: "WaveHeld".to_owned(),
        text: "A person asked for it.".to_owned(),
        by: None,
        reference: None,
        about: About::default(),
    };
    let at = "2026-12-05T21:00:00Z".parse().expect("a time");
    let record = AuditHead::default().append(&wave(), 1, at, vec![entry; 23], Vec::new());
    let told = events(&record);
    let bus = EventBridgeBus::new(&config(), "default");
    bus.tell(&told).await.expect("told");
    bus.tell(&[]).await.expect("nothing to tell");
}
