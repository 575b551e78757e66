//! A console over the table in memory, a wave whose gate is open, and requests.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use console::{
    Authorizer, Books, HttpContext, IamCaller, Ports, Request, RequestContext, Response, SlackDoor,
};
use futures::FutureExt;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::Sha256;
use tidegate_domain::gate::{Door, Evidence, Gate, GateState, LeftOut, OpenGate, ServerEvidence};
use tidegate_domain::id::{ApplicationName, InstanceId, JobId, ServerId, WaveId};
use tidegate_domain::link::Link;
use tidegate_domain::message::Message;
use tidegate_domain::plan::{Approver, Window};
use tidegate_domain::refused::{RefusedDay, RefusedRequest};
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Driver, Drivers};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::executions::Executions;
use tidegate_ports::refusals::Refusals;
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{Answer, SlackClicks};
use tidegate_ports::turns::Turns;
use tidegate_slack::app::App;
use tidegate_world::contract::fixtures::{Draft, launch_settings, servers, wave_id};
use tidegate_world::fakes::MemoryArchive;
use tidegate_world::memory::MemoryStore;

/// An approver of the fixture's gates.
pub(crate) const OPERATOR: &str = "arn:aws:iam::111122223333:role/Ops-of-the-day";
/// An AWS principal who approves nothing.
pub(crate) const STRANGER: &str = "arn:aws:sts::111122223333:assumed-role/Readers/somebody";
/// The approver who has a link.
pub(crate) const MAIL: &str = "ops@example.com";
/// Where requests come from.
pub(crate) const ADDRESS: &str = "192.0.2.7";
/// The key that signs audit records.
pub(crate) const AUDIT_KEY: FakeSigner = FakeSigner(b"the audit's key");
/// A message ID.
pub(crate) const UUID: &str = "3f1e9d0a-7a52-4c1b-9a37-0d2f6f5a1c11";

/// A key in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FakeSigner(pub(crate) &'static [u8]);

impl FakeSigner {
    pub(crate) fn code(self, message: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0).expect("any key will do");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
}

impl Signer for FakeSigner {
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ReadError> {
        Ok(self.code(message))
    }

    async fn verify(&self, message: &[u8], code: &[u8]) -> Result<bool, ReadError> {
        Ok(self.code(message) == code)
    }
}

/// Step Functions: what was asked, and whether it answers.
#[derive(Debug, Default)]
pub(crate) struct FakeExecutions {
    pub(crate) calls: RefCell<Vec<String>>,
    pub(crate) away: Cell<bool>,
}

impl Executions for FakeExecutions {
    async fn start(&self, wave: &WaveId, generation: u64) -> Result<(), CallError> {
        self.calls
            .borrow_mut()
            .push(format!("start {wave} {generation}"));
        if self.away.get() {
            Err(CallError::Unknown("connection reset".to_owned()))
        } else {
            Ok(())
        }
    }

    async fn wake(&self, token: &str) -> Result<(), CallError> {
        self.calls.borrow_mut().push(format!("wake {token}"));
        Ok(())
    }
}

/// What the wave `orders` in this table becomes, one after the other.
pub(crate) type Meanwhile = (MemoryStore, Vec<fn(&mut Wave)>);

/// Slack: the app that it has, and what clicks were answered.
#[derive(Debug, Default)]
pub(crate) struct FakeSlack {
    pub(crate) app: RefCell<Option<Arc<App>>>,
    pub(crate) answers: RefCell<Vec<(String, Answer)>>,
    pub(crate) away: Cell<bool>,
    /// How many answers Slack takes; from then on it says nothing, for longer than anybody waits.
    pub(crate) slow_after: Cell<Option<usize>>,
    /// What a wave becomes while Slack takes the next answers.
    pub(crate) meanwhile: RefCell<Option<Meanwhile>>,
}

impl SlackClicks for FakeSlack {
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError> {
        Ok(self.app.borrow().clone())
    }

    async fn answer(&self, response_url: &str, answer: &Answer) -> Result<(), CallError> {
        if self.away.get() {
            return Err(CallError::Unknown("connection reset".to_owned()));
        }
        let taken = self.answers.borrow().len();
        if self.slow_after.get().is_some_and(|most| taken >= most) {
            return std::future::pending().await;
        }
        let answer = (response_url.to_owned(), answer.clone());
        self.answers.borrow_mut().push(answer);
        let meanwhile = self.meanwhile.take();
        if let Some((store, mut changes)) = meanwhile
            && !changes.is_empty()
        {
            let change = changes.remove(0);
            save(&store, time("2026-12-01T12:00:00Z"), "orders", change).await;
            *self.meanwhile.borrow_mut() = Some((store, changes));
        }
        Ok(())
    }

