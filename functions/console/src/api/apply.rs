//! `POST /api/waves`: a plan becomes a wave, or amends one that is under way.

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::{self, Approver, Named, Plan, PlanError, PlanErrors};
use tidegate_ports::claims::Owners;
use tidegate_ports::clock::Clock;
use tidegate_ports::driver::{Drivers, start, wake};
use tidegate_ports::error::{Context, HandlerError, chain};
use tidegate_ports::executions::Executions;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use super::{Uuid, read, sent_before};
use crate::Ports;
use crate::payload::Request;
use crate::refused::{Failure, Refused, Status};

/// The largest plan file, in bytes.
const LARGEST_PLAN: usize = 1024 * 1024;

/// The largest body: a plan whose every other character JSON escapes.
const LARGEST_BODY: usize = 2 * LARGEST_PLAN;

/// The largest plan as it is stored: an item of DynamoDB holds 400 KB.
const LARGEST_STORED: usize = 256 * 1024;

/// How many owners are looked up at once.
const AT_ONCE: usize = 25;

/// The most servers of other waves that are told, each with its place.
const MOST_NAMED: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    plan: String,
    message: Uuid,
}

/// Take a plan; gives its wave.
pub(super) async fn apply<W, I, D, O, X, S, C>(
    request: &Request,
    caller: Approver,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    lease: SignedDuration,
) -> Result<WaveId, Failure>
where
    W: Waves,
    I: Inbox,
    D: Drivers,
    O: Owners,
    X: Executions,
    S: Signer,
    C: Clock,
{
    let Application { plan, message } = read(request, LARGEST_BODY)?;
    let now = ports.clock.now();
    let text = plan;
    let plan = match checked(&text, now)? {
        Ok(plan) => plan,
        Err(errors) => return Err(faulty(errors, &text, now, ports).await?.into()),
    };
    let wave = plan.wave.clone();
    let message = Message {
        id: message.0,
        at: now,
        by: caller,
        body: Body::Apply(Box::new(plan)),
    };
    if !sent_before(&wave, &message, ports.inbox).await?
        && let Body::Apply(plan) = &message.body
    {
        fits(plan, &text, now, ports).await?;
    }
    let new = ports
        .inbox
        .append(&wave, &message)
        .await
        .context("could not append to the inbox")?;
    tracing::info!(%wave, message_id = %message.id, by = %message.by, new, "plan appended");
    ports
        .drivers
        .create(&wave, now)
        .await
        .context("could not create the driver")?;
    if !new {
        // Another of the same ID may have come meanwhile.
        sent_before(&wave, &message, ports.inbox).await?;
    }
    begin(&wave, ports, lease).await?;
    Ok(wave)
}

