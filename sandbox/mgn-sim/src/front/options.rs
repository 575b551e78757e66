//! The command line of `mgn-sim`.
//!
//! **Invariant:** every wrong option is refused before anything listens.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;
use jiff::{SignedDuration, Timestamp};

use crate::core::{
    Config, Drift, Durations, FAULT_HELP, Faults, Guesses, InitialState, Machine, Quotas,
    parse_duration,
};
use crate::region::Region;
use crate::ssm::{OUTCOME_HELP, OutcomeRule, SsmConfig};

/// A simulator of AWS Application Migration Service (MGN), with SSM Run Command beside it.
#[derive(Clone, Debug, Parser)]
#[command(version, about, after_long_help = after_help())]
pub struct Options {
    /// Where to listen; port 0 takes a free one, and the first line of output tells it.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5790")]
    pub listen: SocketAddr,

    /// How many source servers there are, named server0001, server0002, …
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        conflicts_with = "inventory"
    )]
    pub servers: usize,

    /// The source servers, as a JSON list:
    /// [{"hostname":"db01","tags":{"role":"db"},"disksGiB":[16],"os":"linux"}]
    /// Optional: id (s-… of 19 characters), state (NOT_READY, READY_FOR_TEST, DISCOVERED,
    /// PENDING_INSTALLATION), launchFactor (how much longer its launches take).
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// Divides every duration: with 100 a launch of 11 minutes takes 7 seconds.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,

    /// The source of all chance: same seed, same calls, same run.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// The account's twelve digits.
    #[arg(long, value_name = "DIGITS", default_value = "000000000000")]
    pub account: String,

    /// The Region.
    #[arg(
        long,
        value_name = "NAME",
        env = "AWS_REGION",
        default_value = "us-east-1"
    )]
    pub region: String,

    /// A local AWS: launched instances are run in its EC2, events invoke the Lambda
    /// targets of its EventBridge rules or land in their dead-letter queues, and SSM operations that are not simulated go there.
    #[arg(long, value_name = "URL")]
    pub aws_endpoint: Option<String>,

    /// Nobody has called InitializeService yet; the agents come when somebody does.
    #[arg(long)]
    pub uninitialized: bool,

    /// Servers start READY_FOR_TEST instead of with their initial sync.
    #[arg(long)]
    pub ready: bool,

    /// Time from the start to READY_FOR_TEST for every server; not divided by --speed.
    /// Without it: about 20 minutes, divided by --speed.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub sync_after: Option<SignedDuration>,

    /// One of the durations, before --speed divides it, such as launch=300s. There are:
    /// initiation-step, initial-sync-per-gib, backlog, first-snapshot, rescan, retry,
    /// agent-not-seen, quiesce-drain, job-start, cleanup, snapshot, snapshot-timeout,
    /// conversion, launch, job-end, boot-checks, action, snapshot-interval, drift-interval,
    /// and of SSM: ssm-delivery, ssm-run, ssm-online.
    #[arg(long = "duration", value_name = "NAME=DURATION")]
    pub durations: Vec<String>,

    /// Each duration is drawn from ± this fraction around its value.
    #[arg(long, value_name = "FRACTION", default_value_t = 0.1)]
    pub jitter: f64,

    /// What goes wrong; may be given many times. --help lists the faults.
    #[arg(long = "fault", value_name = "SPEC")]
    pub faults: Vec<String>,

    /// The answer to something MGN does not document; --help lists the questions.
    #[arg(long = "guess", value_name = "NAME=true|false")]
    pub guesses: Vec<String>,

    /// One of MGN's quotas, such as concurrent-jobs=5. There are: concurrent-jobs,
    /// servers-in-all-jobs, servers-in-job, active-servers, active-waves,
    /// active-applications, applications-per-wave, servers-per-application, actions.
    #[arg(long = "quota", value_name = "NAME=N")]
    pub quotas: Vec<String>,

    /// An SSM document that exists; without any, every document does.
    #[arg(long = "document", value_name = "NAME")]
    pub documents: Vec<String>,

    /// The sources do not write: their lag is zero from the start.
    #[arg(long)]
    pub idle_sources: bool,

    /// Items on a page when a call does not say.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub page_size: usize,
}

