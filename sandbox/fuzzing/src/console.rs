//! The console as strangers reach it, before a wave that asks. Its keys are known to them: every
//! code is right, so that they get past them.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::{
    Authorizer, Books, HttpContext, IamCaller, Ports, Request, RequestContext, SlackDoor,
};
use futures::FutureExt;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use tidegate_domain::audit::{AuditRecord, Sealed, StoredRecord};
use tidegate_domain::decide::{Facts, decide};
use tidegate_domain::gate::{
    Approval, Door, Evidence, Gate, GateState, OpenGate, Part, ServerEvidence, Verdict,
};
use tidegate_domain::id::{ApplicationName, InstanceId, JobId, MessageId, ServerId, WaveId};
use tidegate_domain::link::Link;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, parse};
use tidegate_domain::refused::{RefusedDay, RefusedRequest};
use tidegate_domain::slots::Slots;
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::audit::{Archived, Chain, Kept};
use tidegate_ports::claims::Owners;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Driver, Drivers, Parked, Parking};
use tidegate_ports::error::{CallError, ReadError, StoreError};
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::refusals::Refusals;
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{Answer, SlackClicks};
use tidegate_ports::waves::{Waves, WholeWave};
use tidegate_slack::app::App;
use tidegate_slack::button::Button;
use tidegate_slack::signature::{SIGNATURE, TIMESTAMP, sign};

use crate::{NOW, app};

/// Until when the gate can be answered.
const EXPIRES: Timestamp = Timestamp::constant(1_796_003_600, 0);

/// Who has approved with their link.
const USED_BY: &str = "bert@example.com";

/// Every code.
const CODE: [u8; 32] = [7; 32];

/// A request as it would stand on the wire: `METHOD path?query`, headers, an empty line, the body;
/// `<link>`, `<used>` (a link that somebody approved with), `<button>` and `<evidence>` in it stand
/// for those of the gate that asks. Whatever it is, it is answered, and not by a failure of ours.
pub fn request(data: &[u8]) {
    status(data);
}

/// The status that such a request is answered with.
pub fn status(data: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(data);
    let world = World::new();
    let request = read(&world.filled(&text));
    let ports = Ports {
        waves: &world,
        inbox: &world,
        drivers: &world,
        owners: &world,
        executions: &world,
        signer: &world,
        clock: &world,
    };
    let slack = SlackDoor {
        clicks: &world,
        console_url: "https://console.example.com",
    };
    let books = Books {
        records: &world,
        archive: &world,
        key: &world,
    };
    let lease = SignedDuration::from_secs(180);
    let response = console::handle(request, &ports, &slack, &books, lease);
    let response = response.now_or_never().expect("nothing here waits");
    let status = response.status_code;
    assert!((200..500).contains(&status), "{status}: {}", response.body);
    let page = response
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.contains("html"));
    let escaped = !page || !response.body.to_ascii_lowercase().contains("<script");
    assert!(escaped, "{}", response.body);
    status
}

/// The request of that text: from an AWS principal, and signed as Slack signs, where that matters.
fn read(text: &str) -> Request {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.filter_map(|line| line.split_once(':'));
    let mut headers: BTreeMap<String, String> = headers
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    if path.starts_with("/slack") {
        let at = NOW.as_second().to_string();
        let signature = sign(&app().signing_secret, &at, body.as_bytes());
        headers.insert(SIGNATURE.to_owned(), signature);
        headers.insert(TIMESTAMP.to_owned(), at);
    }
    let iam = IamCaller {
        user_arn: Some("arn:aws:iam::000000000000:user/approver".to_owned()),
    };
    // API Gateway hands on JSON and text as they are, everything else in base64 (HTTP API developer
    // guide, "Payload format version"); what says no type is everything else too.
    let kind = headers.get("content-type").map_or("", String::as_str);
    let plain = kind.starts_with("application/json") || kind.starts_with("text/");
    let body = if plain {
        body.to_owned()
    } else {
        STANDARD.encode(body)
    };
    Request {
        raw_path: path.to_owned(),
        raw_query_string: query.to_owned(),
        headers,
        body: Some(body),
        is_base64_encoded: !plain,
        request_context: RequestContext {
            http: HttpContext {
                method: method.to_owned(),
                source_ip: "192.0.2.1".to_owned(),
            },
            authorizer: Some(Authorizer { iam: Some(iam) }),
        },
    }
}