    /// Nothing here takes time; what is not done at once is never done.
    async fn within<T>(&self, time: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
        assert!(time.is_positive() && time <= SignedDuration::from_millis(2_500));
        work.now_or_never()
    }
}

#[derive(Debug)]
pub(crate) struct FakeClock {
    now: Cell<Timestamp>,
    /// How much later it is whenever somebody asks.
    pub(crate) pace: Cell<SignedDuration>,
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let now = self.now.get();
        self.now.set(now + self.pace.get());
        now
    }
}

/// A console and what it stands on.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) store: MemoryStore,
    pub(crate) executions: FakeExecutions,
    pub(crate) signer: FakeSigner,
    pub(crate) clock: FakeClock,
    pub(crate) slack: FakeSlack,
    pub(crate) archive: MemoryArchive,
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// What the cutover gate of `orders` shows, hostile names included.
pub(crate) fn evidence() -> Evidence {
    let server = |number: usize, hostname: &str| ServerEvidence {
        checks: u32::try_from(number).expect("small") - 1,
        ..ServerEvidence::new(
            ServerId::parse(format!("s-{number:017}")).expect("a server"),
            hostname.to_owned(),
            ApplicationName::parse("orders-db").expect("an application"),
            JobId::parse(format!("mgnjob-{number:017}")).expect("a job"),
            InstanceId::parse(format!("i-{number:017x}")).expect("an instance"),
            time("2026-12-01T10:00:00Z"),
        )
    };
    Evidence {
        window: Some(Window {
            opens: time("2026-12-05T21:00:00Z"),
            closes: time("2026-12-06T01:00:00Z"),
            time_zone: "Europe/Berlin".to_owned(),
        }),
        projected_downtime: Some(SignedDuration::from_secs(754)),
        servers: vec![
            server(1, "db01.corp.example.com"),
            ServerEvidence {
                settings: Some(launch_settings(2, "m5.xlarge").mark()),
                differences: launch_settings(2, "m5.xlarge")
                    .differences(&launch_settings(2, "m5.large")),
                ..server(2, "<script>alert(1)</script>")
            },
        ],
        left_out: vec![LeftOut {
            server: ServerId::parse("s-00000000000000009").expect("a server"),
            hostname: "db09".to_owned(),
            reason: "\"'><img src=x onerror=alert(1)>".to_owned(),
        }],
        ..Evidence::new(wave_id("orders"), Gate::Cutover, 1)
    }
}

impl Console {
    /// A console without waves.
    pub(crate) fn empty() -> Self {
        Self {
            store: MemoryStore::new(),
            executions: FakeExecutions::default(),
            signer: FakeSigner(b"a key"),
            clock: FakeClock {
                now: Cell::new(time("2026-12-01T12:00:00Z")),
                pace: Cell::new(SignedDuration::ZERO),
            },
            slack: FakeSlack::default(),
            archive: MemoryArchive::default(),
        }
    }

    /// A console with the wave `orders`, whose cutover gate is open until the 5th, 20:00.
    pub(crate) async fn with_open_gate() -> Self {
        let console = Self::empty();
        console.save("orders", |_| {}).await;
        console
    }

    /// Save the next turn of a wave, changed so; one that is new waits at its cutover gate.
    pub(crate) async fn save(&self, name: &str, change: impl FnOnce(&mut Wave)) {
        save(&self.store, self.clock.now(), name, change).await;
    }

    pub(crate) fn at(&self, now: &str) -> &Self {
        self.clock.now.set(time(now));
        self
    }

    pub(crate) async fn send(&self, request: Request) -> Response {
        let Self {
            store,
            executions,
            signer,
            clock,
            ..
        } = self;
        let ports = Ports {
            waves: store,
            inbox: store,
            drivers: store,
            owners: store,
            executions,
            signer,
            clock,
        };
        let slack = SlackDoor {
            clicks: &self.slack,
            console_url: "https://console.example.com",
        };
        let books = Books {
            records: store,
            archive: &self.archive,
            key: &AUDIT_KEY,
        };
        console::handle(
            request,
            &ports,
            &slack,
            &books,
            SignedDuration::from_secs(180),
        )
        .await
    }

