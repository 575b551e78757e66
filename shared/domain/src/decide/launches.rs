//! The launch planner: which servers go into which job, within MGN's slots.
//!
//! **Invariant 8**: nothing is asked for that the reservations do not cover.
//!
//! The bound for launching N servers is max(longest launch, sum of launches / 200). Jobs of about
//! ten keep 200 servers in flight in 20 jobs; servers of like size share a job, the largest
//! first, so that few stragglers hold a job's slots.

use super::turn::{Turn, later};
use super::{wants, window};
use crate::effect::{IRREVERSIBLE_WITHIN, Task};
use crate::hold::HoldReason;
use crate::id::{EffectId, ServerId};
use crate::server::{JobStep, Purpose, Server, Stage, TestInstance};
use crate::slots::{Free, RESERVATION, Reservation};

/// Servers in a job where slots are plenty.
const USUAL_JOB: usize = 10;
/// The most servers in one job (AWS General Reference).
const MOST_IN_JOB: usize = 200;
/// How long to wait after a refusal for quota.
const QUOTA_PAUSE: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
/// How long a wave may go without a slot before a person is asked.
const STARVED: jiff::SignedDuration = jiff::SignedDuration::from_mins(60);

/// What a job is for; also the order in which slots are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cutover,
    Test,
    Terminate,
}

/// Plan jobs for every server that is due for one.
pub(super) fn plan(turn: &mut Turn) {
    let mut starved = false;
    for kind in [Kind::Cutover, Kind::Test, Kind::Terminate] {
        let due = due(turn, kind);
        if due.is_empty() {
            continue;
        }
        let left = plan_kind(turn, kind, due);
        starved |= left > 0;
    }
    waiting(turn, starved);
}

/// The indices of the servers that are due, the largest first, those that were refused last.
fn due(turn: &mut Turn, kind: Kind) -> Vec<usize> {
    let mut due = Vec::new();
    let mut next = None::<jiff::Timestamp>;
    for (index, server) in turn.servers.iter().enumerate() {
        let (this, step) = match &server.stage {
            Stage::Launching {
                purpose: Purpose::Test,
                step,
            } => (Kind::Test, step),
            Stage::Launching {
                purpose: Purpose::Cutover,
                step,
            } => (Kind::Cutover, step),
            Stage::Terminating { step, .. }
            | Stage::Tested {
                instance: TestInstance::Terminating(step),
            } => (Kind::Terminate, step),
            _ => continue,
        };
        let JobStep::Due { not_before } = step else {
            continue;
        };
        if this != kind {
            continue;
        }
        if *not_before <= turn.now {
            due.push(index);
        } else {
            next = Some(next.map_or(*not_before, |n| n.min(*not_before)));
        }
    }
    if let Some(at) = next {
        turn.look_again(at);
    }
    due.retain(|index| wants::may_launch(turn, *index) && is_free(turn, *index));
    due.sort_by_key(|index| {
        let server = turn.servers.get(*index);
        let size = server
            .and_then(|s| turn.seen.get(&s.id))
            .map_or(0, |s| s.replication.total_bytes);
        (server.map_or(0, |s| s.refusals), std::cmp::Reverse(size))
    });
    due
}

/// Whether no job of MGN has a server any more; else it is looked at again soon.
fn is_free(turn: &mut Turn, index: usize) -> bool {
    let server = turn.servers.get(index);
    let free = server.is_some_and(|server| !wants::job_goes_on(turn, server));
    if !free {
        turn.look_again_soon();
    }
    free
}

/// Plan as many jobs as there is room for; gives how many servers were left without a slot.
fn plan_kind(turn: &mut Turn, kind: Kind, due: Vec<usize>) -> usize {
    let all = turn.slots.free(turn.jobs.as_ref());
    let mut free = turn.slots.share(&turn.wave.id, all);
    let refused = |turn: &Turn, i: usize| turn.servers.get(i).is_some_and(|s| s.refusals > 0);
    let (alone, together): (Vec<_>, Vec<_>) = due.into_iter().partition(|i| refused(turn, *i));
    let size = job_size(together.len(), free);
    let jobs = together
        .chunks(size)
        .map(<[usize]>::to_vec)
        .chain(alone.into_iter().map(|index| vec![index]));
    let mut left = 0;
    for mut job in jobs {
        if free.jobs == 0 || free.servers == 0 || !turn.can_plan() {
            left += job.len();
            continue;
        }
        let room = usize::try_from(free.servers).unwrap_or(usize::MAX);
        if job.len() > room {
            left += job.len() - room;
            job.truncate(room);
        }
        if request(turn, kind, &job) {
            free.jobs -= 1;
            free.servers -= u32::try_from(job.len()).unwrap_or(free.servers);
        }
    }
    left
}

/// About ten; more where there are fewer jobs than that needs.
fn job_size(servers: usize, free: Free) -> usize {
    let jobs = usize::try_from(free.jobs.max(1)).unwrap_or(1);
    let most = servers.min(usize::try_from(free.servers).unwrap_or(usize::MAX));
    most.div_ceil(jobs).clamp(USUAL_JOB, MOST_IN_JOB)
}