/// One wave, `orders`, that asks at its cutover gate about a server of each application; somebody
/// has approved. Nothing that is written is kept.
struct World {
    wave: Wave,
    evidence: String,
    inbox: Message,
    app: Arc<App>,
}

impl World {
    fn new() -> Self {
        let plan = parse(include_str!("../../../examples/orders.yaml"), NOW);
        let plan = plan.expect("the example is a plan");
        let id = plan.wave.clone();
        let apply = Message {
            id: MessageId::parse("apply").expect("it is printable"),
            at: NOW,
            by: Approver::Iam("arn:aws:iam::000000000000:user/operator".to_owned()),
            body: Body::Apply(Box::new(plan)),
        };
        let begun = decide(Facts {
            id: id.clone(),
            generation: 1,
            wave: None,
            servers: Vec::new(),
            round: None,
            seen: BTreeMap::new(),
            effects: Vec::new(),
            inbox: vec![apply],
            unreadable: Vec::new(),
            slots: Slots::default(),
            jobs: None,
            restarts: 0,
            reading: None,
            now: NOW,
        });
        let mut wave = begun.wave.expect("it has begun");
        wave.phase = Phase::AwaitingCutover;
        let anna = Approver::Slack("U024BE7LH".to_owned());
        let bert = Approver::Mail(USED_BY.to_owned());
        let gate = &mut wave.plan.gates.cutover;
        gate.approvers.extend([anna, bert.clone()]);
        gate.quorum = 2;
        let mut evidence = Evidence::new(id, Gate::Cutover, 0);
        let applications = wave.plan.applications.iter().enumerate();
        evidence.servers = applications
            .map(|(number, application)| shown(number, application.name.clone()))
            .collect();
        let mut open = OpenGate::new(evidence, NOW, EXPIRES);
        let hash = open.evidence.hash();
        open.approvals.push(Approval {
            by: bert.clone(),
            at: NOW,
            door: Door::Mail,
            only: Vec::new(),
            reason: Some("<script>".to_owned()),
        });
        wave.gates.insert(Gate::Cutover, GateState::Open(open));
        let inbox = Message {
            id: link(&wave.id, &hash, USED_BY).message(),
            at: NOW,
            by: bert,
            body: Body::Decide {
                gate: Gate::Cutover,
                verdict: Verdict::Approve,
                evidence: hash.clone(),
                door: Door::Mail,
                only: Part::default(),
                reason: None,
            },
        };
        Self {
            wave,
            evidence: hash,
            inbox,
            app: Arc::new(app()),
        }
    }

    /// The text with what only this wave's approvers have.
    fn filled(&self, text: &str) -> String {
        let link = |approver| link(&self.wave.id, &self.evidence, approver).token(&CODE);
        let button = Button {
            wave: self.wave.id.clone(),
            gate: Gate::Cutover,
            evidence: self.evidence.clone(),
            expires: EXPIRES,
            withdrawals: 0,
        };
        text.replace("<link>", &link("ops@example.com"))
            .replace("<used>", &link(USED_BY))
            .replace("<button>", &button.value(&CODE))
            .replace("<evidence>", &self.evidence)
    }

    fn known(&self, wave: &WaveId) -> Option<Wave> {
        (*wave == self.wave.id).then(|| self.wave.clone())
    }
}

/// A link for that approver.
fn link(wave: &WaveId, evidence: &str, approver: &str) -> Link {
    Link {
        wave: wave.clone(),
        gate: Gate::Cutover,
        evidence: evidence.to_owned(),
        approver: Approver::Mail(approver.to_owned()),
        expires: EXPIRES,
        door: Door::Mail,
        withdrawals: 0,
    }
}

/// A server of that application, as the gate shows it.
fn shown(number: usize, application: ApplicationName) -> ServerEvidence {
    ServerEvidence::new(
        ServerId::parse(format!("s-{number:017}")).expect("a server"),
        format!("db0{number}<script>"),
        application,
        JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
        InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
        NOW,
    )
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        NOW
    }
}

