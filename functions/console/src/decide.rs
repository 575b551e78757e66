//! `/decide`: an approver's link. `GET` shows what is asked and changes nothing, so that a mail
//! scanner that follows links decides nothing; `POST` records the decision.
//!
//! **Invariant 9**: a link is believed once its code was verified, counts for the evidence and
//! the person that it was made for, until it expires, once. A form is taken only with the code
//! that its page carried, so that no other site can send it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use tidegate_domain::gate::{Gate, GateState, OpenGate, Verdict};
use tidegate_domain::link::{Link, Sealed};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{Approver, GatePlan};
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::Context;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status};
use crate::{Ports, page, submit};

/// What a form's code is made over begins with this, so that it is good for forms alone.
const FORM_PURPOSE: &str = "tidegate form v1\n";

/// The largest form, in bytes.
const LARGEST_FORM: usize = 64 * 1024;

/// Why a decision cannot be taken at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotOpen {
    /// Nobody is asked: the plan decides.
    Automatic,
    /// It is not asked now.
    Closed,
    /// Enough have approved.
    Approved,
    /// Its time is over.
    Expired,
    /// It asks on other evidence now.
    Changed,
}

#[derive(Deserialize)]
struct Query {
    token: String,
}

#[derive(Deserialize)]
struct Form {
    token: String,
    nonce: String,
    verdict: Verdict,
}

/// A verified link and the gate that it opens.
struct Asked {
    link: Link,
    wave: Wave,
    open: OpenGate,
}

/// `GET /decide?token=…`: what is asked, with a form.
pub(crate) async fn show<W: Waves, I, D, O, X, S: Signer, C: Clock>(
    request: &Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure> {
    let Query { token } =
        serde_urlencoded::from_str(&request.raw_query_string).map_err(|_| altered())?;
    let Asked { link, wave, open } = asked(&token, ports).await?;
    if let Some(approval) = open
        .approvals
        .iter()
        .find(|approval| approval.by == link.approver)
    {
        let message = format!(
            "This link was used: your approval of {} is recorded, and counts once.",
            words::time(approval.at, None)
        );
        return Err(Refused::new(Status::Conflict, message).into());
    }
    let nonce = ports
        .signer
        .sign(&form_message(&token))
        .await
        .context("could not sign a form")?;
    Ok(page::question(
        &wave,
        &open,
        &link,
        &token,
        &URL_SAFE_NO_PAD.encode(nonce),
    ))
}

/// `POST /decide`: the decision.
pub(crate) async fn record<W, I, D, O, X, S, C>(
    request: &Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    S: Signer,
    C: Clock,
{
    let Form {
        token,
        nonce,
        verdict,
    } = form(request)?;
    let now = ports.clock.now();
    let Asked { link, wave, .. } = asked(&token, ports).await?;
    let nonce = URL_SAFE_NO_PAD.decode(nonce).unwrap_or_default();
    let ours = ports.signer.verify(&form_message(&token), &nonce).await;
    if !ours.context("could not verify a form")? {
        return Err(not_from_the_page().into());
    }
    let message = Message {
        id: link.message(),
        at: now,
        by: link.approver.clone(),
        body: Body::Decide {
            gate: link.gate,
            verdict,
            evidence: link.evidence.clone(),
        },
    };
    let new = submit(
        &wave.id,
        &message,
        ports.inbox,
        ports.drivers,
        ports.executions,
    )
    .await?;
    if !new {
        let message = "This link was used already: the first decision that was made with it is \
                       recorded, and counts once.";
        return Err(Refused::new(Status::Conflict, message).into());
    }
    Ok(page::recorded(&link, verdict))
}

/// The gate's plan.
pub(crate) fn gate_plan(wave: &Wave, gate: Gate) -> &GatePlan {
    match gate {
        Gate::Cutover => &wave.plan.gates.cutover,
        Gate::Finalize => &wave.plan.gates.finalize,
    }
}

/// The gate, if it is open and asks on that evidence.
pub(crate) fn open_gate<'a>(
    wave: &'a Wave,
    gate: Gate,
    evidence: &str,
    now: Timestamp,
) -> Result<&'a OpenGate, NotOpen> {
    match wave.gates.get(&gate) {
        None if gate_plan(wave, gate).automatic => Err(NotOpen::Automatic),
        None => Err(NotOpen::Closed),
        Some(GateState::Approved { .. }) => Err(NotOpen::Approved),
        Some(GateState::Open(open)) if open.expires <= now => Err(NotOpen::Expired),
        Some(GateState::Open(open)) if open.evidence.hash() != evidence => Err(NotOpen::Changed),
        Some(GateState::Open(open)) => Ok(open),
    }
}

