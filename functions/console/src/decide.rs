//! `/decide`: an approver's link. `GET` shows what is asked and changes nothing, so that a mail
//! scanner that follows links decides nothing; `POST` records the decision.
//!
//! **Invariant 9**: a link is believed once its code was verified, counts for the evidence and
//! the person that it was made for, until it expires, once. A form is taken only with the code
//! that its page carried, so that no other site can send it. What was approved with a link can be
//! taken back with it, until it is acted on.

mod form;
mod used;
mod withdraw;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use tidegate_domain::gate::{Approval, Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::link::{Link, Sealed};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::GatePlan;
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::Context;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use crate::page::Question;
use crate::page::filter::Filter;
use crate::pass::Pass;
use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status, Withdraw};
use crate::{Ports, page, submit};

use form::{Form, Said, form, incomplete, not_from_the_page};
use used::{Used, used};
use withdraw::{may_withdraw, withdraw};

pub(crate) use withdraw::withdrawable;

/// What a form's code is made over begins with this, so that it is good for forms alone.
const FORM_PURPOSE: &str = "tidegate form v1\n";

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

/// The gate that a link opens.
struct Asked {
    wave: Wave,
    open: OpenGate,
}

/// `GET /decide?token=…`: what is asked, with a form.
pub(crate) async fn show<W: Waves, I: Inbox, D, O, X, S: Signer, C: Clock>(
    request: &Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure> {
    let filter = Filter::read(&request.raw_query_string, "token");
    let link = verified(&filter.token, ports.signer).await?;
    let asked = question(filter, link, ports).await;
    asked.map_err(Failure::signed)
}

/// The page of a verified link.
async fn question<W: Waves, I: Inbox, D, O, X, S: Signer, C: Clock>(
    filter: Filter,
    link: Link,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure> {
    let Asked { wave, open } = asked(&link, &filter.token, ports).await?;
    let nonce = nonce(&filter.token, ports.signer).await?;
    let question = Question {
        wave: &wave,
        open: &open,
        link: &link,
        nonce: &nonce,
        wave_page: &wave_page(&link, ports.signer).await?,
    };
    Ok(question.page(filter))
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
    let form = form(request)?;
    let link = verified(&form.token, ports.signer).await?;
    let decided = said(form, &link, ports).await;
    decided.map_err(Failure::signed)
}

/// What the form of a verified link says, if it is from the link's page.
async fn said<W, I, D, O, X, S, C>(
    form: Form,
    link: &Link,
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
    let nonce = URL_SAFE_NO_PAD.decode(&form.nonce).unwrap_or_default();
    let ours = ports
        .signer
        .verify(&form_message(&form.token), &nonce)
        .await;
    if !ours.context("could not verify a form")? {
        return Err(not_from_the_page().into());
    }
    match form.said {
        Some(Said::Decide(verdict)) => decide(form, verdict, link, ports).await,
        Some(Said::Withdraw) => withdraw(link, ports).await,
        None => Err(incomplete().into()),
    }
}

/// What the form of a verified link decides.
async fn decide<W, I, D, O, X, S, C>(
    form: Form,
    verdict: Verdict,
    link: &Link,
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
    let now = ports.clock.now();
    let Asked { wave, open } = asked(link, &form.token, ports).await?;
    if verdict == Verdict::Approve {
        let may = wave.may_approve(link.gate, &link.approver);
        may.map_err(|why| Refused::new(Status::Forbidden, format!("{why}.")))?;
    }
    let only = part(&form, verdict, &wave, &open)?;
    let about = (!only.is_whole()).then(|| {
        let names: Vec<_> = only.applications.iter().map(|a| a.as_str()).collect();
        names.join(", ")
    });
    let message = Message {
        id: link.message(),
        at: now,
        by: link.approver.clone(),
        body: Body::Decide {
            gate: link.gate,
            verdict,
            evidence: link.evidence.clone(),
            door: link.door,
            only,
            reason: form.reason,
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
        // Sent twice at once: the other was first.
        let first = ports.inbox.message(&wave.id, &message.id).await;
        let first = first.context("could not read a decision")?;
        let first = first.as_ref().unwrap_or(&message);
        return Err(used(first, None, &wave, link, now).into());
    }
    let wave_page = wave_page(link, ports.signer).await?;
    Ok(page::recorded(link, verdict, about.as_deref(), &wave_page))
}

/// The code of a form of this link's page.
async fn nonce(token: &str, signer: &impl Signer) -> Result<String, Failure> {
    let code = signer.sign(&form_message(token)).await;
    Ok(URL_SAFE_NO_PAD.encode(code.context("could not sign a form")?))
}

/// The address of the wave's page for whom the link was made for, relative to the link's.
async fn wave_page(link: &Link, signer: &impl Signer) -> Result<String, Failure> {
    let pass = Pass {
        wave: link.wave.clone(),
        holder: link.approver.clone(),
        expires: link.expires,
    };
    Ok(pass.address(signer).await?)
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
        Some(GateState::Lapsed { .. }) => Err(NotOpen::Changed),
        None => Err(NotOpen::Closed),
        Some(GateState::Approved { .. }) => Err(NotOpen::Approved),
        Some(GateState::Open(open)) if open.expires <= now => Err(NotOpen::Expired),
        Some(GateState::Open(open)) if open.evidence.hash() != evidence => Err(NotOpen::Changed),
        Some(GateState::Open(open)) => Ok(open),
    }
}

/// What somebody is told who approved already, by another identity perhaps.
pub(crate) fn already(approval: &Approval, wave: &Wave, gate: Gate, now: Timestamp) -> String {
    format!(
        "{} approved this at {} already; a person counts once. {}",
        approval.by,
        words::time(approval.at, None),
        standing(wave, gate, now)
    )
}

/// How a gate stands, a sentence that says who decided and when, if somebody did.
pub(crate) fn standing(wave: &Wave, gate: Gate, now: Timestamp) -> String {
    let zone = wave.plan.window.as_ref().map(|w| w.time_zone.as_str());
    let name = format!("The {gate} gate of wave {}", wave.id);
    match wave.gates.get(&gate) {
        Some(GateState::Approved { at, by, .. }) => {
            let by = if by.is_empty() {
                "the plan".to_owned()
            } else {
                by.join(", ")
            };
            format!("{name} was approved by {by} at {}.", words::time(*at, zone))
        }
        Some(GateState::Open(open)) if wave.expired_under_hold(gate, now) => format!(
            "{name} expired at {} while the wave was held; it is asked anew once the wave goes on.",
            words::time(open.expires, zone)
        ),
        Some(GateState::Open(open)) if open.expires <= now => format!(
            "{name} expired undecided at {}.",
            words::time(open.expires, zone)
        ),
        Some(GateState::Open(open)) => format!(
            "{name} has {} of {} approvals and waits until {}.",
            open.approvals.len(),
            gate_plan(wave, gate).quorum,
            words::time(open.expires, zone)
        ),
        Some(GateState::Lapsed { at, .. }) => format!(
            "What {name} was asked about changed at {}; it asks again.",
            words::time(*at, zone)
        ),
        None => match &wave.hold {
            Some(hold) => match &hold.reason {
                HoldReason::Rejected { gate: rejected, by } if rejected == gate.name() => {
                    let at = words::time(hold.since, zone);
                    format!("{name} was rejected by {by} at {at}; the wave is held.")
                }
                HoldReason::Expired { gate: expired } if expired == gate.name() => {
                    let at = words::time(hold.since, zone);
                    format!("{name} expired undecided at {at}; the wave is held.")
                }
                _ => format!("{name} is not open now."),
            },
            None => format!("{name} is not open now."),
        },
    }
}

/// The link of a token, if we made it.
async fn verified(token: &str, signer: &impl Signer) -> Result<Link, Failure> {
    let sealed = Sealed::parse(token).map_err(|_| altered())?;
    let genuine = signer.verify(&sealed.signed(), sealed.code()).await;
    if !genuine.context("could not verify a link")? {
        let message = "This link was not made by Tidegate, or it was altered: use the one in your \
                       mail as it is.";
        return Err(Refused::new(Status::Forbidden, message).into());
    }
    Ok(sealed.open().map_err(|_| altered())?)
}

/// The wave of a link.
async fn wave_of(link: &Link, waves: &impl Waves) -> Result<Wave, Failure> {
    let wave = waves.wave(&link.wave).await;
    Ok(wave.context("could not read the wave")?.ok_or_else(|| {
        let message = format!("There is no wave {} any more.", link.wave);
        Refused::new(Status::NotFound, message)
    })?)
}

/// What a verified link asks, if that is asked.
async fn asked<W: Waves, I: Inbox, D, O, X, S: Signer, C: Clock>(
    link: &Link,
    token: &str,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Asked, Failure> {
    let wave = wave_of(link, ports.waves).await?;
    let now = ports.clock.now();
    let before = Used::of(link, ports.inbox).await?;
    if let Used {
        first: Some(first),
        withdrawn,
    } = before
    {
        let mut refused = used(&first, withdrawn.as_ref(), &wave, link, now);
        if link.expires <= now {
            return Err(refused.into());
        }
        if withdrawn.is_none() && may_withdraw(Some(&first), &wave, link, now).is_ok() {
            refused.withdraw = Some(Box::new(Withdraw {
                token: token.to_owned(),
                nonce: nonce(token, ports.signer).await?,
            }));
        }
        let page = wave_page(link, ports.signer).await?;
        return Err(refused.with_wave_page(page).into());
    }
    if link.expires <= now {
        let message = format!(
            "This link expired at {}: nothing was decided with it. {}",
            words::time(link.expires, None),
            standing(&wave, link.gate, now)
        );
        return Err(Refused::new(Status::Gone, message).into());
    }
    if wave.phase.terminal() {
        let message = format!(
            "Wave {} has ended ({}): nothing is asked.",
            wave.id,
            wave.phase.name()
        );
        return Err(Refused::new(Status::Gone, message).into());
    }
    let open = match open_gate(&wave, link.gate, &link.evidence, now) {
        Ok(open) => open.clone(),
        Err(not_open) => {
            let page = wave_page(link, ports.signer).await?;
            let refused = too_late(not_open, &wave, link, now);
            return Err(refused.with_wave_page(page).into());
        }
    };
    let plan = gate_plan(&wave, link.gate);
    plan.may_decide(&link.approver, link.door, &open)
        .map_err(|why| Refused::new(Status::Forbidden, format!("{why}.")))?;
    if let Some(approval) = plan.approval_of(&link.approver, &open) {
        let message = already(approval, &wave, link.gate, now);
        return Err(Refused::new(Status::Gone, message).into());
    }
    Ok(Asked { wave, open })
}

/// The part of the gate that the form is about; a rejection is always about the whole.
fn part(form: &Form, verdict: Verdict, wave: &Wave, open: &OpenGate) -> Result<Part, Refused> {
    if verdict == Verdict::Reject {
        return Ok(Part::default());
    }
    let mut applications = form.only.clone();
    applications.sort();
    applications.dedup();
    let every = open.evidence.servers.iter();
    if every.clone().all(|s| applications.contains(&s.application)) {
        applications.clear();
    }
    let part = Part {
        applications,
        servers: Vec::new(),
    };
    match open.evidence.part(&wave.plan, &part) {
        Ok(_) => Ok(part),
        Err(why) => Err(Refused::new(
            Status::Conflict,
            format!("Nothing was decided: {why}. Open the link again and decide there."),
        )),
    }
}

fn form_message(token: &str) -> Vec<u8> {
    format!("{FORM_PURPOSE}{token}").into_bytes()
}

fn altered() -> Refused {
    let message = "This link is incomplete or was altered: use the one in your mail, as a whole.";
    Refused::new(Status::BadRequest, message)
}

fn too_late(not_open: NotOpen, wave: &Wave, link: &Link, now: Timestamp) -> Refused {
    let message = match not_open {
        NotOpen::Automatic => format!(
            "The {} gate of wave {} is decided by the plan itself: nothing is asked.",
            link.gate, link.wave
        ),
        NotOpen::Closed | NotOpen::Approved | NotOpen::Expired => {
            format!(
                "{} Nothing is left to decide with this link.",
                standing(wave, link.gate, now)
            )
        }
        NotOpen::Changed => format!(
            "What this link asked has changed since: the {} gate of wave {} asks again, in a newer \
             mail.",
            link.gate, link.wave
        ),
    };
    Refused::new(Status::Gone, message)
}