/// Whether the plan can become a wave, or amend the one of its name.
async fn fits<W: Waves, I, D, O: Owners, X, S, C>(
    plan: &Plan,
    text: &str,
    now: Timestamp,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<(), Failure> {
    let earlier = ports
        .waves
        .wave(&plan.wave)
        .await
        .context("could not read the wave")?;
    if let Some(earlier) = &earlier
        && earlier.phase.terminal()
    {
        let message = format!(
            "The name {} was used by a wave that has ended ({}): give this one another.",
            plan.wave,
            earlier.phase.name()
        );
        return Err(Refused::new(Status::Conflict, message).into());
    }
    let mut problems = owned(&plan::named(text), ports.owners).await?;
    let kept = earlier.is_some_and(|earlier| earlier.plan.window == plan.window);
    // Only a wave that is under way has a window that is over.
    if !kept && let Err(errors) = plan::parse(text, now) {
        problems.extend(errors.0);
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(wrong(problems).into())
}

/// Everything that is wrong with a plan that has errors of its own: these, and what of it belongs
/// to other waves.
async fn faulty<W: Waves, I, D, O: Owners, X, S, C>(
    errors: PlanErrors,
    text: &str,
    now: Timestamp,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Refused, Failure> {
    let named = plan::named(text);
    let earlier = match &named.wave {
        Some(wave) => ports.waves.wave(wave).await,
        None => Ok(None),
    };
    let under_way = earlier.context("could not read the wave")?.is_some();
    // Only a wave that is under way may have a window that is over.
    let errors = match plan::parse(text, now) {
        Err(all) if !under_way => all,
        Ok(_) | Err(_) => errors,
    };
    let mut problems = owned(&named, ports.owners).await?;
    problems.extend(errors.0);
    Ok(wrong(problems))
}

/// Start the wave's driver if it was never started, else wake it.
async fn begin<W, I, D: Drivers, O, X: Executions, S, C: Clock>(
    wave: &WaveId,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    lease: SignedDuration,
) -> Result<(), HandlerError> {
    let (drivers, executions) = (ports.drivers, ports.executions);
    let driver = drivers
        .driver(wave)
        .await
        .context("could not read the driver")?;
    let Some(driver) = driver.filter(|driver| driver.generation == 0) else {
        return wake(drivers, executions, wave)
            .await
            .context("could not count a wake");
    };
    // The message is in the inbox and the driver is due: should this fail, sweep starts it.
    if let Err(error) = start(drivers, executions, wave, &driver, ports.clock.now(), lease).await {
        tracing::warn!(%wave, error = chain(&error), "driver not started; sweep will");
    }
    Ok(())
}

/// Read the plan; its errors are told with what else is wrong with it.
fn checked(text: &str, now: Timestamp) -> Result<Result<Plan, PlanErrors>, Refused> {
    if text.len() > LARGEST_PLAN {
        let message = format!("The plan is too large: at most {LARGEST_PLAN} bytes.");
        return Err(Refused::new(Status::TooLarge, message));
    }
    let plan = match plan::parse_change(text, now) {
        Ok(plan) => plan,
        Err(errors) => return Ok(Err(errors)),
    };
    let stored = serde_json::to_vec(&plan).map_or(usize::MAX, |json| json.len());
    if stored > LARGEST_STORED {
        let message = format!(
            "The plan is too large to be stored ({stored} bytes of {LARGEST_STORED}): \
             split the wave, or shorten the documents' parameters."
        );
        return Err(Refused::new(Status::Unprocessable, message));
    }
    Ok(Ok(plan))
}

/// A plan with these errors.
fn wrong(mut problems: Vec<PlanError>) -> Refused {
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let message = match problems.len() {
        1 => "The plan has an error: mend it and apply it again.".to_owned(),
        count => format!("The plan has {count} errors: mend them and apply it again."),
    };
    Refused {
        problems,
        ..Refused::new(Status::Unprocessable, message)
    }
}

/// The servers that a plan names and another live wave owns, each where it stands. Servers that are
/// picked by hostname or tag are known only when the wave starts; it claims them then.
async fn owned(named: &Named, owners: &impl Owners) -> Result<Vec<PlanError>, HandlerError> {
    let servers: Vec<(&ServerId, &(usize, usize))> = named.servers.iter().collect();
    let unless = match &named.wave {
        Some(_) => "",
        None => "unless this is that wave, ",
    };
    let mut owned = Vec::new();
    for some in servers.chunks(AT_ONCE) {
        let found = try_join_all(some.iter().map(|(server, _)| owners.owner(server)));
        let found = found.await.context("could not find the servers' owners")?;
        for ((server, (line, column)), owner) in some.iter().zip(found) {
            let Some(owner) = owner.filter(|owner| Some(owner) != named.wave.as_ref()) else {
                continue;
            };
            owned.push(PlanError {
                line: *line,
                column: *column,
                message: format!(
                    "{server} belongs to wave {owner}, which is under way: {unless}take it out of \
                     the plan, or end that wave first"
                ),
            });
        }
    }
    owned.sort_by_key(|problem| (problem.line, problem.column));
    let more = owned.len().saturating_sub(MOST_NAMED);
    owned.truncate(MOST_NAMED);
    if let Some(last) = owned.last_mut().filter(|_| more > 0) {
        last.message = format!("{}; and so do {more} more", last.message);
    }
    Ok(owned)
}
