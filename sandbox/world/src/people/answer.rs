//! In a world that has healed: what the wave itself asks for, and what a hold's own commands say.

use std::rc::Rc;

use serde_json::json;
use tidegate_domain::gate::{Gate, GateState, OpenGate, Part, Verdict};
use tidegate_domain::hold::{Hold, HoldReason};
use tidegate_domain::message::Body;
use tidegate_domain::plan::{Approver, Start};
use tidegate_domain::server::Server;
use tidegate_domain::wave::{Phase, Wave};

use super::{People, approval, failed, operator, person, roll_back, with_window};
use crate::cloud::Cloud;
use crate::invariants::violated;

/// After how many holds of a healed wave its people give up and abort it.
const PATIENCE: u32 = 40;

impl People {
    /// In a healed world: what the wave itself asks for.
    pub(super) fn answer(&mut self, cloud: &Rc<Cloud>, wave: &Wave, servers: &[Server]) {
        if let Some(hold) = &wave.hold {
            self.release(cloud, wave, servers, hold);
            return;
        }
        for (gate, state) in &wave.gates {
            match state {
                GateState::Open(open) => self.approve_all(cloud, wave, *gate, open),
                GateState::Approved {
                    put_off, question, ..
                } if !put_off.is_empty() && question.is_none() => {
                    let waits = matches!(
                        (gate, &wave.phase),
                        (
                            Gate::Cutover,
                            Phase::AwaitingCutover | Phase::AwaitingFinalize
                        ) | (Gate::Finalize, Phase::AwaitingFinalize)
                    );
                    if waits {
                        let ask = Body::Ask { gate: *gate };
                        self.send(cloud, &wave.id, operator(), ask);
                    }
                }
                GateState::Approved { .. } | GateState::Lapsed { .. } => {}
            }
        }
        if wave.phase == Phase::Waiting && wave.plan.start == Start::Manual {
            self.send(cloud, &wave.id, operator(), Body::Start);
        }
    }

    fn approve_all(&mut self, cloud: &Rc<Cloud>, wave: &Wave, gate: Gate, open: &OpenGate) {
        for approver in &wave.gate_plan(gate).approvers {
            let by = person(approver);
            if let Approver::Slack(user) = &by {
                self.answer_in_slack(cloud, wave, (gate, open), user, Verdict::Approve);
                continue;
            }
            if open.unreached.contains(&by) && self.random.chance(0.3) {
                self.subscribe(cloud, &by);
                self.send(cloud, &wave.id, operator(), Body::Ask { gate });
            }
            let door = by.door();
            let body = approval(gate, open.evidence.hash(), door, Part::default());
            self.send(cloud, &wave.id, by, body);
        }
    }

    /// Do what the hold's commands say.
    pub(super) fn release(
        &mut self,
        cloud: &Rc<Cloud>,
        wave: &Wave,
        servers: &[Server],
        hold: &Hold,
    ) {
        if let HoldReason::Selection { problems } = &hold.reason
            && waits_for_another(cloud, problems)
            && !self.random.chance(0.01)
        {
            // Mended when the other wave has ended; now and then they do not wait for it.
            return;
        }
        let (count, last) = self.holds.entry(wave.id.clone()).or_default();
        if *last != hold.id.0 {
            *last = hold.id.0;
            *count += 1;
        }
        let count = *count;
        if count == PATIENCE + 1 && self.plain && self.mends {
            let text = hold.reason.sentence();
            violated(
                cloud,
                12,
                format!("{} was held {PATIENCE} times: {text}", wave.id),
            );
        }
        let wanted = self.wanted(wave, hold, count);
        cloud.note(|| format!("{}: people answer the hold with {wanted}", wave.id));
        let resume = Body::Resume { hold: hold.id };
        if wanted.starts_with("tidegate resume") {
            self.send(cloud, &wave.id, operator(), resume);
        } else if wanted.starts_with("tidegate skip") {
            let servers = if wave.phase.ending() {
                let left = servers.iter().filter(|server| !server.at_rest());
                let left: Vec<&Server> = left.collect();
                let one = self.random.pick(&left).map(|server| server.id.clone());
                one.into_iter().collect()
            } else {
                failed(servers)
            };
            let mut steps = vec![(operator(), Body::Skip { servers })];
            if self.random.chance(0.5) {
                steps.push((operator(), resume));
            }
            self.send_all(cloud, &wave.id, steps);
        } else if wanted.starts_with("tidegate apply") {
            let plan = with_window(&wave.plan, cloud.now());
            let apply = (operator(), Body::Apply(Box::new(plan)));
            self.send_all(cloud, &wave.id, vec![apply, (operator(), resume)]);
        } else if wanted.starts_with("aws mgn initialize-service") {
            let now = cloud.now();
            _ = cloud
                .region
                .borrow_mut()
                .call_mgn("InitializeService", &json!({}), now);
            self.send(cloud, &wave.id, operator(), resume);
        } else if wanted.starts_with("tidegate rollback") {
            self.send(cloud, &wave.id, operator(), roll_back());
        } else if wanted.starts_with("tidegate abort") {
            self.send(cloud, &wave.id, operator(), Body::Abort);
        } else {
            violated(
                cloud,
                12,
                format!("{}: nobody knows how to {wanted:?}", wave.id),
            );
        }
    }

    /// Which of the hold's commands they take. Where something is broken for good, they take the
    /// next command after some tries.
    fn wanted(&mut self, wave: &Wave, hold: &Hold, count: u32) -> String {
        let commands = hold.reason.commands(wave);
        let named: Vec<String> = commands.into_iter().map(|(command, _)| command).collect();
        let first = named.first().cloned().unwrap_or_default();
        if count > PATIENCE && !wave.phase.ending() {
            return format!("tidegate abort {}", wave.id);
        }
        if self.plain {
            let tried = if self.mends {
                0
            } else {
                usize::try_from(count / 10).unwrap_or(0)
            };
            return named
                .get(tried)
                .or(named.last())
                .cloned()
                .unwrap_or_default();
        }
        let picked = self.random.pick(&named).cloned().unwrap_or_default();
        let ends = |command: &str| picked.starts_with(command);
        let gives_up = ends("tidegate abort") || ends("tidegate rollback");
        if gives_up && self.random.chance(0.8) {
            first
        } else {
            picked
        }
    }
}

/// Whether a wave that this one waits for goes on: it owns servers that this one wants.
fn waits_for_another(cloud: &Cloud, problems: &[String]) -> bool {
    cloud.table.inspect(|tables| {
        let mut others = tables.waves.values().filter(|stored| {
            let named = format!("belongs to wave {}", stored.wave.id);
            problems.iter().any(|problem| problem.contains(&named))
        });
        others.any(|stored| !stored.wave.phase.terminal())
    })
}
