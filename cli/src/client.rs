//! The console's JSON API: signed requests, typed answers, errors as sentences.
//!
//! A request that may not have arrived is sent again with the same message ID, so that it counts
//! once however often it arrives (invariant 2).

use std::time::Duration;

use jiff::civil::Date;
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_domain::audit::AuditPage;
use tidegate_domain::gate::{Gate, Part};
use tidegate_domain::hold::HoldId;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::plan::PlanError;
use tidegate_domain::refused::RefusedDay;
use tidegate_domain::view::{TimelineEntry, WaveSummary, WaveView};

use crate::failure::Failure;
use crate::settings::local;

mod answer;
mod signing;

pub use signing::Signer;

use answer::Answer;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take: API Gateway gives up after 30 seconds (General Reference).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

/// How often a request is sent, and the first pause; each next one is twice as long.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A client of one console.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    signer: Signer,
    first_pause: Duration,
}

/// What came of applying a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is in the wave's inbox.
    Accepted,
    /// The console found it wrong, although this program did not.
    Wrong {
        /// In one sentence.
        error: String,
        /// Each place.
        problems: Vec<PlanError>,
    },
}

/// What an operator wants of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Order {
    /// Start it now.
    Start,
    /// Start nothing new.
    Hold {
        /// Why.
        note: String,
    },
    /// Release that hold.
    Resume {
        /// Which hold.
        hold: HoldId,
    },
    /// Leave servers out.
    Skip {
        /// Which servers.
        servers: Vec<ServerId>,
    },
    /// End it.
    Abort,
    /// Undo what was cut over, and end it.
    Rollback {
        /// Why.
        note: String,
    },
    /// Let servers pass although a check fails on them.
    Waive {
        /// Which servers.
        servers: Vec<ServerId>,
        /// Which check.
        check: String,
        /// Why.
        reason: String,
    },
    /// Have a gate ask again.
    Ask {
        /// Which gate.
        gate: Gate,
    },
}

/// What is said at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// `approve`, `reject` or `withdraw`.
    pub verdict: &'static str,
    /// The hash of the evidence that was shown.
    pub evidence: String,
    /// What part it is about.
    #[serde(skip_serializing_if = "Part::is_whole")]
    pub only: Part,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A body with the ID that makes it count once.
#[derive(Serialize)]
struct Message<'a, T> {
    message: String,
    #[serde(flatten)]
    body: &'a T,
}

/// Where a wave's page is, relative to the console's address.
#[derive(Deserialize)]
struct Page {
    path: String,
}

#[derive(Serialize)]
struct Application<'a> {
    plan: &'a str,
}

