//! The JSON API of tools: everything under `/api`, for AWS principals.

mod apply;
mod command;
mod decision;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::message::Message;
use tidegate_domain::plan::Approver;
use tidegate_domain::view::{self, TimelineEntry};
use tidegate_domain::wave::Wave;
use tidegate_ports::claims::Owners;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::Context;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use crate::pass::Pass;
use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status};
use crate::routes::ApiRoute;
use crate::{Ports, json, submit};

/// The largest body of a command or decision, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// The most lines of a timeline that are shown: the latest (Lambda's responses end at 6 MB).
const LONGEST_TIMELINE: usize = 10_000;

/// How long the address of a wave's page is good.
const PAGE_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// What was accepted: the wave that will see it.
#[derive(Serialize)]
struct Accepted<'a> {
    wave: &'a WaveId,
}

/// Where a wave's page is.
#[derive(Serialize)]
struct PageAddress {
    /// Relative to the console's address.
    path: String,
    /// Until when.
    expires: Timestamp,
}

/// A message ID of a tool: a UUID, so that it can neither meet nor take the place of the message
/// of a link.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
struct Uuid(MessageId);

impl TryFrom<String> for Uuid {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let dash = |at| matches!(at, 8 | 13 | 18 | 23);
        let good = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if dash(at) {
                    byte == b'-'
                } else {
                    byte.is_ascii_hexdigit()
                }
            });
        match MessageId::parse(text.to_ascii_lowercase()) {
            Ok(id) if good => Ok(Self(id)),
            Ok(_) | Err(_) => Err("the message ID is no UUID: send a fresh one with each request"),
        }
    }
}

/// Serve a request of a tool.
pub(crate) async fn serve<W, I, D, O, X, S, C>(
    request: &Request,
    caller: Approver,
    route: ApiRoute,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    lease: SignedDuration,
) -> Result<Response, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    O: Owners,
    X: Executions,
    S: Signer,
    C: Clock,
{
    match route {
        ApiRoute::List => list(ports.waves).await,
        ApiRoute::Show(wave) => show(&wave, ports.waves).await,
        ApiRoute::Timeline(wave) => timeline(&wave, ports.waves).await,
        ApiRoute::Page(wave) => page(&wave, caller, ports).await,
        ApiRoute::Apply => {
            let wave = apply::apply(request, caller, ports, lease).await?;
            Ok(json(202, &Accepted { wave: &wave }))
        }
        ApiRoute::Command(wave) => {
            command::command(request, caller, &wave, ports).await?;
            Ok(json(202, &Accepted { wave: &wave }))
        }
        ApiRoute::Decide(wave, gate) => {
            decision::decide(request, caller, &wave, gate, ports).await?;
            Ok(json(202, &Accepted { wave: &wave }))
        }
    }
}

/// Put a message that fits its wave into the inbox.
///
/// # Errors
/// A conflict, if its ID was taken by another message meanwhile.
async fn send<W, I: Inbox, D: Drivers, O, X: Executions, S, C>(
    wave: &WaveId,
    message: &Message,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<(), Failure> {
    let new = submit(wave, message, ports.inbox, ports.drivers, ports.executions).await?;
    if !new {
        sent_before(wave, message, ports.inbox).await?;
    }
    Ok(())
}

/// Whether this very message was taken before: a tool that got no answer sends it again, and the
/// wave may have gone on since, so that it would not fit any more.
///
/// # Errors
/// A conflict, if its ID was used for another message.
async fn sent_before(
    wave: &WaveId,
    message: &Message,
    inbox: &impl Inbox,
) -> Result<bool, Failure> {
    let before = inbox.message(wave, &message.id).await;
    let Some(before) = before.context("could not read a message")? else {
        return Ok(false);
    };
    if before.by == message.by && before.body == message.body {
        return Ok(true);
    }
    let text = format!(
        "The message ID {} was used for another message of wave {wave}, which counts: send a fresh \
         UUID with each request.",
        message.id
    );
    Err(Refused::new(Status::Conflict, text).into())
}

async fn list(waves: &impl Waves) -> Result<Response, Failure> {
    let waves = waves.list().await.context("could not list the waves")?;
    let summaries: Vec<_> = waves
        .iter()
        .map(|(wave, servers)| view::summary(wave, *servers))
        .collect();
    Ok(json(200, &summaries))
}

async fn show(wave: &WaveId, waves: &impl Waves) -> Result<Response, Failure> {
    let whole = waves.whole(wave).await.context("could not read the wave")?;
    let whole = whole.ok_or_else(|| no_wave(wave))?;
    Ok(json(
        200,
        &view::wave(&whole.wave, &whole.servers, &whole.seen),
    ))
}

/// The address of the wave's page, for the caller, for an hour.
async fn page<W: Waves, I, D, O, X, S: Signer, C: Clock>(
    wave: &WaveId,
    caller: Approver,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure> {
    find(wave, ports.waves).await?;
    let expires = ports.clock.now().saturating_add(PAGE_LASTS);
    let pass = Pass {
        wave: wave.clone(),
        holder: caller,
        expires: expires.unwrap_or(Timestamp::MAX),
    };
    let path = pass.address(ports.signer).await?;
    let expires = pass.expires;
    Ok(json(200, &PageAddress { path, expires }))
}

async fn timeline(wave: &WaveId, waves: &impl Waves) -> Result<Response, Failure> {
    find(wave, waves).await?;
    let records = waves
        .audit(wave)
        .await
        .context("could not read the timeline")?;
    let entries: Vec<TimelineEntry> = view::timeline(&records);
    let latest = entries.len().saturating_sub(LONGEST_TIMELINE);
    Ok(json(200, &&entries[latest..]))
}

/// The wave, or a refusal that says how to get one.
async fn find(wave: &WaveId, waves: &impl Waves) -> Result<Wave, Failure> {
    let found = waves.wave(wave).await.context("could not read the wave")?;
    Ok(found.ok_or_else(|| no_wave(wave))?)
}

fn no_wave(wave: &WaveId) -> Refused {
    let message = format!("There is no wave {wave}: apply its plan first, or look at the list.");
    Refused::new(Status::NotFound, message)
}

/// A body of JSON; the error says where in it something is wrong.
fn read<T: DeserializeOwned>(request: &Request, most: usize) -> Result<T, Refused> {
    let body = request.body(most)?;
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("application/json")
    {
        let message = "Send the body as JSON, with content-type: application/json.";
        return Err(Refused::new(Status::WrongType, message));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(&body);
    let read = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        })
        .and_then(|read| {
            deserializer
                .end()
                .map(|()| read)
                .map_err(|error| error.to_string())
        });
    read.map_err(|error| {
        let error: String = error.chars().take(300).collect();
        Refused::new(
            Status::BadRequest,
            format!("The body is not right: {error}."),
        )
    })
}
