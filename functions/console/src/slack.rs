//! `POST /slack/actions`: somebody pressed a button of a message in Slack.
//!
//! **Invariant 9**: a click is believed once Slack's signature over the body as it came was
//! verified, counts for the question in the button's own signed value, by the user whom Slack
//! names, once: a double click and a replayed request are the same message.
//!
//! What is not Slack's, or none of ours, is refused by its status. Whoever clicked a button of ours
//! is told what came of it in Slack, where they are; Slack itself then gets its 200.

mod told;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::gate::{Door, OpenGate, Part, Verdict};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::Context;
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{Answer, SlackClicks};
use tidegate_ports::waves::Waves;
use tidegate_slack::app::App;
use tidegate_slack::button::{Button, SealedButton};
use tidegate_slack::click::{Click, Pressed};
use tidegate_slack::message::theirs;
use tidegate_slack::signature::{self, SIGNATURE, SignatureError, TIMESTAMP};

use crate::decide::{NotOpen, already, gate_plan, open_gate, standing};
use crate::pass::Pass;
use crate::payload::Request;
use crate::refused::{Failure, Refused, Status};
use crate::{Ports, SlackDoor, submit};

use told::Telling;

/// The largest body, in bytes: a payload repeats the message, whose texts have limits.
const LARGEST_BODY: usize = 512 * 1024;

/// The longest sentence that whoever clicked is told, in characters.
const LONGEST_SENTENCE: usize = 1_000;

/// How long the address of a wave's page can be used that somebody asks for in Slack.
const PAGE_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// A decision that was made by a button of ours.
#[derive(Debug)]
struct Decision {
    by: Approver,
    at: Timestamp,
    verdict: Verdict,
    button: Button,
    value: String,
}

/// A click that was taken: what the person could not have, if so, and what is to be told.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) refused: Option<Refused>,
    pub(crate) telling: Telling,
}

/// Take a click. What comes of it is recorded when this is done; whom it concerns in Slack is told
/// by [`Telling::tell`].
pub(crate) async fn act<W, I, D, O, X, S, C, K>(
    request: &Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    slack: &SlackDoor<'_, K>,
) -> Result<Taken, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    S: Signer,
    C: Clock,
    K: SlackClicks,
{
    let now = ports.clock.now();
    let body = request.body(LARGEST_BODY)?;
    let app = verified(request, &body, slack.clicks, now).await?;
    let taken = take(&body, &app, ports, slack, now).await;
    taken.map_err(Failure::signed)
}

/// Take what Slack signed.
async fn take<W, I, D, O, X, S, C, K>(
    body: &[u8],
    app: &App,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    slack: &SlackDoor<'_, K>,
    now: Timestamp,
) -> Result<Taken, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    S: Signer,
{
    let click = click(body, app)?;
    let by = Approver::Slack(click.user);
    let mut decision = None;
    let answered = match click.pressed {
        Pressed::Look { value } => {
            let button = genuine(&value, ports.signer).await?;
            look(&by, &button, ports, slack.console_url, now).await
        }
        Pressed::Decide { verdict, value } => {
            let button = genuine(&value, ports.signer).await?;
            let decision = decision.insert(Decision {
                by: by.clone(),
                at: now,
                verdict,
                button,
                value,
            });
            decide(decision, ports).await
        }
    };
    let (answer, refused) = match answered {
        Ok(answer) => (answer, None),
        Err(Failure::Refused(mut refused)) => {
            let told = theirs(&refused.message, LONGEST_SENTENCE);
            refused.message = format!("{by}: {}", refused.message);
            refused.signed = true;
            (Answer::Whisper(told), Some(refused))
        }
        Err(failed) => return Err(failed),
    };
    let telling = Telling::new(by, answer, decision, click.response_url, now);
    Ok(Taken { refused, telling })
}

/// The app whose request it is, if Slack signed it.
async fn verified(
    request: &Request,
    body: &[u8],
    slack: &impl SlackClicks,
    now: Timestamp,
) -> Result<Arc<App>, Failure> {
    let app = slack
        .app()
        .await
        .context("could not read the Slack secret")?;
    let app = app.ok_or_else(|| Refused::new(Status::NotFound, "There is no Slack app here."))?;
    let (at, code) = (request.header(TIMESTAMP), request.header(SIGNATURE));
    signature::verify(&app.signing_secret, at, code, body, now).map_err(|error| {
        let status = match error {
            SignatureError::Missing => Status::BadRequest,
            SignatureError::Stale | SignatureError::Wrong => Status::Forbidden,
        };
        Refused::new(status, format!("Not taken: {error}."))
    })?;
    Ok(app)
}

/// The click, if it is one of ours, from where the app is installed.
fn click(body: &[u8], app: &App) -> Result<Click, Refused> {
    let click = Click::parse(body)
        .map_err(|error| Refused::new(Status::BadRequest, format!("Not taken: {error}.")))?;
    if !click.is_from(app) {
        let message = "Not taken: the click is from another workspace.";
        return Err(Refused::new(Status::Forbidden, message));
    }
    Ok(click)
}