/// Verify the token, and find what it asks.
async fn asked<W: Waves, I, D, O, X, S: Signer, C: Clock>(
    token: &str,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Asked, Failure> {
    let sealed = Sealed::parse(token).map_err(|_| altered())?;
    let genuine = ports.signer.verify(&sealed.signed(), sealed.code()).await;
    if !genuine.context("could not verify a link")? {
        let message = "This link was not made by Tidegate, or it was altered: use the one in your \
                       mail as it is.";
        return Err(Refused::new(Status::Forbidden, message).into());
    }
    let link = sealed.open().map_err(|_| altered())?;
    let now = ports.clock.now();
    if link.expires <= now {
        let message = format!(
            "This link expired at {}: nothing was decided with it.",
            words::time(link.expires, None)
        );
        return Err(Refused::new(Status::Gone, message).into());
    }
    let wave = ports
        .waves
        .wave(&link.wave)
        .await
        .context("could not read the wave")?;
    let wave = wave.ok_or_else(|| {
        Refused::new(
            Status::NotFound,
            format!("There is no wave {} any more.", link.wave),
        )
    })?;
    if wave.phase.terminal() {
        let message = format!(
            "Wave {} has ended ({}): nothing is asked.",
            wave.id,
            wave.phase.name()
        );
        return Err(Refused::new(Status::Gone, message).into());
    }
    let open = open_gate(&wave, link.gate, &link.evidence, now)
        .map_err(|not_open| too_late(not_open, &link))?
        .clone();
    if !may_decide(&wave, &link) {
        let message = format!(
            "{} is no longer an approver of the {} gate of wave {}.",
            link.approver, link.gate, link.wave
        );
        return Err(Refused::new(Status::Forbidden, message).into());
    }
    Ok(Asked { link, wave, open })
}

/// Only those who were asked by mail have links.
fn may_decide(wave: &Wave, link: &Link) -> bool {
    matches!(link.approver, Approver::Mail(_))
        && gate_plan(wave, link.gate)
            .approver(&link.approver)
            .is_some()
}

fn form(request: &Request) -> Result<Form, Refused> {
    if request
        .header("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return Err(not_from_the_page());
    }
    let content_type = request
        .header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !content_type
        .trim_start()
        .starts_with("application/x-www-form-urlencoded")
    {
        return Err(Refused::new(
            Status::WrongType,
            "Open the link and decide with its buttons.",
        ));
    }
    let body = request.body(LARGEST_FORM)?;
    serde_urlencoded::from_bytes(&body).map_err(|_| {
        let message = "The form is incomplete: open the link and decide with its buttons.";
        Refused::new(Status::BadRequest, message)
    })
}

fn form_message(token: &str) -> Vec<u8> {
    format!("{FORM_PURPOSE}{token}").into_bytes()
}

fn altered() -> Refused {
    let message = "This link is incomplete or was altered: use the one in your mail, as a whole.";
    Refused::new(Status::BadRequest, message)
}

fn not_from_the_page() -> Refused {
    let message = "This form did not come from the link's page: open the link and decide there.";
    Refused::new(Status::Forbidden, message)
}

fn too_late(not_open: NotOpen, link: &Link) -> Refused {
    let Link { wave, gate, .. } = link;
    let (status, message) = match not_open {
        NotOpen::Automatic | NotOpen::Closed => (
            Status::Conflict,
            format!("The {gate} gate of wave {wave} is not open now: nothing is asked."),
        ),
        NotOpen::Approved => (
            Status::Conflict,
            format!("The {gate} gate of wave {wave} is approved already: nothing is left to do."),
        ),
        NotOpen::Expired => (
            Status::Gone,
            format!("The {gate} gate of wave {wave} expired undecided."),
        ),
        NotOpen::Changed => (
            Status::Conflict,
            format!(
                "What this link asked has changed since: the {gate} gate of wave {wave} asks \
                 again, in a newer mail."
            ),
        ),
    };
    Refused::new(status, message)
}