impl Options {
    /// How many source servers there are.
    pub(crate) fn server_count(&self) -> usize {
        self.machines().map_or(0, |machines| machines.len())
    }

    /// The simulated region that these options describe.
    pub(crate) fn region(&self, start: Timestamp) -> anyhow::Result<Region> {
        if !(self.speed.is_finite() && self.speed > 0.0) {
            bail!("--speed is a number above 0");
        }
        if !(0.0..1.0).contains(&self.jitter) {
            bail!("--jitter is from 0 up to 1");
        }
        if self.account.len() != 12 || !self.account.bytes().all(|byte| byte.is_ascii_digit()) {
            bail!("--account is twelve digits");
        }
        let inventory = self.machines()?;
        let mut mgn = Config {
            seed: self.seed,
            account: self.account.clone(),
            region: self.region.clone(),
            start: Some(start),
            initialized: !self.uninitialized,
            quotas: Quotas {
                active_servers: Quotas::default().active_servers.max(inventory.len()),
                ..Quotas::default()
            },
            inventory,
            initial: if self.ready {
                InitialState::ReadyForTest
            } else {
                InitialState::NotReady
            },
            durations: Durations {
                speed: self.speed,
                jitter: self.jitter,
                sync_after: self.sync_after,
                ..Durations::default()
            },
            faults: Faults::default(),
            guesses: Guesses::default(),
            drift: Drift {
                writing: !self.idle_sources,
                ..Drift::default()
            },
            default_page_size: self.page_size.clamp(1, 1_000),
            external_instances: self.aws_endpoint.is_some(),
        };
        let mut ssm = SsmConfig {
            seed: self.seed,
            account: self.account.clone(),
            region: self.region.clone(),
            speed: self.speed,
            documents: self.documents.iter().cloned().collect(),
            ..SsmConfig::default()
        };
        for spec in &self.durations {
            set_duration(&mut mgn.durations, &mut ssm, spec).map_err(|why| anyhow!(why))?;
        }
        for spec in &self.faults {
            add_fault(&mut mgn.faults, &mut ssm, spec).map_err(|why| anyhow!(why))?;
        }
        for spec in &self.guesses {
            mgn.guesses.answer(spec).map_err(|why| anyhow!(why))?;
        }
        for spec in &self.quotas {
            set_quota(&mut mgn.quotas, spec)?;
        }
        Ok(Region::new(mgn, ssm))
    }

    fn machines(&self) -> anyhow::Result<Vec<Machine>> {
        let Some(file) = &self.inventory else {
            return Ok(Machine::fleet(self.servers));
        };
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the inventory {}", file.display()))?;
        let machines: Vec<Machine> = serde_json::from_str(&text)
            .with_context(|| format!("the inventory {} is not understood", file.display()))?;
        let wrong = Machine::faults(&machines);
        if !wrong.is_empty() {
            bail!(
                "the inventory {}:\n  {}",
                file.display(),
                wrong.join("\n  ")
            );
        }
        Ok(machines)
    }
}

/// Sets a duration of MGN or SSM from `NAME=DURATION`.
pub(crate) fn set_duration(
    durations: &mut Durations,
    ssm: &mut SsmConfig,
    spec: &str,
) -> Result<(), String> {
    let (name, text) = spec
        .split_once('=')
        .ok_or_else(|| format!("{spec:?} is not NAME=DURATION"))?;
    let value = parse_duration(text)?;
    match name {
        "ssm-delivery" => ssm.delivery = value,
        "ssm-run" => ssm.run = value,
        "ssm-online" => ssm.online = value,
        _ if durations.set(name, value) => {}
        _ => {
            return Err(format!(
                "no duration is called {name:?}; there are: {}, ssm-delivery, ssm-run, ssm-online",
                Durations::NAMES.join(", ")
            ));
        }
    }
    Ok(())
}

/// Adds a fault of MGN or SSM. Faults of calls and events hit both.
pub(crate) fn add_fault(mgn: &mut Faults, ssm: &mut SsmConfig, spec: &str) -> Result<(), String> {
    if let Some(rule) = spec.strip_prefix("command=") {
        ssm.outcomes.push(OutcomeRule::parse(rule)?);
        return Ok(());
    }
    mgn.add(spec)?;
    ssm.faults.add(spec)
}

