//! `gate`: asks the approvers of a gate, each by a mail with a link of their own.
//!
//! **Invariant 9**: a link is made for one person, one evidence and one expiry, and signed. The
//! same effect always makes the same links, so that running it twice asks twice and counts once.

mod mail;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::link::Link;
use tidegate_domain::plan::Approver;
use tidegate_ports::act::claim;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError};
use tidegate_ports::mail::{Mail, Mails};
use tidegate_ports::signer::Signer;

pub use mail::Question;
pub use tidegate_ports::act::{Request, Response};

/// What the function reaches.
#[derive(Debug)]
pub struct Ports<'a, E, S, M, C> {
    /// The effects.
    pub effects: &'a E,
    /// The key that signs links.
    pub signer: &'a S,
    /// The topic.
    pub mails: &'a M,
    /// The time.
    pub clock: &'a C,
}

/// Ask the approvers. `console_url` is the console's address without a slash at its end; `until`
/// is when Lambda ends this invocation.
///
/// # Errors
/// `Retryable` when a mail's fate is unknown or a service does not answer: the effect is taken up
/// again after the deadline, and everybody is asked again, with the same links.
pub async fn handle<E: Effects, S: Signer, M: Mails, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, S, M, C>,
    console_url: &str,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    let Task::OpenGate {
        gate,
        evidence,
        approvers,
        expires,
    } = &claimed.effect.task
    else {
        return Err(claimed.wrong_function("gate"));
    };
    let question = Question {
        gate: *gate,
        evidence,
        approvers,
        expires: *expires,
        console_url,
    };
    if claimed.now() >= *expires {
        // Nobody could answer any more; the decision sees the expiry by itself.
        tracing::warn!(wave = %evidence.wave, %gate, %expires, "gate expired before it was asked");
        return claimed.answer(&Outcome::Done).await;
    }
    let mut refused: Option<Refusal> = None;
    for to in question.recipients() {
        if !claimed.in_time() {
            return Err(out_of_time());
        }
        match send(&question, to, ports.signer, ports.mails).await? {
            Ok(()) => {
                let to = to.map_or_else(|| "the topic".to_owned(), Approver::to_string);
                tracing::info!(wave = %evidence.wave, %gate, to, "approver asked");
            }
            Err(refusal) => refused = Some(refusal),
        }
    }
    claimed
        .answer(&refused.map_or(Outcome::Done, Outcome::Refused))
        .await
}

/// Ask one approver, or everybody who subscribed to news if `to` is None. A refusal is for good.
async fn send(
    question: &Question<'_>,
    to: Option<&Approver>,
    signer: &impl Signer,
    mails: &impl Mails,
) -> Result<Result<(), Refusal>, HandlerError> {
    let mail = match to {
        None => question.mail(None, None),
        Some(to) => {
            let link = question.link(to);
            match signer.sign(&link.signed()).await {
                Ok(code) => question.mail(Some(to), Some(&url(question.console_url, &link, &code))),
                Err(ReadError::Denied(message)) => {
                    return Ok(Err(Refusal {
                        kind: RefusalKind::Denied,
                        message,
                    }));
                }
                Err(error) => return Err(error).context("could not sign a link"),
            }
        }
    };
    deliver(mails, &mail).await
}

async fn deliver(mails: &impl Mails, mail: &Mail) -> Result<Result<(), Refusal>, HandlerError> {
    match mails.send(mail).await {
        Ok(()) => Ok(Ok(())),
        Err(CallError::Refused(refusal)) if refusal.kind != RefusalKind::Throttled => {
            Ok(Err(refusal))
        }
        Err(error) => Err(error).context("could not send a mail"),
    }
}

fn url(console_url: &str, link: &Link, code: &[u8]) -> String {
    format!("{console_url}/decide?token={}", link.token(code))
}

fn out_of_time() -> HandlerError {
    HandlerError::Retryable {
        context: "could not ask every approver".to_owned(),
        source: "too little time was left".into(),
    }
}
