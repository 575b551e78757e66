//! `POST /slack/actions`: somebody pressed a button of a message in Slack.
//!
//! **Invariant 9**: a click is believed once Slack's signature over the body as it came was
//! verified, counts for the question in the button's own signed value, by the user whom Slack
//! names, once: a double click and a replayed request are the same message.
//!
//! What is not Slack's, or none of ours, is refused by its status. Whoever clicked a button of ours
//! is told what came of it in Slack, where they are; Slack itself then gets its 200.

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::gate::{Asking, Door, OpenGate, Part, Verdict};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;
use tidegate_domain::words;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::Drivers;
use tidegate_ports::error::{Context, chain};
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::{Answer, SlackClicks};
use tidegate_ports::waves::Waves;
use tidegate_slack::button::{Button, SealedButton};
use tidegate_slack::click::{Click, Pressed};
use tidegate_slack::message::{Question, Standing, ended, said, theirs};
use tidegate_slack::signature::{self, SIGNATURE, SignatureError, TIMESTAMP};

use crate::decide::{NotOpen, gate_plan, open_gate};
use crate::pass::Pass;
use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status};
use crate::{Ports, SlackDoor, empty, submit};

/// The largest body, in bytes: a payload repeats the message, whose texts have limits.
const LARGEST_BODY: usize = 512 * 1024;

/// The longest sentence that whoever clicked is told, in characters.
const LONGEST_SENTENCE: usize = 1_000;

/// How long the address of a wave's page can be used that somebody asks for in Slack.
const PAGE_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// A decision that was made by a button of ours.
struct Decision {
    by: Approver,
    verdict: Verdict,
    button: Button,
    value: String,
}

/// A click that was taken: what Slack is answered, and what the person could not have, if so.
pub(crate) struct Taken {
    pub(crate) response: Response,
    pub(crate) refused: Option<Refused>,
}

/// Take a click.
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
    let click = verified(request, &body, slack.clicks, now).await?;
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
                verdict,
                button,
                value,
            });
            decide(decision, ports, now).await
        }
    };
    let (answer, refused) = match answered {
        Ok(answer) => (answer, None),
        Err(Failure::Refused(mut refused)) => {
            let told = theirs(&refused.message, LONGEST_SENTENCE);
            refused.message = format!("{by}: {}", refused.message);
            (Answer::Whisper(told), Some(refused))
        }
        Err(failed) => return Err(failed),
    };
    if let Some(url) = click.response_url {
        tell(&url, &answer, &by, slack.clicks).await;
        if let Answer::Replace(message) = &answer
            && message.has_buttons()
            && let Some(decision) = &decision
            && let Some(over) = over(&decision.button, ports.waves, ports.clock.now()).await
        {
            tell(&url, &over, &by, slack.clicks).await;
        }
    }
    Ok(Taken {
        response: empty(200),
        refused,
    })
}

/// Answer in Slack. A decision stands whether or not Slack can be told.
async fn tell(url: &str, answer: &Answer, by: &Approver, slack: &impl SlackClicks) {
    if let Err(error) = slack.answer(url, answer).await {
        tracing::warn!(%by, error = chain(&error), "could not answer in Slack");
    }
}

/// The click, if Slack sent it, from our workspace.
async fn verified(
    request: &Request,
    body: &[u8],
    slack: &impl SlackClicks,
    now: Timestamp,
) -> Result<Click, Failure> {
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
    let click = Click::parse(body)
        .map_err(|error| Refused::new(Status::BadRequest, format!("Not taken: {error}.")))?;
    let at_home = click
        .user_team
        .as_ref()
        .is_none_or(|team| *team == app.team);
    if click.team != app.team || !at_home {
        let message = "Not taken: the click is from another workspace.";
        return Err(Refused::new(Status::Forbidden, message).into());
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

/// Record the decision, and say what everybody shall see, or the person alone.
async fn decide<W, I, D, O, X, S, C>(
    decision: &Decision,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    now: Timestamp,
) -> Result<Answer, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    X: Executions,
    C: Clock,
{
    let Decision { by, button, .. } = decision;
    let Button { wave, gate, .. } = button;
    let found = asking(by, button, ports.waves).await?;
    let plan = gate_plan(&found, *gate);
    let open = asked(button, &found, now)?;
    plan.may_decide(by, Door::Slack, open)
        .map_err(|why| Refused::new(Status::Forbidden, format!("Not taken: {why}.")))?;
    let message = Message {
        id: button.message(by),
        at: now,
        by: by.clone(),
        body: Body::Decide {
            gate: *gate,
            verdict: decision.verdict,
            evidence: button.evidence.clone(),
            door: Door::Slack,
            only: Part::default(),
            reason: None,
        },
    };
    let new = submit(wave, &message, ports.inbox, ports.drivers, ports.executions).await?;
    if !new {
        let message = format!(
            "You decided at the {gate} gate of wave {wave} before: your first decision is recorded, \
             and counts once."
        );
        return Err(Refused::new(Status::Conflict, message).into());
    }
    Ok(shown(decision, &found, now))
}

/// The message as everybody sees it now.
fn shown(decision: &Decision, wave: &Wave, now: Timestamp) -> Answer {
    let Decision {
        by,
        verdict,
        button,
        value,
    } = decision;
    let plan = gate_plan(wave, button.gate);
    let Some(tidegate_domain::gate::GateState::Open(open)) = wave.gates.get(&button.gate) else {
        return Answer::Whisper("Your decision is recorded.".to_owned());
    };
    let others = open
        .approvals
        .iter()
        .filter(|other| !plan.same_person(&other.by, by));
    let mut lines: Vec<String> = others
        .map(|other| said(&other.by, Verdict::Approve, other.at))
        .collect();
    lines.push(said(by, *verdict, now));
    let approved = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let still = match verdict {
        Verdict::Reject => {
            lines.push("The wave is held until somebody resumes or aborts it.".to_owned());
            false
        }
        Verdict::Approve if approved < plan.quorum => {
            let missing = words::count((plan.quorum - approved) as usize, "approval");
            lines.push(format!("{missing} more needed."));
            true
        }
        Verdict::Approve => false,
    };
    let question = Question {
        evidence: &open.evidence,
        approvers: &plan.approvers,
        expires: open.expires,
        asking: Asking::First,
    };
    Answer::Replace(question.message(Standing {
        lines: &lines,
        value: still.then_some(value),
    }))
}

/// The message once more, if its question ended before its buttons were put back: who ended it
/// changed it before that, perhaps.
async fn over(button: &Button, waves: &impl Waves, now: Timestamp) -> Option<Answer> {
    let Button { wave, gate, .. } = button;
    let found = waves.wave(wave).await.ok().flatten()?;
    let end = asked(button, &found, now).err()?.message;
    Some(Answer::Replace(ended(wave, *gate, &end)))
}

/// What a button answers, while that is asked.
fn asked<'a>(button: &Button, found: &'a Wave, now: Timestamp) -> Result<&'a OpenGate, Refused> {
    if found.phase.terminal() {
        let (wave, phase) = (&button.wave, found.phase.name());
        let message = format!("Wave {wave} has ended ({phase}): nothing is asked.");
        return Err(Refused::new(Status::Gone, message));
    }
    open_gate(found, button.gate, &button.evidence, now)
        .map_err(|not_open| too_late(not_open, button))
}

fn too_late(not_open: NotOpen, button: &Button) -> Refused {
    let Button { wave, gate, .. } = button;
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
                "What this message asked has changed since: the {gate} gate of wave {wave} asks \
                 again, in a newer message."
            ),
        ),
    };
    Refused::new(status, message)
}
