//! `GET /api/waves/{wave}/audit`: the chain for whoever wants to prove it, and `GET /api/refused`:
//! what the doors refused, which is noted here.
//!
//! **Invariant**: records are given as they are stored, so that nobody has to believe the console;
//! a seal is given with a hash only if its code is Tidegate's. Noting a refusal never stands in the
//! way of answering it.

use futures::future::try_join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tidegate_domain::audit::{AuditPage, CheckedSeal};
use tidegate_domain::id::WaveId;
use tidegate_domain::refused::RefusedRequest;
use tidegate_domain::words::one_line;
use tidegate_ports::audit::{Archived, Chain, Kept, MOST_LISTED};
use tidegate_ports::clock::Clock;
use tidegate_ports::error::{Context, HandlerError, chain};
use tidegate_ports::refusals::Refusals;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use crate::json;
use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status};

/// How many records a page has: even full turns stay within Lambda's 6 MB.
const PAGE: usize = 50;

/// How many seals are read at once.
const AT_ONCE: usize = 25;

/// How often a page is read again because the chain grew meanwhile.
const TRIES: u32 = 3;

/// The longest reason that is noted, in characters.
const LONGEST_REASON: usize = 300;

/// Where the audit chain and the refused requests are read.
#[derive(Debug)]
pub struct Books<'a, R, A, V> {
    /// The table's records.
    pub records: &'a R,
    /// The archive.
    pub archive: &'a A,
    /// The key that signs records, to check codes with.
    pub key: &'a V,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// After which record.
    #[serde(default)]
    after: u64,
    /// Whether seals are wanted.
    #[serde(default)]
    seals: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    /// Which day, in UTC; today if left out.
    day: Option<Date>,
}

/// A page of a wave's chain.
pub(crate) async fn page<W: Waves, R: Chain, A: Archived, V: Signer>(
    request: &Request,
    wave: &WaveId,
    waves: &W,
    books: &Books<'_, R, A, V>,
) -> Result<Response, Failure> {
    let Wanted { after, seals } = query(request)?;
    let mut tries = 1;
    let (records, head, known) = loop {
        let records = books.records.records_after(wave, after, PAGE).await;
        let records = records.context("could not read the audit chain")?;
        let found = waves.wave(wave).await.context("could not read the wave")?;
        let known = found.is_some();
        let head = found.map(|wave| wave.audit).unwrap_or_default();
        let last = records.last().map_or(after, |record| record.number);
        // A head that is ahead of a page that ends may have moved between the reads.
        if records.len() == PAGE || head.records <= last || tries == TRIES {
            break (records, head, known);
        }
        tries += 1;
    };
    let last = records.last().map_or(after, |record| record.number);
    let more = records.len() == PAGE;
    let mut next = more.then_some(last);
    let mut checked = Vec::new();
    if seals {
        let kept = books.archive.kept_after(wave, after).await;
        let mut kept = kept.context("could not list the exported records")?;
        if !more && kept.len() >= MOST_LISTED {
            next = kept.last().map(|kept| kept.number);
        }
        let end = if more { None } else { kept.pop() };
        kept.retain(|kept| kept.number <= last);
        // Of what lies behind the last record the end alone tells how much was cut off.
        kept.extend(end);
        for some in kept.chunks(AT_ONCE) {
            let some = some.iter().map(|kept| check(wave, kept, books));
            checked.extend(try_join_all(some).await?);
        }
    }
    if !known && records.is_empty() && checked.is_empty() {
        let message =
            format!("There is no wave {wave}: apply its plan first, or look at the list.");
        return Err(Refused::new(Status::NotFound, message).into());
    }
    let page = AuditPage {
        head,
        records,
        seals: checked,
        next,
    };
    Ok(json(200, &page))
}

/// A seal, believed if its code is Tidegate's and it is for this wave and number.
async fn check<R, A: Archived, V: Signer>(
    wave: &WaveId,
    kept: &Kept,
    books: &Books<'_, R, A, V>,
) -> Result<CheckedSeal, HandlerError> {
    let number = kept.number;
    let sealed = books.archive.read(wave, kept).await;
    let sealed = sealed.context("could not read an exported record")?;
    let sealed = sealed.filter(|sealed| sealed.seal.wave == *wave && sealed.seal.number == number);
    let hash = match sealed {
        None => None,
        Some(sealed) => {
            let (signed, code) = (sealed.seal.signed(), sealed.code());
            let ours = books.key.verify(&signed, &code).await;
            ours.context("could not verify a seal")?
                .then_some(sealed.seal.hash)
        }
    };
    Ok(CheckedSeal { number, hash })
}

/// What the doors refused on a day.
pub(crate) async fn refused_on<R: Refusals>(
    request: &Request,
    refusals: &R,
    clock: &impl Clock,
) -> Result<Response, Failure> {
    let Day { day } = query(request)?;
    let day = day.unwrap_or_else(|| clock.now().to_zoned(TimeZone::UTC).date());
    let refused = refusals.refused_on(day).await;
    Ok(json(
        200,
        &refused.context("could not read the log of refused requests")?,
    ))
}

/// Note that a request was refused. What fails here is logged and told to nobody.
pub(crate) async fn note(
    request: &Request,
    refused: &Refused,
    refusals: &impl Refusals,
    clock: &impl Clock,
) {
    let refused = RefusedRequest {
        at: clock.now(),
        door: door(request).to_owned(),
        status: refused.status.code(),
        signed: refused.signed || principal(request).is_some(),
        reason: one_line(&refused.message, LONGEST_REASON),
        who: who(request),
    };
    match refusals.note(&refused).await {
        Ok(kept) => tracing::info!(
            door = refused.door,
            status = refused.status,
            signed = refused.signed,
            kept,
            reason = refused.reason,
            "refused"
        ),
        Err(error) => tracing::warn!(
            door = refused.door,
            status = refused.status,
            reason = refused.reason,
            error = chain(&error),
            "refused, and could not be noted"
        ),
    }
}

fn door(request: &Request) -> &'static str {
    let first = request.raw_path.trim_start_matches('/').split('/').next();
    match first {
        Some("api") => "api",
        Some("slack") => "slack",
        Some("decide") => "link",
        _ => "page",
    }
}

/// The principal that API Gateway proved, else the address that the request came from.
fn who(request: &Request) -> String {
    let who = principal(request).unwrap_or(&request.request_context.http.source_ip);
    one_line(who, LONGEST_REASON)
}

fn principal(request: &Request) -> Option<&str> {
    let authorizer = request.request_context.authorizer.as_ref()?;
    authorizer.iam.as_ref()?.user_arn.as_deref()
}

fn query<'a, T: Deserialize<'a>>(request: &'a Request) -> Result<T, Refused> {
    serde_urlencoded::from_str(&request.raw_query_string).map_err(|error| {
        let error: String = error.to_string().chars().take(200).collect();
        let message = format!("The address is not right: {error}.");
        Refused::new(Status::BadRequest, message)
    })
}
