//! What is left when every wave has ended: whole audit chains, nothing owned, nothing reserved; and
//! where nobody meddled, no test instance that runs on, no source that stands still without a
//! cutover, no life cycle left in between.

use std::collections::BTreeSet;

use mgn_sim::{JobKind, LifeCycleState};
use tidegate_domain::audit::{self, AuditRecord};
use tidegate_domain::event::{EVENTS, events};
use tidegate_domain::id::{ServerId, WaveId};
use tidegate_domain::server::{End, Server, Stage};
use tidegate_domain::wave::Wave;

use super::{rollback, slack, violated};
use crate::cloud::Cloud;

/// A wave with everything that the table holds of it.
struct Left {
    id: WaveId,
    wave: Wave,
    servers: Vec<Server>,
    audit: Vec<AuditRecord>,
    owned: usize,
}

/// When everything has come to rest. `mends`: nobody broke anything for good, so that everything
/// must be as it should be.
pub fn at_the_end(cloud: &Cloud, mends: bool) {
    let waves: Vec<Left> = cloud.table.inspect(|tables| {
        let waves = tables.waves.iter();
        waves
            .map(|(id, stored)| Left {
                id: id.clone(),
                wave: stored.wave.clone(),
                servers: stored.servers.clone(),
                audit: stored.audit.values().cloned().collect(),
                owned: tables.owners.values().filter(|owner| *owner == id).count(),
            })
            .collect()
    });
    for left in &waves {
        let id = &left.id;
        if let Err(text) = audit::verify(&left.audit, &left.wave.audit) {
            violated(cloud, 2, format!("{id}: {text}"));
        }
        for event in left.audit.iter().flat_map(events) {
            if !EVENTS.iter().any(|(name, _)| *name == event.event) {
                let text = format!("{id}: nobody was promised an event {}", event.event);
                violated(cloud, 2, text);
            }
        }
        if left.wave.phase.terminal() && left.owned > 0 {
            violated(
                cloud,
                2,
                format!("{id} has ended and owns {} servers", left.owned),
            );
        }
        if mends {
            // What a person says to have done by hand is theirs to answer for.
            let by_hand: BTreeSet<&ServerId> = left
                .audit
                .iter()
                .flat_map(|record| &record.entries)
                .filter(|entry| entry.event == "StepTakenAsDone")
                .flat_map(|entry| &entry.about.servers)
                .collect();
            for server in &left.servers {
                if !by_hand.contains(&server.id) {
                    tidy(cloud, &left.wave, server);
                }
            }
        }
    }
    reservations(cloud);
    slack::at_the_end(cloud);
}

fn reservations(cloud: &Cloud) {
    let reserved = cloud.table.inspect(|tables| {
        let live = |wave: &WaveId| {
            tables
                .waves
                .get(wave)
                .is_some_and(|stored| !stored.wave.phase.terminal())
        };
        let reservations = tables.slots.reservations.values();
        reservations
            .filter(|r| !live(&r.wave) && r.expires > cloud.now())
            .count()
    });
    if reserved > 0 {
        violated(
            cloud,
            8,
            format!("{reserved} reservations of waves that have ended"),
        );
    }
}

/// What became of one server.
fn tidy(cloud: &Cloud, wave: &Wave, server: &Server) {
    let region = cloud.region.borrow();
    let Some(truth) = region.mgn.servers().get(server.id.as_str()) else {
        return;
    };
    let mut found = Vec::new();
    let tests = region.mgn.instances().values().filter(|instance| {
        let job = region.mgn.jobs().get(&instance.job);
        instance.server == truth.id
            && instance.terminated.is_none()
            && job.is_some_and(|job| job.kind == JobKind::Test)
    });
    for instance in tests {
        found.push(format!("its test instance {} runs on", instance.id));
    }
    let cut_over = match &server.stage {
        Stage::Finalized { .. } => true,
        Stage::Ended {
            end: End::Aborted { cut_over },
        } => *cut_over,
        _ => server.cutover.is_some(),
    };
    let restarts = wave
        .plan
        .application(&server.application)
        .and_then(|application| application.quiesce.as_ref())
        .is_some_and(|quiesce| quiesce.start.is_some());
    if !cut_over {
        if restarts && truth.quiesced_since.is_some() {
            found.push("its source stands still".to_owned());
        }
        if let LifeCycleState::Testing | LifeCycleState::CuttingOver = truth.life_cycle {
            found.push(format!("it is {}", truth.life_cycle.name()));
        }
    }
    let undone = Stage::Ended {
        end: End::RolledBack,
    };
    if server.stage == undone
        && let Some(instance) = rollback::runs_on(cloud, server)
    {
        found.push(format!("{instance} runs on beside its source"));
    }
    if let Stage::Finalized { .. } = server.stage
        && truth.life_cycle != LifeCycleState::Cutover
    {
        found.push(format!("it is finalized and {}", truth.life_cycle.name()));
    }
    drop(region);
    for text in found {
        let stage = server.stage.name();
        violated(
            cloud,
            10,
            format!("{} of {} ({stage}): {text}", server.hostname, wave.id),
        );
    }
}
