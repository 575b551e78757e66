//! The question in Slack: one message for all of the gate's people, with buttons that only we can
//! make.

use tidegate_domain::effect::{Outcome, Refusal, RefusalKind};
use tidegate_domain::wave::Posted;
use tidegate_notifications::question::Question;
use tidegate_ports::error::{CallError, Context, HandlerError, ReadError};
use tidegate_ports::signer::Signer;
use tidegate_ports::slack::SlackPosts;
use tidegate_slack::button::Button;
use tidegate_slack::message::{Message, Question as SlackQuestion, Standing};

/// Ask in Slack. A refusal is for good.
///
/// # Errors
/// `Retryable` when nobody knows whether the message was written, unless others were asked
/// already: asking them again at every attempt would bury them in mail while Slack is away, so a
/// person is told instead.
pub(crate) async fn ask(
    question: &Question<'_>,
    others_were_asked: bool,
    signer: &impl Signer,
    slack: &impl SlackPosts,
) -> Result<Result<Option<Posted>, Refusal>, HandlerError> {
    let button = Button {
        wave: question.evidence.wave.clone(),
        gate: question.gate,
        evidence: question.evidence.hash(),
        expires: question.expires,
        withdrawals: question.withdrawals,
    };
    let code = match signer.sign(&button.signed()).await {
        Ok(code) => code,
        Err(ReadError::Denied(message)) => {
            return Ok(Err(Refusal {
                kind: RefusalKind::Denied,
                message,
            }));
        }
        Err(error) => return Err(error).context("could not sign a button"),
    };
    let message = SlackQuestion {
        evidence: question.evidence,
        approvers: question.approvers,
        expires: question.expires,
        asking: question.asking,
        minimum: question.minimum,
    }
    .message(Standing {
        lines: &[],
        value: Some(&button.value(&code)),
    });
    match slack.post(&message).await {
        Ok(posted) => {
            let (wave, gate) = (&question.evidence.wave, question.gate);
            let ts = posted.as_ref().map(|posted| posted.ts.as_str());
            tracing::info!(%wave, %gate, ts, "approvers asked in Slack");
            Ok(Ok(posted))
        }
        Err(CallError::Refused(refusal)) if refusal.kind != RefusalKind::Throttled => {
            Ok(Err(refusal))
        }
        Err(error) if others_were_asked => Ok(Err(Refusal {
            kind: RefusalKind::Conflict,
            message: error.to_string(),
        })),
        Err(error) => Err(error).context("could not ask in Slack"),
    }
}

/// Say in its message that a question is over. Nothing depends on it, so that it is not tried again
/// by another effect.
pub(crate) async fn close(posted: &Posted, over: &Message, slack: &impl SlackPosts) -> Outcome {
    match slack.change(posted, over).await {
        Ok(()) => Outcome::Done,
        Err(CallError::Refused(refusal)) => Outcome::Refused(refusal),
        Err(CallError::Unknown(message)) => Outcome::Refused(Refusal {
            kind: RefusalKind::Conflict,
            message,
        }),
    }
}
