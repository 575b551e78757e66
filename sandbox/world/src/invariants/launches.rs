//! Invariant 7: no cutover without a passed test by our own job, an approved gate whose evidence still
//! holds, a fresh read of zero lag and an open window; no finalize before the soak is over and its gate
//! decided, nor of what is gone. And nothing new starts while a wave is held.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::gate::{Gate, GateState};
use tidegate_domain::id::{ApplicationName, JobId, ServerId, WaveId};
use tidegate_domain::observation::ReplicationState;
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::wave::{Phase, Wave};
use tidegate_ports::turns::Turn;

use super::calls::wave_of;
use super::{Change, violated};
use crate::cloud::Cloud;

/// How long a read of zero lag is fresh: the life of the function that made it.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// How long ago the launch template of what is launched may have been read.
const READ_SETTINGS: SignedDuration = SignedDuration::from_mins(5);

/// How long ago an instance may have gone without anybody having looked: two minutes by what is
/// decided, the decision's own 25 seconds, and the life of the function that looked.
const LOOKED: SignedDuration = SignedDuration::from_mins(5);

/// A check of one server of a wave.
type Check = fn(&Cloud, &Wave, &Server) -> Result<(), String>;

pub(super) fn before(cloud: &Cloud, change: &Change) {
    let check: Check = match change.operation.as_str() {
        "StartCutover" => cutover,
        "FinalizeCutover" => finalize,
        _ => return,
    };
    let wave = change
        .effect
        .as_ref()
        .and_then(|effect| wave_of(cloud, effect));
    for id in &change.servers {
        if let Err(text) = with(cloud, wave.as_ref(), id, check) {
            violated(cloud, 7, format!("{} of {id}: {text}", change.operation));
        }
    }
}

fn with(cloud: &Cloud, wave: Option<&WaveId>, id: &ServerId, check: Check) -> Result<(), String> {
    let (wave, server) = cloud
        .table
        .inspect(|tables| {
            let wave = wave.or_else(|| tables.owners.get(id))?;
            let stored = tables.waves.get(wave)?;
            let server = stored.servers.iter().find(|server| server.id == *id)?;
            Some((stored.wave.clone(), server.clone()))
        })
        .ok_or("no wave has it")?;
    check(cloud, &wave, &server)
}

fn cutover(cloud: &Cloud, wave: &Wave, server: &Server) -> Result<(), String> {
    let now = cloud.now();
    let test = server.test.as_ref().ok_or("no test passed")?;
    let ours = cloud
        .checks
        .borrow()
        .jobs
        .get(&test.launch.job)
        .is_some_and(|job| {
            job.operation == "StartTest" && job.wave == wave.id && job.servers.contains(&server.id)
        });
    if !ours {
        return Err(format!("{} is no test of ours", test.launch.job));
    }
    approved(wave, Gate::Cutover, server, &test.launch.job)?;
    if let Some(window) = &wave.plan.window
        && !(window.opens <= now && now < window.closes)
    {
        return Err(format!(
            "the window is from {} to {}",
            window.opens, window.closes
        ));
    }
    let read = cloud.checks.borrow().caught_up.get(&server.id).copied();
    let read = read.ok_or("it was never read without lag")?;
    if now.duration_since(read) > FRESH {
        return Err(format!("it was last read without lag at {read}"));
    }
    let plan = wave
        .plan
        .application(&server.application)
        .ok_or("it has no application")?;
    if plan.quiesce.is_some() {
        let since = server.quiesced_at.ok_or("its source is not quiesced")?;
        if read < since {
            return Err(format!("read at {read}, quiesced at {since}"));
        }
        let region = cloud.region.borrow();
        let truth = region.mgn.servers().get(server.id.as_str());
        if truth.is_none_or(|truth| truth.quiesced_since.is_none()) {
            return Err("its source writes".to_owned());
        }
    }
    let stored = |name| {
        cloud.table.inspect(|tables| {
            let stored = tables.waves.get(&wave.id);
            let servers = stored.map(|s| s.servers.as_slice()).unwrap_or_default();
            let of = servers.iter().filter(|s| s.application == name);
            of.filter(|s| !done(s))
                .map(|s| s.hostname.clone())
                .collect::<Vec<_>>()
        })
    };
    for before in &plan.after {
        let waiting = stored(before.clone());
        if !waiting.is_empty() {
            return Err(format!(
                "{before} comes before it; {waiting:?} are not cut over"
            ));
        }
    }
    Ok(())
}