/// Plan one job and reserve its slots.
fn request(turn: &mut Turn, kind: Kind, job: &[usize]) -> bool {
    let servers: Vec<ServerId> = job
        .iter()
        .filter_map(|i| turn.servers.get(*i))
        .map(|s| s.id.clone())
        .collect();
    let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    let task = match kind {
        Kind::Test => Task::StartTest { servers },
        Kind::Cutover => Task::StartCutover {
            servers,
            not_after: {
                let soon = turn.after(IRREVERSIBLE_WITHIN);
                window::latest_start(turn, job).map_or(soon, |latest| latest.min(soon))
            },
        },
        Kind::Terminate => Task::TerminateTests { servers },
    };
    let Some(effect) = turn.plan(task) else {
        return false;
    };
    turn.slots.reservations.insert(
        effect.clone(),
        Reservation {
            wave: turn.wave.id.clone(),
            servers: count,
            job: None,
            expires: later(turn.now, RESERVATION),
        },
    );
    turn.note_by(
        "JobPlanned",
        format!(
            "A {} of {} is asked for.",
            kind.word(),
            super::turn::servers(job.len())
        ),
        "tidegate",
        &effect,
    );
    for index in job {
        let effect = effect.clone();
        turn.with_server(*index, |turn, server| {
            let step = JobStep::Requested {
                effect,
                since: turn.now,
            };
            set_step(&mut server.stage, step);
        });
    }
    true
}

/// Set how far the job of a stage is, where the stage has one.
pub(super) fn set_step(stage: &mut Stage, step: JobStep) {
    match stage {
        Stage::Launching { step: place, .. }
        | Stage::Terminating { step: place, .. }
        | Stage::Tested {
            instance: TestInstance::Terminating(place),
        } => *place = step,
        _ => {}
    }
}

/// Remember that this wave waits for slots, or no longer does; ask a person in the end.
fn waiting(turn: &mut Turn, starved: bool) {
    let id = turn.wave.id.clone();
    if starved {
        let at = turn.after(QUOTA_PAUSE);
        turn.look_again(at);
        turn.slots.waiting.insert(id.clone(), turn.now);
    } else {
        turn.slots.waiting.remove(&id);
    }
    // A job of its own runs: it is getting on.
    let mut reservations = turn.slots.reservations.values();
    let runs = reservations.any(|r| r.wave == id && r.job.is_some());
    if runs || !turn.servers.iter().any(wants_a_job) {
        turn.wave.starved_since = None;
        return;
    }
    if starved {
        turn.wave.starved_since.get_or_insert(turn.now);
    }
    let since = turn.wave.starved_since;
    if let Some(since) = since.filter(|since| turn.now >= later(*since, STARVED)) {
        turn.wave.starved_since = None;
        turn.hold(HoldReason::Quota {
            message: format!("no slot was free for this wave since {since}"),
        });
    }
}

/// Whether a server is to go into a job, or is asked to be in one.
fn wants_a_job(server: &Server) -> bool {
    match &server.stage {
        Stage::Launching { step, .. }
        | Stage::Terminating { step, .. }
        | Stage::Tested {
            instance: TestInstance::Terminating(step),
        } => matches!(step, JobStep::Due { .. } | JobStep::Requested { .. }),
        _ => false,
    }
}

/// Keep the reservations of this wave alive, give back those whose job has ended, and tell those
/// who wait.
pub(super) fn keep_slots(turn: &mut Turn) {
    turn.slots.expire(turn.now);
    let mut in_use: std::collections::BTreeMap<crate::id::JobId, bool> = Default::default();
    for server in &turn.servers {
        if let Some(job) = turn.seen.get(&server.id).and_then(|s| s.job.as_ref()) {
            in_use.insert(job.id.clone(), !job.completed);
        }
    }
    let expires = later(turn.now, RESERVATION);
    let mine = turn.wave.id.clone();
    let mut ended: Vec<EffectId> = Vec::new();
    for (effect, reservation) in &mut turn.slots.reservations {
        if reservation.wave != mine {
            continue;
        }
        let over = match &reservation.job {
            // A job that no server of ours waits for any more is counted with the account's jobs.
            Some(job) => in_use
                .get(job)
                .map_or_else(|| !waits_for(&turn.servers, job), |runs| !runs),
            None => !turn.wave.open.contains_key(effect),
        };
        if over {
            ended.push(effect.clone());
        } else if reservation.expires < later(turn.now, RESERVATION / 2) {
            reservation.expires = expires;
        }
    }
    for effect in ended {
        release(turn, &effect);
    }
}

/// Give an effect's slots back and have the waves that wait for them looked at.
pub(super) fn release(turn: &mut Turn, effect: &EffectId) {
    if turn.slots.reservations.remove(effect).is_some() {
        let mine = turn.wave.id.clone();
        turn.make_due
            .extend(turn.slots.waiting.keys().filter(|w| **w != mine).cloned());
    }
}

fn waits_for(servers: &[Server], job: &crate::id::JobId) -> bool {
    servers.iter().any(|server| match &server.stage {
        Stage::Launching {
            step: JobStep::Running { job: j, .. },
            ..
        }
        | Stage::Terminating {
            step: JobStep::Running { job: j, .. },
            ..
        }
        | Stage::Tested {
            instance: TestInstance::Terminating(JobStep::Running { job: j, .. }),
        } => j == job,
        _ => false,
    })
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Cutover => "cutover",
            Self::Test => "test",
            Self::Terminate => "termination",
        }
    }
}
