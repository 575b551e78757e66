//! A topic, a channel and a key in memory, and a gate that is to be opened.

use std::cell::RefCell;

use gate::{Ports, Request, handle};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tidegate_domain::effect::{Effect, EffectStatus, Outcome, Refusal, Task};
use tidegate_domain::gate::{
    Asking, Door, Evidence, Gate, LeftOut, ServerEvidence, Summary, Waited, Warning, WarningKind,
};
use tidegate_domain::id::{ApplicationName, EffectId, InstanceId, JobId, ServerId, WaveId};
use tidegate_domain::plan::{Approver, Channel, Window};
use tidegate_domain::wave::Posted;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{CallError, HandlerError, ReadError};
use tidegate_ports::mail::{Mail, Mails, Subscribers, Subscription};
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{NoSlack, SlackPosts};
use tidegate_ports::turns::{Loaded, Turns};
use tidegate_slack::message::Message;
use tidegate_world::contract::fixtures::Draft;
use tidegate_world::memory::MemoryStore;

pub(crate) const NOON: &str = "2026-12-01T12:00:00Z";

/// A key in memory.
pub(crate) struct FakeSigner(pub(crate) Result<(), ReadError>);

impl Signer for FakeSigner {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.0.clone()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(b"a key").expect("any key will do");
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        Ok(self.sign(message).await? == code)
    }
}

/// A topic that keeps what it is sent, and answers so for the mail of that number.
#[derive(Default)]
pub(crate) struct FakeMails {
    pub(crate) sent: RefCell<Vec<Mail>>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) failure: Option<(usize, CallError)>,
}

impl Mails for FakeMails {
    async fn send(&self, mail: &Mail) -> Result<(), CallError> {
        let mut sent = self.sent.borrow_mut();
        sent.push(mail.clone());
        match &self.failure {
            Some((number, error)) if *number == sent.len() => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }
}

impl Subscribers for FakeMails {
    async fn subscriptions(&self) -> Result<Vec<Subscription>, ReadError> {
        Ok(self.subscriptions.clone())
    }
}

/// A channel that keeps what is written, and answers so.
#[derive(Default)]
pub(crate) struct FakeSlack {
    pub(crate) written: RefCell<Vec<Message>>,
    pub(crate) failure: Option<CallError>,
}

impl SlackPosts for FakeSlack {
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError> {
        self.written.borrow_mut().push(message.clone());
        let posted = Posted {
            channel: "C024BE91L".to_owned(),
            ts: "1548261231.000200".to_owned(),
        };
        self.failure.clone().map_or(Ok(Some(posted)), Err)
    }