/// Whether a cutover that is planned would be launched with the settings that were approved: as
/// they were read a moment ago, and as they were then.
fn as_approved(cloud: &Cloud, turn: &Turn<'_>, id: &ServerId) -> Result<(), String> {
    let Some(GateState::Approved { settings, .. }) = turn.wave.gates.get(&Gate::Cutover) else {
        return Err("the gate is not approved".to_owned());
    };
    let Some(shown) = settings.get(id) else {
        // Nobody could be shown any: that was a warning.
        return Ok(());
    };
    let seen = turn.loaded.seen.get(id).ok_or("MGN does not know it")?;
    let (Some(known), Some(at)) = (&seen.settings.known, seen.settings.template_at) else {
        return Err("its launch settings were never read".to_owned());
    };
    if turn.now.duration_since(at) > READ_SETTINGS {
        return Err(format!("its launch template was read at {at}"));
    }
    if known.digest() != shown {
        return Err(format!("it was approved as {shown}, not as {known:?}"));
    }
    let number = cloud.templates.borrow().default_at(&known.template, at);
    if known.version < number {
        return Err(format!(
            "its template had {number} versions at {at}: {known:?}"
        ));
    }
    Ok(())
}

/// A cutover begins only while what people approved still holds: it was not read to stall since,
/// unless they were shown so, and nobody left out what its application comes after.
fn evidence_holds(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = turn.wave;
    let Some(GateState::Approved {
        evidence,
        jobs,
        acted_on: Some(shown),
        ..
    }) = wave.gates.get(&Gate::Cutover)
    else {
        return;
    };
    let left = |name: &ApplicationName| {
        let mut of = turn.servers.iter().filter(|s| s.application == *name);
        of.any(|s| {
            let skipped = matches!(
                s.stage,
                Stage::Ended {
                    end: End::Skipped { .. }
                }
            );
            skipped && !s.failed && s.cutover.is_none() && jobs.contains_key(&s.id)
        })
    };
    for server in turn.servers {
        let before = turn.loaded.servers.iter().find(|s| s.id == server.id);
        if !before.is_some_and(|before| matches!(before.stage, Stage::Tested { .. })) {
            continue;
        }
        let seen = turn.loaded.seen.get(&server.id);
        let stalls = seen.is_some_and(|s| s.replication.state == ReplicationState::Stalled);
        let was_shown = shown.replication.contains_key(&server.id);
        let looked = wave.phase == Phase::CuttingOver && wave.hold.is_none();
        let mut checks = cloud.checks.borrow_mut();
        if stalls && !was_shown && looked {
            checks.stalled.insert(server.id.clone(), evidence.clone());
        }
        let stalled = checks.stalled.get(&server.id) == Some(evidence);
        drop(checks);
        let begins = matches!(
            server.stage,
            Stage::Quiescing { .. } | Stage::Settling { .. }
        );
        let plan = wave.plan.application(&server.application);
        let alone = plan.is_some_and(|plan| plan.after.iter().any(left) || left(&plan.name));
        if begins && stalled {
            let text = format!("{} stalled since it was approved", server.id);
            violated(cloud, 7, text);
        }
        if begins && alone {
            let text = format!("{} was not approved without what left", server.id);
            violated(cloud, 7, text);
        }
    }
}

/// Whether the gate is approved, for this launch of the server.
fn approved(wave: &Wave, gate: Gate, server: &Server, job: &JobId) -> Result<(), String> {
    match wave.gates.get(&gate) {
        Some(GateState::Approved { jobs, .. }) if jobs.get(&server.id) == Some(job) => Ok(()),
        Some(GateState::Approved { jobs, .. }) => Err(format!(
            "{:?} was approved, not {job}",
            jobs.get(&server.id)
        )),
        Some(GateState::Open(_) | GateState::Lapsed { .. }) | None => {
            Err("the gate is not approved".to_owned())
        }
    }
}