impl Client {
    /// A client of the console at `base`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(base: Url, signer: Signer) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if local(&base) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| Failure::Failed(format!("cannot set up HTTPS: {error}")))?;
        Ok(Self {
            http,
            base,
            signer,
            first_pause: FIRST_PAUSE,
        })
    }

    /// The same, with other pauses between the tries: for tests.
    #[must_use]
    pub fn pausing(mut self, first: Duration) -> Self {
        self.first_pause = first;
        self
    }

    /// All waves, as the console said it.
    ///
    /// # Errors
    /// See [`Failure`]; the same holds for every request.
    pub async fn waves_json(&self) -> Result<Value, Failure> {
        self.get(&["api", "waves"]).await
    }

    /// All waves.
    pub async fn waves(&self) -> Result<Vec<WaveSummary>, Failure> {
        answer::typed(self.waves_json().await?)
    }

    /// One wave, as the console said it.
    pub async fn wave_json(&self, wave: &WaveId) -> Result<Value, Failure> {
        self.get(&["api", "waves", wave.as_str()]).await
    }

    /// One wave.
    pub async fn wave(&self, wave: &WaveId) -> Result<WaveView, Failure> {
        answer::typed(self.wave_json(wave).await?)
    }

    /// What happened in a wave, as the console said it.
    pub async fn timeline_json(&self, wave: &WaveId) -> Result<Value, Failure> {
        self.get(&["api", "waves", wave.as_str(), "timeline"]).await
    }

    /// What happened in a wave.
    pub async fn timeline(&self, wave: &WaveId) -> Result<Vec<TimelineEntry>, Failure> {
        answer::typed(self.timeline_json(wave).await?)
    }

    /// The address of a wave's page.
    pub async fn page(&self, wave: &WaveId) -> Result<String, Failure> {
        let answer = self.get(&["api", "waves", wave.as_str(), "page"]).await?;
        let Page { path } = answer::typed(answer)?;
        let base = self.base.as_str().trim_end_matches('/');
        Ok(format!("{base}/{path}"))
    }

    /// A page of a wave's audit chain, after that record.
    pub async fn audit(
        &self,
        wave: &WaveId,
        after: u64,
        seals: bool,
    ) -> Result<AuditPage, Failure> {
        let query = format!("after={after}&seals={seals}");
        let path = ["api", "waves", wave.as_str(), "audit"];
        let answer = self.get_with(&path, Some(&query)).await?;
        answer::typed(answer)
    }

    /// What the doors refused on a day, or today.
    pub async fn refused(&self, day: Option<Date>) -> Result<RefusedDay, Failure> {
        let query = day.map(|day| format!("day={day}"));
        let answer = self.get_with(&["api", "refused"], query.as_deref()).await?;
        answer::typed(answer)
    }

    /// Begin a wave with a plan, or amend it.
    pub async fn apply(&self, plan: &str) -> Result<Applied, Failure> {
        let answer = self.post(&["api", "waves"], &Application { plan }).await?;
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            let (error, problems) = answer.problems();
            return Ok(Applied::Wrong { error, problems });
        }
        answer.into_result(&self.base).map(|_| Applied::Accepted)
    }

    /// Tell a wave what an operator wants.
    pub async fn order(&self, wave: &WaveId, order: &Order) -> Result<(), Failure> {
        let path = ["api", "waves", wave.as_str(), "commands"];
        self.post(&path, order)
            .await?
            .into_result(&self.base)
            .map(|_| ())
    }

    /// Decide at a gate, for the evidence with that hash.
    pub async fn decide(&self, wave: &WaveId, gate: Gate, said: &Said) -> Result<(), Failure> {
        let path = [
            "api",
            "waves",
            wave.as_str(),
            "gates",
            gate.name(),
            "decisions",
        ];
        self.post(&path, said)
            .await?
            .into_result(&self.base)
            .map(|_| ())
    }

    async fn get(&self, path: &[&str]) -> Result<Value, Failure> {
        self.get_with(path, None).await
    }

    async fn get_with(&self, path: &[&str], query: Option<&str>) -> Result<Value, Failure> {
        let mut url = self.url(path)?;
        url.set_query(query);
        self.send(Method::GET, &url, Vec::new())
            .await?
            .into_result(&self.base)
    }

    async fn post<T: Serialize>(&self, path: &[&str], body: &T) -> Result<Answer, Failure> {
        let message = Message {
            message: uuid::Uuid::new_v4().to_string(),
            body,
        };
        let body = serde_json::to_vec(&message)
            .map_err(|error| Failure::Failed(format!("cannot write the request: {error}")))?;
        self.send(Method::POST, &self.url(path)?, body).await
    }

    /// Send, and send again while nothing answered or the console could not.
    async fn send(&self, method: Method, url: &Url, body: Vec<u8>) -> Result<Answer, Failure> {
        let mut pause = self.first_pause;
        let mut tries = 1;
        loop {
            let sent = self.once(method.clone(), url, body.clone()).await;
            let again = match &sent {
                Ok(answer) => answer.passing(),
                Err(Failure::Unreachable(_)) => true,
                Err(_) => false,
            };
            if !again || tries == TRIES {
                return sent;
            }
            tries += 1;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn once(&self, method: Method, url: &Url, body: Vec<u8>) -> Result<Answer, Failure> {
        let mut request = self.http.request(method.clone(), url.clone());
        if method == Method::POST {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in self.signer.sign(method.as_str(), url, &body).await? {
            request = request.header(name, value);
        }
        let unreachable = |error: reqwest::Error| {
            Failure::Unreachable(format!(
                "no answer from the console at {}: {}",
                self.base,
                answer::reason(&error)
            ))
        };
        let response = request.body(body).send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        Ok(Answer {
            status,
            body: body.to_vec(),
        })
    }

    fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Input(format!("{} cannot have a path", self.base)))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }
}