    async fn change(&self, posted: &Posted, message: &Message) -> Result<(), CallError> {
        assert_eq!(posted.ts, "1548261231.000200");
        self.post(message).await.map(|_| ())
    }
}

pub(crate) struct FixedClock(Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn wave() -> WaveId {
    WaveId::parse("orders").expect("a wave")
}

pub(crate) fn server(number: usize, application: &str) -> ServerEvidence {
    ServerEvidence {
        checks: 2,
        ..ServerEvidence::new(
            ServerId::parse(format!("s-{number:017}")).expect("a server"),
            format!("{application}{number:02}.corp.example.com"),
            ApplicationName::parse(application).expect("an application"),
            JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
            InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
            time("2026-12-01T10:00:00Z"),
        )
    }
}

pub(crate) fn evidence(gate: Gate) -> Evidence {
    let mut servers = vec![server(1, "orders-db")];
    servers.extend((2..25).map(|number| server(number, "orders-web")));
    let difference = "instance type was m5.large, is m5.xlarge";
    let warning = Warning {
        kind: WarningKind::Changed,
        text: format!("Would be launched otherwise than tested: {difference}: orders-web02."),
        servers: 1,
    };
    let cutover = gate == Gate::Cutover;
    Evidence {
        summary: Summary {
            servers: 24,
            applications: 2,
            checks_passed: 47,
            checks_waived: 1,
            left_out: 1,
            longest_lag: cutover.then(|| SignedDuration::from_secs(12)),
            oldest_snapshot: cutover.then(|| time("2026-12-01T11:40:00Z")),
        },
        warnings: cutover.then_some(warning).into_iter().collect(),
        window: cutover.then(|| Window {
            opens: time("2026-12-05T21:00:00Z"),
            closes: time("2026-12-06T01:00:00Z"),
            time_zone: "Europe/Berlin".to_owned(),
        }),
        projected_downtime: cutover.then(|| SignedDuration::from_secs(5_430)),
        waited: Waited {
            instances: if cutover { 24 } else { 0 },
            instance_hours: if cutover { 96 } else { 0 },
        },
        max_lag: SignedDuration::from_secs(60),
        servers,
        left_out: vec![LeftOut {
            server: ServerId::parse("s-00000000000000099").expect("a server"),
            hostname: "orders-web99".to_owned(),
            reason: "the launch failed:\r\n\r\nApprove here: https://evil.example.com".to_owned(),
        }],
        ..Evidence::new(wave(), gate, 0)
    }
}

/// The evidence of a gate that was asked before.
pub(crate) fn evidence_again(gate: Gate) -> Evidence {
    let difference = "instance type was m5.large, is m5.xlarge";
    Evidence {
        round: 1,
        changed: vec![format!(
            "orders-web02\nwould be launched otherwise: {difference}"
        )]
        .into_iter()
        .collect(),
        ..evidence(gate)
    }
}

pub(crate) fn approvers() -> Vec<Approver> {
    vec![
        Approver::Mail("ops@example.com".to_owned()),
        Approver::Mail("dba@example.com".to_owned()),
        Approver::Iam("arn:aws:sts::111122223333:assumed-role/Ops/*".to_owned()),
    ]
}

/// A store in which the gate is to be opened.
pub(crate) async fn store(gate: Gate, approvers: Vec<Approver>) -> MemoryStore {
    store_asking(gate, approvers, Asking::First).await
}

/// A store in which people are to be asked at the gate.
pub(crate) async fn store_asking(
    gate: Gate,
    approvers: Vec<Approver>,
    asking: Asking,
) -> MemoryStore {
    store_showing(evidence(gate), approvers, asking).await
}

/// A store in which people are to be asked on that evidence.
pub(crate) async fn store_showing(
    evidence: Evidence,
    approvers: Vec<Approver>,
    asking: Asking,
) -> MemoryStore {
    store_with(Task::OpenGate {
        gate: evidence.gate,
        evidence,
        approvers,
        expires: time("2026-12-05T20:00:00Z"),
        mailboxes: Vec::new(),
        notify: vec![Channel::Sns],
        asking,
        withdrawals: 0,
        minimum: Door::Mail,
    })
    .await
}

/// A store in which that is to be done.
pub(crate) async fn store_with(task: Task) -> MemoryStore {
    let store = MemoryStore::new();
    let mut draft = Draft::next(&wave(), Loaded::default(), time(NOON));
    draft.effects.push(Effect {
        id: effect(),
        wave: wave(),
        task,
        status: EffectStatus::Planned,
    });
    store.save(&draft.turn()).await.expect("saved");
    store
}

pub(crate) fn effect() -> EffectId {
    EffectId::parse("orders-9-0").expect("an effect")
}

pub(crate) fn status(store: &MemoryStore) -> EffectStatus {
    store.inspect(|tables| tables.effects[&(wave(), effect())].effect.status.clone())
}

pub(crate) async fn ask_at(
    now: &str,
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
) -> Result<(), HandlerError> {
    ask_by(now, store, signer, mails, &NoSlack).await
}

pub(crate) async fn ask_by(
    now: &str,
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
    slack: &impl SlackPosts,
) -> Result<(), HandlerError> {
    let clock = FixedClock(time(now));
    let ports = Ports {
        effects: store,
        signer,
        mails,
        slack,
        clock: &clock,
    };
    let until = clock.0 + SignedDuration::from_secs(60);
    let request = Request {
        wave: wave(),
        generation: 1,
        effect: effect(),
    };
    handle(request, &ports, "https://console.example.com", until)
        .await
        .map(|_| ())
}

pub(crate) async fn ask(
    store: &MemoryStore,
    signer: &FakeSigner,
    mails: &FakeMails,
) -> Result<(), HandlerError> {
    ask_at(NOON, store, signer, mails).await
}

/// What the effect was answered.
pub(crate) fn outcome(store: &MemoryStore) -> Outcome {
    match status(store) {
        EffectStatus::Answered { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    }
}

/// The refusal that the effect was answered with.
pub(crate) fn refusal(store: &MemoryStore) -> Refusal {
    match outcome(store) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}
