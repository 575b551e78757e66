//! One simulated world, from its seed to its end: faults for some hours, then healed, then every
//! wave must have ended.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::id::WaveId;

use crate::cloud::Cloud;
use crate::coverage::Coverage;
use crate::faults::Faults;
use crate::invariants::{Violation, at_the_end};
use crate::journal::Journal;
use crate::people::People;
use crate::scenario::{START, Scenario, Size, scenario};

/// How long a healed world may take.
const PATIENCE: SignedDuration = SignedDuration::from_hours(10 * 24);
/// The most steps of a world: one that needs more goes in circles.
const MOST_STEPS: u64 = 20_000_000;
/// How long a world goes on after its last wave has ended, to see that nothing more happens.
const AFTERMATH: SignedDuration = SignedDuration::from_hours(1);

/// What became of a world.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How large it is.
    pub size: Size,
    /// What was violated.
    pub violations: Vec<Violation>,
    /// How each wave ended, or where it is stuck.
    pub waves: Vec<(WaveId, String)>,
    /// Whether every wave has ended.
    pub ended: bool,
    /// How many servers its waves had.
    pub servers: usize,
    /// How many decisions were saved.
    pub turns: u64,
    /// How many steps it took.
    pub steps: u64,
    /// How much time passed in it.
    pub lasted: SignedDuration,
    /// What it came across.
    pub coverage: Coverage,
}

impl Report {
    /// Whether everything held.
    #[must_use]
    pub fn good(&self) -> bool {
        self.ended && self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} servers, {} turns, {} steps, {:#}:",
            self.seed, self.servers, self.turns, self.steps, self.lasted
        )?;
        for (wave, phase) in &self.waves {
            write!(f, " {wave} {phase};")?;
        }
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        if !self.ended {
            write!(f, "\n  NOT ENDED")?;
        }
        if !self.good() {
            write!(f, "\n  again: {}", self.size.replay(self.seed))?;
        }
        Ok(())
    }
}

/// Run the world of a seed.
///
/// # Errors
/// The state machine file cannot be run.
pub fn simulate(seed: u64, size: Size, journal: Journal) -> anyhow::Result<Report> {
    let Scenario {
        region,
        plans,
        faults,
        heals,
        others,
        mends,
    } = scenario(seed, size);
    journal.note(START, || format!("{faults:?}"));
    let cloud = Cloud::new(START, seed, region, faults, journal)?;
    let waves: Vec<WaveId> = plans.iter().map(|(_, plan)| plan.wave.clone()).collect();
    let people = Rc::new(RefCell::new(People::new(seed, mends)));
    let healed = Rc::new(Cell::new(false));

    for (later, plan) in plans {
        let (cloud, people) = (Rc::clone(&cloud), Rc::clone(&people));
        cloud.runtime.clone().spawn(async move {
            cloud.runtime.sleep(later).await;
            People::apply(people, cloud, plan);
        });
    }
    {
        let (cloud, people, healed) = (Rc::clone(&cloud), Rc::clone(&people), Rc::clone(&healed));
        cloud.runtime.clone().spawn(async move {
            loop {
                let pause = people.borrow_mut().pause(&cloud, healed.get());
                cloud.runtime.sleep(pause).await;
                people.borrow_mut().look(&cloud, healed.get());
            }
        });
    }
    crate::mischief::spread(&cloud, others);

    let mut run = Run {
        cloud: Rc::clone(&cloud),
        steps: 0,
        waves,
    };
    run.until(START + heals);
    cloud.note(|| "HEALED".to_owned());
    healed.set(true);
    *cloud.faults.borrow_mut() = Faults::none();
    cloud.region.borrow_mut().heal();
    cloud.region.borrow_mut().ssm.config_mut().documents.clear();
    run.until(cloud.now() + PATIENCE);
    let ended = run.ended();
    let lasted = cloud.now().duration_since(START);
    if ended {
        run.on(cloud.now() + AFTERMATH);
        at_the_end(&cloud, mends);
    }
    Ok(run.report(seed, size, ended, lasted))
}

struct Run {
    cloud: Rc<Cloud>,
    steps: u64,
    waves: Vec<WaveId>,
}

impl Run {
    /// Run until every wave has ended, or that time.
    fn until(&mut self, limit: Timestamp) {
        while self.steps < MOST_STEPS && !self.broken() {
            if self.steps.is_multiple_of(64) && self.ended() {
                return;
            }
            self.steps += 1;
            if !self.cloud.runtime.step(limit) {
                return;
            }
        }
    }

    fn on(&mut self, limit: Timestamp) {
        while self.steps < MOST_STEPS && self.cloud.runtime.step(limit) {
            self.steps += 1;
        }
    }

    fn broken(&self) -> bool {
        !self.cloud.checks.borrow().violations.is_empty()
    }

    fn ended(&self) -> bool {
        self.cloud.table.inspect(|tables| {
            self.waves.iter().all(|wave| {
                tables.waves.get(wave).is_some_and(|stored| {
                    stored.wave.phase.terminal()
                        && tables
                            .drivers
                            .get(wave)
                            .is_none_or(|d| d.driver.wake_at.is_none())
                })
            })
        })
    }

    fn report(&self, seed: u64, size: Size, ended: bool, lasted: SignedDuration) -> Report {
        let (waves, servers, turns) = self.cloud.table.inspect(|tables| {
            let phase = |id: &WaveId| match tables.waves.get(id) {
                None => "was never begun".to_owned(),
                Some(stored) => match &stored.wave.hold {
                    Some(hold) => {
                        format!(
                            "{}, held: {}",
                            stored.wave.phase.name(),
                            hold.reason.sentence()
                        )
                    }
                    None => stored.wave.phase.name().to_owned(),
                },
            };
            let waves = self
                .waves
                .iter()
                .map(|id| (id.clone(), phase(id)))
                .collect();
            let servers = tables
                .waves
                .values()
                .map(|stored| stored.servers.len())
                .sum();
            (
                waves,
                servers,
                tables.waves.values().map(|stored| stored.wave.turn).sum(),
            )
        });
        let checks = self.cloud.checks.borrow();
        Report {
            seed,
            size,
            violations: checks.violations.clone(),
            waves,
            ended,
            servers,
            turns,
            steps: self.steps,
            lasted,
            coverage: checks.coverage.clone(),
        }
    }
}