/// The button of a value, if we made it.
async fn genuine(value: &str, signer: &impl Signer) -> Result<Button, Failure> {
    let altered = || {
        let message = "Not taken: the button was not made by Tidegate.";
        Refused::new(Status::Forbidden, message)
    };
    let sealed = SealedButton::parse(value).map_err(|_| altered())?;
    let ours = signer.verify(&sealed.signed(), sealed.code()).await;
    if !ours.context("could not verify a button")? {
        return Err(altered().into());
    }
    Ok(sealed.open().map_err(|_| altered())?)
}

/// Where the person can look at the wave: an address that is theirs, and decides nothing.
async fn look<W: Waves, I, D, O, X, S: Signer, C>(
    by: &Approver,
    button: &Button,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    console_url: &str,
    now: Timestamp,
) -> Result<Answer, Failure> {
    let wave = asking(by, button, ports.waves).await?.id;
    let pass = Pass {
        wave,
        holder: by.clone(),
        expires: now.saturating_add(PAGE_LASTS).unwrap_or(Timestamp::MAX),
    };
    let path = pass.address(ports.signer).await?;
    let wave = &pass.wave;
    Ok(Answer::Whisper(format!(
        "<{console_url}/{}|The page of wave {wave}>, for you alone and for an hour.",
        path.trim_start_matches('/')
    )))
}

/// The wave of a button, if this is an approver of its gate.
async fn asking(by: &Approver, button: &Button, waves: &impl Waves) -> Result<Wave, Failure> {
    let Button { wave, gate, .. } = button;
    let found = waves.wave(wave).await.context("could not read the wave")?;
    let found = found.ok_or_else(|| {
        Refused::new(
            Status::NotFound,
            format!("There is no wave {wave} any more."),
        )
    })?;
    if gate_plan(&found, *gate).approver(by).is_none() {
        let message = format!("You are no approver of the {gate} gate of wave {wave}.");
        return Err(Refused::new(Status::Forbidden, message).into());
    }
    Ok(found)
}

/// Record the decision, and say what everybody shall see.
async fn decide<W, I, D, O, X, S, C>(
    decision: &Decision,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Answer, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
{
    let Decision {
        by,
        at,
        verdict,
        button,
        value: _,
    } = decision;
    let Button { wave, gate, .. } = button;
    let found = asking(by, button, ports.waves).await?;
    let plan = gate_plan(&found, *gate);
    let open = asked(button, &found, *at)?;
    let may = plan.may_decide(by, Door::Slack, open);
    let may = may.and_then(|()| match verdict {
        Verdict::Approve => found.may_approve(*gate, by),
        Verdict::Reject => Ok(()),
    });
    may.map_err(|why| Refused::new(Status::Forbidden, format!("Not taken: {why}.")))?;
    if *verdict == Verdict::Approve
        && let Some(approval) = plan.approval_of(by, open)
    {
        let message = already(approval, &found, *gate, *at);
        return Err(Refused::new(Status::Conflict, message).into());
    }
    let message = Message {
        id: button.message(by),
        at: *at,
        by: by.clone(),
        body: Body::Decide {
            gate: *gate,
            verdict: *verdict,
            evidence: button.evidence.clone(),
            door: Door::Slack,
            only: Part::default(),
            reason: None,
        },
    };
    let new = submit(wave, &message, ports.inbox, ports.drivers, ports.executions).await?;
    if !new {
        let message = if open.withdrawals > button.withdrawals {
            format!(
                "You decided with this message before. If that was taken back, have the {gate} gate ask \
                 again: tidegate ask {wave} {gate}."
            )
        } else {
            format!(
                "You decided at the {gate} gate of wave {wave} before: your first decision is recorded, \
                 and counts once."
            )
        };
        return Err(Refused::new(Status::Conflict, message).into());
    }
    Ok(told::shown(decision, &found, open))
}

/// What a button answers, if that is asked at that time.
fn asked<'a>(button: &Button, found: &'a Wave, at: Timestamp) -> Result<&'a OpenGate, Refused> {
    if found.phase.terminal() {
        let (wave, phase) = (&button.wave, found.phase.name());
        let message = format!("Wave {wave} has ended ({phase}): nothing is asked.");
        return Err(Refused::new(Status::Gone, message));
    }
    open_gate(found, button.gate, &button.evidence, at)
        .map_err(|not_open| too_late(not_open, button, found, at))
}

fn too_late(not_open: NotOpen, button: &Button, found: &Wave, at: Timestamp) -> Refused {
    let Button { wave, gate, .. } = button;
    let (status, message) = match not_open {
        NotOpen::Automatic | NotOpen::Closed | NotOpen::Approved => (
            Status::Conflict,
            format!("{} Nothing is left to decide.", standing(found, *gate, at)),
        ),
        NotOpen::Expired => (Status::Gone, standing(found, *gate, at)),
        NotOpen::Changed => (
            Status::Conflict,
            format!(
                "What this message asked has changed since: the {gate} gate of wave {wave} asks \
                 again, in a newer message."
            ),
        ),
    };
    Refused::new(status, message)
}