fn set_quota(quotas: &mut Quotas, spec: &str) -> anyhow::Result<()> {
    let (name, value) = spec
        .split_once('=')
        .ok_or_else(|| anyhow!("{spec:?} is not NAME=N"))?;
    let value = value
        .parse()
        .with_context(|| format!("{value:?} is not a number"))?;
    let quota = match name {
        "concurrent-jobs" => &mut quotas.concurrent_jobs,
        "servers-in-all-jobs" => &mut quotas.servers_in_all_jobs,
        "servers-in-job" => &mut quotas.servers_in_job,
        "active-servers" => &mut quotas.active_servers,
        "active-waves" => &mut quotas.active_waves,
        "active-applications" => &mut quotas.active_applications,
        "applications-per-wave" => &mut quotas.applications_per_wave,
        "servers-per-application" => &mut quotas.servers_per_application,
        "actions" => &mut quotas.actions,
        _ => bail!("no quota is called {name:?}"),
    };
    *quota = value;
    Ok(())
}

fn after_help() -> String {
    let mut help = String::from("Faults (--fault SPEC):\n");
    for line in FAULT_HELP.lines().chain(OUTCOME_HELP.lines()) {
        help.push_str(&format!("  {line}\n"));
    }
    help.push_str("\nGuesses (--guess NAME=true|false), with their defaults:\n");
    for (name, default, description) in Guesses::ALL {
        help.push_str(&format!("  {name}={default}\n     {description}\n"));
    }
    help.push_str(
        "
Control, over HTTP on the same port:
  GET  /_sim/health                ready
  GET  /_sim/calls                 calls by operation
  GET  /_sim/events                every event that came out
  GET  /_sim/state                 everything
  POST /_sim/faults                {\"add\": [\"throttle=0.1\"], \"clear\": true}
  POST /_sim/guesses               {\"failed_test_reverts\": false}
  POST /_sim/durations             {\"launch\": \"3s\", \"speed\": 100}
  POST /_sim/heal                  every fault ends, sources recover
  POST /_sim/stall, unstall, fall-behind, source-down, source-up, quiesce, resume, fail-next-launch,
       agent-installed             {\"server\": \"db01\"}
  POST /_sim/impair                {\"instance\": \"i-…\"}
  POST /_sim/agent                 a machine as in the inventory: an agent is installed
  POST /_sim/foreign-job           {\"operation\": \"StartTest\", \"servers\": [\"db01\"], \"tags\": {}}

Examples:
  mgn-sim --servers 12 --speed 100 --sync-after 5s
  mgn-sim --inventory servers.json --speed 60 --fault launch-failure=db01:1 --fault drop-event=0.2
  AWS_ENDPOINT_URL_MGN=http://127.0.0.1:5790 aws mgn describe-source-servers",
    );
    help
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::Options;

    fn check(arguments: &[&str], expected: &str) {
        let arguments = ["mgn-sim"].iter().chain(arguments);
        let result = Options::try_parse_from(arguments)
            .map_err(|error| error.to_string())
            .and_then(|options| {
                options
                    .region(jiff::Timestamp::UNIX_EPOCH)
                    .map_err(|error| format!("{error:#}"))
            });
        match result {
            Ok(_) => assert_eq!(expected, "ok"),
            Err(error) => assert!(error.contains(expected), "{error}"),
        }
    }

    #[test]
    fn options_are_checked() {
        Options::command().debug_assert();
        check(&[], "ok");
        check(
            &["--duration", "launch=3s", "--duration", "ssm-run=1s"],
            "ok",
        );
        check(&["--duration", "nonsense=3s"], "no duration is called");
        check(&["--fault", "command=*:*:1:failed"], "ok");
        check(&["--fault", "nonsense=1"], "no such fault");
        check(&["--guess", "nonsense=true"], "no guess is called");
        check(&["--quota", "concurrent-jobs=2"], "ok");
        check(&["--quota", "nonsense=2"], "no quota is called");
        check(&["--speed", "0"], "--speed");
        check(&["--account", "12"], "twelve digits");
        check(
            &["--inventory", "/does/not/exist"],
            "cannot read the inventory",
        );
    }
}