fn done(server: &Server) -> bool {
    matches!(
        server.stage,
        Stage::CutOver { .. }
            | Stage::Finalizing { .. }
            | Stage::Finalized { .. }
            | Stage::Ended { .. }
    )
}

fn finalize(cloud: &Cloud, wave: &Wave, server: &Server) -> Result<(), String> {
    if wave.phase != Phase::Finalizing {
        return Err(format!("the wave is {}", wave.phase.name()));
    }
    let passed = server.cutover.as_ref().ok_or("no cutover passed")?;
    approved(wave, Gate::Finalize, server, &passed.launch.job)?;
    let checks = cloud.checks.borrow();
    let ours = checks.jobs.get(&passed.launch.job);
    if ours.is_none_or(|job| job.operation != "StartCutover" || job.wave != wave.id) {
        return Err(format!("{} is no cutover of ours", passed.launch.job));
    }
    let began = checks.soaking.get(&wave.id).ok_or("it never soaked")?;
    if cloud.now().duration_since(*began) < wave.plan.gates.soak {
        return Err(format!("it soaks since {began}"));
    }
    let region = cloud.region.borrow();
    let truth = region
        .mgn
        .servers()
        .get(server.id.as_str())
        .ok_or("MGN does not know it")?;
    let last = truth
        .last_cutover
        .initiated
        .as_ref()
        .map(|(_, job)| job.as_str());
    if last != Some(passed.launch.job.as_str()) {
        return Err(format!(
            "its last cutover is {last:?}, validated is {}",
            passed.launch.job
        ));
    }
    let was_shown = match wave.gates.get(&Gate::Finalize) {
        Some(GateState::Approved {
            acted_on: Some(shown),
            ..
        }) => shown.unhealthy.contains_key(&server.id),
        Some(
            GateState::Approved { acted_on: None, .. }
            | GateState::Open(_)
            | GateState::Lapsed { .. },
        )
        | None => false,
    };
    let instances = region.mgn.instances();
    let instance = instances.get(passed.launch.instance.as_str());
    match instance.and_then(|instance| instance.terminated) {
        Some(at) if cloud.now().duration_since(at) > LOOKED && !was_shown => {
            Err(format!("its instance is gone since {at}"))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn saved(cloud: &Cloud, turn: &Turn<'_>) {
    let wave = turn.wave;
    let (id, since) = (wave.id.clone(), wave.phase_since);
    match wave.phase {
        Phase::Soaking { .. } => drop(cloud.checks.borrow_mut().soaking.insert(id, since)),
        // A soak of no length is over before it is seen.
        Phase::AwaitingFinalize | Phase::Finalizing => {
            cloud.checks.borrow_mut().soaking.entry(id).or_insert(since);
        }
        Phase::Waiting
        | Phase::Preflight { .. }
        | Phase::Testing
        | Phase::AwaitingCutover
        | Phase::CuttingOver
        | Phase::Completed
        | Phase::RollingBack
        | Phase::RolledBack
        | Phase::Aborting
        | Phase::Aborted => drop(cloud.checks.borrow_mut().soaking.remove(&id)),
    }
    for effect in turn.effects {
        if let Task::StartCutover { servers, .. } = &effect.task {
            for server in servers {
                if let Err(text) = as_approved(cloud, turn, server) {
                    violated(cloud, 7, format!("{} of {server}: {text}", effect.id));
                }
            }
        }
    }
    evidence_holds(cloud, turn);
    let held = |wave: &Wave| wave.hold.is_some();
    if !held(wave) || !turn.loaded.wave.as_ref().is_some_and(held) {
        return;
    }
    for effect in turn.effects {
        if let Task::StartTest { .. } | Task::StartCutover { .. } | Task::Finalize { .. } =
            &effect.task
        {
            violated(
                cloud,
                12,
                format!("{} is planned while {} is held", effect.id, wave.id),
            );
        }
    }
}
