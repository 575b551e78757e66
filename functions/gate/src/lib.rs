//! `gate`: asks the approvers of a gate, each by a mail with a link of their own, and in Slack by
//! one message for all.
//!
//! **Invariant 9**: a link is made for one person, one evidence and one expiry, and signed. The
//! same effect always makes the same links, so that running it twice asks twice and counts once.

mod filter;
mod mailboxes;
mod slack;

use jiff::Timestamp;
use tidegate_domain::effect::{Outcome, Refusal, RefusalKind, Task};
use tidegate_domain::gate::Asking;
use tidegate_domain::link::Link;
use tidegate_domain::plan::Approver;
use tidegate_notifications::question::Question;
use tidegate_ports::act::claim;
use tidegate_ports::clock::Clock;
use tidegate_ports::effects::Effects;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError};
use tidegate_ports::mail::{Mail, Mails, Subscribers};
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::SlackPosts;
use tidegate_slack::message::ended;

pub use tidegate_ports::act::{Request, Response};

/// What the function reaches.
#[derive(Debug)]
pub struct Ports<'a, E, S, M, K, C> {
    /// The effects.
    pub effects: &'a E,
    /// The key that signs links.
    pub signer: &'a S,
    /// The topic.
    pub mails: &'a M,
    /// The Slack app.
    pub slack: &'a K,
    /// The time.
    pub clock: &'a C,
}

/// Ask the approvers. `console_url` is the console's address without a slash at its end; `until`
/// is when Lambda ends this invocation.
///
/// # Errors
/// `Retryable` when a mail's fate is unknown or a service does not answer: the effect is taken up
/// again after the deadline, and everybody is asked again, with the same links.
pub async fn handle<E: Effects, S: Signer, M: Mails + Subscribers, K: SlackPosts, C: Clock>(
    request: Request,
    ports: &Ports<'_, E, S, M, K, C>,
    console_url: &str,
    until: Timestamp,
) -> Result<Response, HandlerError> {
    let Some(claimed) = claim(ports.effects, ports.clock, &request, until).await? else {
        return Ok(Response {});
    };
    if let Task::CloseQuestion {
        gate,
        posted,
        end,
        by,
    } = &claimed.effect.task
    {
        if !claimed.in_time() {
            return Err(out_of_time());
        }
        let wave = &claimed.effect.wave;
        let over = ended(wave, *gate, end, by);
        let outcome = slack::close(posted, &over, ports.slack).await;
        return claimed.answer(&outcome).await;
    }
    let Task::OpenGate {
        gate,
        evidence,
        approvers,
        expires,
        mailboxes,
        notify,
        asking,
        withdrawals,
        minimum,
    } = &claimed.effect.task
    else {
        return Err(claimed.wrong_function("gate"));
    };
    let question = Question {
        gate: *gate,
        evidence,
        approvers,
        expires: *expires,
        notify,
        asking: *asking,
        withdrawals: *withdrawals,
        minimum: *minimum,
        console_url,
    };
    if claimed.now() >= *expires {
        // Nobody could answer any more; the decision sees the expiry by itself.
        tracing::warn!(wave = %evidence.wave, %gate, %expires, "gate expired before it was asked");
        return claimed.answer(&Outcome::Done).await;
    }
    let mut refused: Option<Refusal> = None;
    let recipients = question.recipients();
    let mut unreached = match each_their_own(&question, mailboxes, ports.mails).await? {
        Ok(unreached) => unreached,
        Err(refusal) => return claimed.answer(&Outcome::Refused(refusal)).await,
    };
    for &to in &recipients {
        if !claimed.in_time() {
            return Err(out_of_time());
        }
        let name = to.map_or_else(|| "the topic".to_owned(), Approver::to_string);
        match send(&question, to, ports.signer, ports.mails).await? {
            Ok(()) => tracing::info!(wave = %evidence.wave, %gate, to = name, "approver asked"),
            Err(refusal) => {
                let reason = &refusal.message;
                tracing::warn!(wave = %evidence.wave, %gate, to = name, reason, "mail refused");
                unreached.extend(question.asked_by(to).cloned());
                refused = Some(refusal);
            }
        }
    }
    let (mut posted, mut in_slack) = (None, false);
    // A question that could not be asked is taken back: it would stand in Slack for nothing.
    let taken_back = refused.is_some() && *asking == Asking::First;
    if question.in_slack() && !taken_back {
        if !claimed.in_time() {
            return Err(out_of_time());
        }
        let others_were_asked = !recipients.is_empty();
        match slack::ask(&question, others_were_asked, ports.signer, ports.slack).await? {
            Ok(answer) => (posted, in_slack) = (answer, true),
            Err(refusal) => refused = Some(refusal),
        }
    }
    unreached.sort_unstable();
    unreached.dedup();
    let outcome = match refused {
        // What Slack took was asked, and where it stands is remembered, whatever became of the mails.
        Some(refusal) if !in_slack => Outcome::Refused(refusal),
        refused => Outcome::Asked {
            posted,
            unreached,
            refused: refused.map(|refusal| refusal.message),
        },
    };
    claimed.answer(&outcome).await
}

/// Make sure that nobody gets the links of two who are asked at this gate: not now, and not by a
/// reminder or an escalation that asks one of them alone. Gives those whom mail may not reach.
async fn each_their_own(
    question: &Question<'_>,
    mailboxes: &[Approver],
    subscribers: &impl Subscribers,
) -> Result<Result<Vec<Approver>, Refusal>, HandlerError> {
    let links: Vec<_> = question.recipients().into_iter().flatten().collect();
    if links.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let others = mailboxes.iter().filter(|one| !links.contains(one));
    let all: Vec<_> = links.iter().copied().chain(others).collect();
    let subscriptions = match subscribers.subscriptions().await {
        Ok(subscriptions) => subscriptions,
        Err(ReadError::Denied(message)) => {
            return Ok(Err(Refusal {
                kind: RefusalKind::Denied,
                message,
            }));
        }
        Err(error) => return Err(error).context("could not read who subscribed to the topic"),
    };
    let shared = || mailboxes::shared(&subscriptions, &all);
    Ok(match question.takes_links().then(shared).flatten() {
        Some(refusal) => Err(refusal),
        None => {
            let mails = links.iter().map(|to| question.mail(Some(to), None));
            Ok(mailboxes::unreached(&subscriptions, mails))
        }
    })
}

/// Ask one approver, with a link if the gate takes links, or everybody who subscribed to news if
/// `to` is None. A refusal is for good.
async fn send(
    question: &Question<'_>,
    to: Option<&Approver>,
    signer: &impl Signer,
    mails: &impl Mails,
) -> Result<Result<(), Refusal>, HandlerError> {
    let mail = match to.filter(|_| question.takes_links()) {
        None => question.mail(to, None),
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