impl Signer for World {
    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, ReadError> {
        Ok(CODE.to_vec())
    }

    async fn verify(&self, _message: &[u8], _code: &[u8]) -> Result<bool, ReadError> {
        Ok(true)
    }
}

impl Waves for World {
    async fn list(&self) -> Result<Vec<(Wave, u32)>, StoreError> {
        Ok(vec![(self.wave.clone(), 0)])
    }

    async fn wave(&self, wave: &WaveId) -> Result<Option<Wave>, StoreError> {
        Ok(self.known(wave))
    }

    async fn whole(&self, wave: &WaveId) -> Result<Option<WholeWave>, StoreError> {
        Ok(self.known(wave).map(|wave| WholeWave {
            wave,
            servers: Vec::new(),
            seen: BTreeMap::new(),
        }))
    }

    async fn audit(&self, _wave: &WaveId) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn audit_since(&self, _: &WaveId, _first: u64) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(Vec::new())
    }
}

impl Inbox for World {
    async fn append(&self, wave: &WaveId, message: &Message) -> Result<bool, StoreError> {
        let stored = serde_json::to_string(message).expect("a message is stored as JSON");
        let again: Message = serde_json::from_str(&stored).expect("a stored message is one");
        assert_eq!(*message, again);
        Ok(self.message(wave, &message.id).await?.is_none())
    }

    async fn message(&self, wave: &WaveId, id: &MessageId) -> Result<Option<Message>, StoreError> {
        let here = *wave == self.wave.id && *id == self.inbox.id;
        Ok(here.then(|| self.inbox.clone()))
    }
}

impl Drivers for World {
    async fn driver(&self, _wave: &WaveId) -> Result<Option<Driver>, StoreError> {
        Ok(None)
    }

    async fn create(&self, _wave: &WaveId, _at: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn count_wake(&self, _wave: &WaveId) -> Result<Option<Parked>, StoreError> {
        Ok(None)
    }

    async fn at_work(&self, _: &WaveId, _: u64, _until: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn park(
        &self,
        _wave: &WaveId,
        _parked: &Parked,
        _wakes: u64,
        _wake_at: Timestamp,
    ) -> Result<Parking, StoreError> {
        Err(StoreError::Unavailable("nobody sleeps here".into()))
    }

    async fn unpark(&self, _: &WaveId, _: &Parked, _at: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn take_generation(
        &self,
        _wave: &WaveId,
        _generation: u64,
        _until: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn due(&self, _now: Timestamp) -> Result<Vec<WaveId>, StoreError> {
        Ok(Vec::new())
    }
}

impl Owners for World {
    async fn owner(&self, _server: &ServerId) -> Result<Option<WaveId>, StoreError> {
        Ok(None)
    }
}

impl Executions for World {
    async fn start(&self, _wave: &WaveId, _generation: u64) -> Result<(), CallError> {
        Ok(())
    }

    async fn wake(&self, _token: &str) -> Result<(), CallError> {
        Ok(())
    }
}

impl SlackClicks for World {
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError> {
        Ok(Some(Arc::clone(&self.app)))
    }

    async fn answer(&self, _response_url: &str, _answer: &Answer) -> Result<(), CallError> {
        Ok(())
    }

    async fn within<T>(&self, _time: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
        Some(work.await)
    }
}

impl Chain for World {
    async fn records_after(
        &self,
        _wave: &WaveId,
        _after: u64,
        _most: usize,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        Ok(Vec::new())
    }
}

impl Refusals for World {
    async fn note(&self, _refused: &RefusedRequest) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn refused_on(&self, _day: Date) -> Result<RefusedDay, StoreError> {
        Ok(RefusedDay::default())
    }
}

impl Archived for World {
    async fn kept_after(&self, _wave: &WaveId, _after: u64) -> Result<Vec<Kept>, ReadError> {
        Ok(Vec::new())
    }

    async fn read(&self, _wave: &WaveId, _kept: &Kept) -> Result<Option<Sealed>, ReadError> {
        Ok(None)
    }
}