    /// Everything that was ever appended to an inbox.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.store.inspect(|tables| {
            tables
                .inbox
                .values()
                .filter_map(|stored| stored.message.clone())
                .collect()
        })
    }

    /// How many requests were refused today, as the log counts them.
    pub(crate) async fn refusals(&self) -> u64 {
        let counts = self.refused_today().await.counts;
        counts.iter().map(|count| count.count).sum()
    }

    /// The request that was refused last, as the log has it.
    pub(crate) async fn noted(&self) -> RefusedRequest {
        let day = self.refused_today().await;
        day.requests.last().expect("a refused request").clone()
    }

    async fn refused_today(&self) -> RefusedDay {
        let today = self.clock.now().to_zoned(TimeZone::UTC).date();
        self.store.refused_on(today).await.expect("read")
    }

    pub(crate) async fn driver(&self, name: &str) -> Driver {
        self.store
            .driver(&wave_id(name))
            .await
            .expect("read")
            .expect("a driver")
    }

    /// The link of the mail approver for what the gate shows.
    pub(crate) fn link(&self) -> Link {
        Link {
            wave: wave_id("orders"),
            gate: Gate::Cutover,
            evidence: evidence().hash(),
            approver: Approver::Mail(MAIL.to_owned()),
            expires: time("2026-12-05T20:00:00Z"),
            door: Door::Mail,
            withdrawals: 0,
        }
    }

    pub(crate) fn token(&self, link: &Link) -> String {
        link.token(&self.signer.code(&link.signed()))
    }

    /// The code that the page of this token carries.
    pub(crate) fn nonce(&self, token: &str) -> String {
        let message = format!("tidegate form v1\n{token}");
        URL_SAFE_NO_PAD.encode(self.signer.code(message.as_bytes()))
    }
}

async fn save(store: &MemoryStore, now: Timestamp, name: &str, change: impl FnOnce(&mut Wave)) {
    let id = wave_id(name);
    store.create(&id, now).await.expect("created");
    let loaded = store.load(&id).await.expect("loaded");
    let new = loaded.wave.is_none();
    let mut draft = Draft::next(&id, loaded, now);
    if new {
        draft.servers = servers(name, 2);
        draft.wave.phase = Phase::AwaitingCutover;
        draft.wave.applied_by = Approver::Iam(STRANGER.to_owned());
        let evidence = Evidence {
            wave: id,
            ..evidence()
        };
        let open = OpenGate::new(evidence, now, time("2026-12-05T20:00:00Z"));
        let gates = &mut draft.wave.gates;
        gates.insert(Gate::Cutover, GateState::Open(open));
    }
    change(&mut draft.wave);
    draft.record("A turn was taken.");
    store.save(&draft.turn()).await.expect("saved");
}

/// A request without a body.
pub(crate) fn request(method: &str, path: &str) -> Request {
    let http = HttpContext {
        method: method.to_owned(),
        source_ip: ADDRESS.to_owned(),
    };
    Request {
        raw_path: path.to_owned(),
        request_context: RequestContext {
            http,
            authorizer: None,
        },
        ..Request::default()
    }
}

/// The same, from an AWS principal.
pub(crate) fn signed(method: &str, path: &str, arn: &str) -> Request {
    let mut request = request(method, path);
    let iam = IamCaller {
        user_arn: Some(arn.to_owned()),
    };
    request.request_context.authorizer = Some(Authorizer { iam: Some(iam) });
    request
}

/// A POST of JSON from an AWS principal.
pub(crate) fn post(path: &str, arn: &str, body: &Value) -> Request {
    let mut request = signed("POST", path, arn);
    request
        .headers
        .insert("Content-Type".to_owned(), "application/json".to_owned());
    request.body = Some(body.to_string());
    request
}

/// A GET of the page of a link.
pub(crate) fn open(token: &str) -> Request {
    let mut request = request("GET", "/decide");
    request.raw_query_string = format!("token={token}");
    request
}

/// The form of a link's page, sent.
pub(crate) fn decide(token: &str, nonce: &str, verdict: &str) -> Request {
    let mut request = request("POST", "/decide");
    let media_type = "application/x-www-form-urlencoded";
    request
        .headers
        .insert("content-type".to_owned(), media_type.to_owned());
    let form = format!("token={token}&nonce={nonce}&verdict={verdict}");
    request.body = Some(STANDARD.encode(form));
    request.is_base64_encoded = true;
    request
}

/// The error of a JSON response.
pub(crate) fn error(response: &Response) -> String {
    let body: Value = serde_json::from_str(&response.body).expect("JSON");
    body["error"].as_str().expect("an error").to_owned()
}

/// What a notice page says.
pub(crate) fn notice(response: &Response) -> String {
    let (_, rest) = response.body.split_once("<h1>").expect("a heading");
    let (title, rest) = rest.split_once("</h1>\n<p>").expect("a text");
    let (text, _) = rest.split_once("</p>").expect("its end");
    format!("{} {title}: {text}", response.status_code)
}
