//! `console`: the one door for people and their tools. Pages for links, a JSON API for AWS
//! principals, and clicks in Slack.
//!
//! **Invariant 2**: the console writes no wave; it appends to the inbox and counts a wake.
//! **Invariant 9**: it takes a decision from a proved principal, from a verified link or from a
//! click that Slack signed, and for the evidence that they saw. A `GET` changes nothing.

mod api;
mod audit;
mod compress;
mod decide;
mod look;
mod page;
mod pass;
mod payload;
mod refused;
mod routes;
mod slack;

use jiff::SignedDuration;
use serde::Serialize;
use tidegate_domain::id::WaveId;
use tidegate_domain::message::Message;
use tidegate_ports::audit::{Archived, Chain};
use tidegate_ports::claims::Owners;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Drivers, wake};
use tidegate_ports::error::{Context, HandlerError, chain};
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::refusals::Refusals;
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::SlackClicks;
use tidegate_ports::waves::Waves;

use refused::{Failure, Refused, Status};
use routes::Route;
use slack::Taken;

pub use audit::Books;
pub use payload::{Authorizer, HttpContext, IamCaller, Request, RequestContext, Response};

/// What the function reaches.
#[derive(Debug)]
pub struct Ports<'a, W, I, D, O, X, S, C> {
    /// Waves, to be looked at.
    pub waves: &'a W,
    /// The inboxes.
    pub inbox: &'a I,
    /// The bells.
    pub drivers: &'a D,
    /// Which wave owns a server.
    pub owners: &'a O,
    /// The driver's executions.
    pub executions: &'a X,
    /// The key that signs links and forms.
    pub signer: &'a S,
    /// The time.
    pub clock: &'a C,
}

/// Where clicks in Slack are taken and answered.
#[derive(Debug)]
pub struct SlackDoor<'a, K> {
    /// The Slack app.
    pub clicks: &'a K,
    /// The console's address without a slash at its end, for messages.
    pub console_url: &'a str,
}

/// Serve one request. Failures of ours are logged here, once, and answered as 503 (try again) or
/// 500: the caller is owed a sentence whatever happens. `lease` is how long a driver that is
/// started may take before it counts as dead.
pub async fn handle<W, I, D, O, X, S, C, K, R, A, V>(
    request: Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    slack: &SlackDoor<'_, K>,
    books: &Books<'_, R, A, V>,
    lease: SignedDuration,
) -> Response
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    O: Owners,
    X: Executions,
    S: Signer,
    C: Clock,
    K: SlackClicks,
    R: Chain + Refusals,
    A: Archived,
    V: Signer,
{
    let for_tools = request.raw_path.starts_with("/api") || request.raw_path.starts_with("/slack");
    let served = match Route::of(&request) {
        Ok(Route::Home) => Ok(page::home()),
        Ok(Route::ShowLink) => decide::show(&request, ports).await,
        Ok(Route::UseLink) => decide::record(&request, ports).await,
        Ok(Route::Look) => look::show(&request, ports).await,
        Ok(Route::Slack) => match slack::act(&request, ports, slack).await {
            Ok(Taken { refused, telling }) => {
                if let Some(refused) = refused {
                    audit::note(&request, &refused, books.records, ports.clock).await;
                }
                telling.tell(ports.waves, ports.clock, slack.clicks).await;
                Ok(empty(200))
            }
            Err(failure) => Err(failure),
        },
        Ok(Route::Audit(wave)) => audit::page(&request, &wave, ports.waves, books).await,
        Ok(Route::Refused) => audit::refused_on(&request, books.records, ports.clock).await,
        Ok(Route::Api(caller, route)) => api::serve(&request, caller, route, ports, lease).await,
        Err(refused) => Err(refused.into()),
    };
    let refused = match served {
        Ok(response) => return compress::compressed(response, &request),
        Err(Failure::Refused(refused)) => {
            audit::note(&request, &refused, books.records, ports.clock).await;
            refused
        }
        Err(Failure::Failed(error)) => {
            tracing::error!(
                kind = error.name(),
                error = chain(&error),
                "the request failed"
            );
            failed(&error)
        }
    };
    if for_tools {
        json(refused.status.code(), &refused.body())
    } else {
        page::refused(&refused)
    }
}

/// A failure of ours, as its caller sees it: without its inner life.
fn failed(error: &HandlerError) -> Refused {
    match error {
        HandlerError::Retryable { .. } => Refused::new(
            Status::Unavailable,
            "Tidegate cannot reach its table just now: try again in a moment.",
        ),
        HandlerError::Permanent { .. } => Refused::new(
            Status::Broken,
            "Tidegate cannot read what it has stored: its log says why.",
        ),
    }
}

/// A JSON response.
fn json(status: u16, body: &impl Serialize) -> Response {
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ];
    Response {
        status_code: status,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        // What is shown are plain structures with text keys, which always serialize.
        body: serde_json::to_string(body).unwrap_or_default(),
        is_base64_encoded: false,
    }
}

/// A response that says nothing but its status.
fn empty(status: u16) -> Response {
    Response {
        status_code: status,
        headers: [("cache-control".to_owned(), "no-store".to_owned())].into(),
        body: String::new(),
        is_base64_encoded: false,
    }
}

/// Append a message to a wave's inbox and wake the wave, so that it is read soon. Gives whether
/// the message is new; one that is not wakes all the same, should the earlier call have died
/// before its wake.
async fn submit<I: Inbox, D: Drivers, X: Executions>(
    wave: &WaveId,
    message: &Message,
    inbox: &I,
    drivers: &D,
    executions: &X,
) -> Result<bool, HandlerError> {
    let new = inbox
        .append(wave, message)
        .await
        .context("could not append to the inbox")?;
    tracing::info!(%wave, message_id = %message.id, by = %message.by, new, "message appended");
    wake(drivers, executions, wave)
        .await
        .context("could not count a wake")?;
    Ok(new)
}
