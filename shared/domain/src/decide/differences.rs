//! What is different between two plans, by name: a clause for each field, with what it is and was.
//!
//! **Invariant 9**: who decides is told what was changed, whatever it was. Every field is named here,
//! so that a new one breaks the build until it has a clause.

use jiff::{SignedDuration, Timestamp};

use crate::gate::{Door, Gate};
use crate::plan::{
    Application, Approver, Channel, Escalation, GatePlan, Gates, OnExpiry, OnFailure, Plan, Policy,
    Start, Window,
};
use crate::words;

/// The most names in one clause; more of them take more clauses.
const MOST_NAMED: usize = 5;

/// Both gates, as they are and as they would be.
pub(super) fn gates_of<'a>(
    before: &'a Plan,
    after: &'a Plan,
) -> [(Gate, &'a GatePlan, &'a GatePlan); 2] {
    [
        (Gate::Cutover, &before.gates.cutover, &after.gates.cutover),
        (
            Gate::Finalize,
            &before.gates.finalize,
            &after.gates.finalize,
        ),
    ]
}

/// What is different, a clause each; who decides comes first.
pub(super) fn differences(before: &Plan, after: &Plan) -> Vec<String> {
    let Plan {
        // The name of the inbox that every plan of the wave comes to.
        wave: _,
        start,
        window,
        gates,
        policy,
        applications,
    } = after;
    let Gates {
        cutover: _,
        finalize: _,
        soak,
    } = gates;
    let mut different = Clauses::default();
    for (gate, was, is) in gates_of(before, after) {
        let clauses = at_gate(was, is).0.into_iter();
        different
            .0
            .extend(clauses.map(|clause| format!("the {gate} gate {clause}")));
    }
    different.is("the soak", soak, &before.gates.soak, duration);
    different.0.extend(in_policy(&before.policy, policy).0);
    different
        .0
        .extend(in_window(before.window.as_ref(), window.as_ref()));
    different.does("it starts", "started", start, &before.start, starts);
    different
        .0
        .extend(in_applications(&before.applications, applications).0);
    different.0
}

/// What is different in when cutovers may be launched.
pub(super) fn in_window(was: Option<&Window>, is: Option<&Window>) -> Vec<String> {
    let (was, is) = match (was, is) {
        (None, None) => return Vec::new(),
        (None, Some(window)) => return vec![format!("the window is {}, was none", span(window))],
        (Some(window), None) => return vec![format!("the window is none, was {}", span(window))],
        (Some(was), Some(is)) => (was, is),
    };
    let Window {
        opens,
        closes,
        time_zone,
    } = is;
    let time = |at: &Timestamp| words::time(*at, Some(time_zone));
    let mut different = Clauses::default();
    different.does("the window opens", "opened", opens, &was.opens, time);
    different.does("the window closes", "closed", closes, &was.closes, time);
    let zone = "the window's time zone";
    different.is(zone, time_zone, &was.time_zone, String::clone);
    different.0
}

/// What is different at a gate; what an automatic one says of people is of no account.
fn at_gate(was: &GatePlan, is: &GatePlan) -> Clauses {
    let GatePlan {
        automatic,
        approvers,
        quorum,
        expires,
        on_expiry,
        notify,
        minimum,
        remind,
        escalate,
        self_approval,
        people,
    } = is;
    let mut different = Clauses::default();
    different.does("asks", "asked", automatic, &was.automatic, asks);
    if *automatic {
        return different;
    }
    different.names("asks also", approvers, &was.approvers);
    different.names("asks no more", &was.approvers, approvers);
    let (before, to) = escalation(escalate.as_ref());
    let (before_then, to_then) = escalation(was.escalate.as_ref());
    different.names("escalates also to", to, to_then);
    different.names("escalates no more to", to_then, to);
    let (together, together_then) = (together(people), together(&was.people));
    different.names("counts as one also", &together, &together_then);
    different.names("counts as one no more", &together_then, &together);
    different.does("wants", "wanted", quorum, &was.quorum, approvals);
    different.does("wants", "wanted", minimum, &was.minimum, at_least);
    different.does("lets", "let", self_approval, &was.self_approval, own);
    let (answers, answered) = ("takes silence for", "took it for");
    different.does(answers, answered, on_expiry, &was.on_expiry, silence);
    different.does("waits for", "waited for", expires, &was.expires, duration);
    different.does("reminds", "reminded", remind, &was.remind, before_expiry);
    different.does(
        "escalates",
        "escalated",
        &before,
        &before_then,
        before_expiry,
    );
    let by = |notify: &Vec<Channel>| ways(notify);
    different.does("asks by", "asked by", notify, &was.notify, by);
    different
}

/// What is different in the policy, by the keys of a plan file.
fn in_policy(was: &Policy, is: &Policy) -> Clauses {
    let Policy {
        max_lag,
        attempts,
        failure_budget,
        on_failure,
        keep_test_instances,
        observe_every,
        launch_timeout,
        boot_timeout,
    } = is;
    let mut different = Clauses::default();
    let lag = "the policy's max_lag";
    different.is(lag, max_lag, &was.max_lag, duration);
    let attempt = "the policy's attempts";
    different.is(attempt, attempts, &was.attempts, u32::to_string);
    let budget = "the policy's failure_budget";
    different.is(budget, failure_budget, &was.failure_budget, per_cent);
    let failed = "the policy's on_failure";
    different.is(failed, on_failure, &was.on_failure, failure);
    let (kept, kept_then) = (keep_test_instances, &was.keep_test_instances);
    different.is(
        "the policy's keep_test_instances",
        kept,
        kept_then,
        duration,
    );
    let observe = "the policy's observe_every";
    different.is(observe, observe_every, &was.observe_every, duration);
    let launch = "the policy's launch_timeout";
    different.is(launch, launch_timeout, &was.launch_timeout, duration);
    let boot = "the policy's boot_timeout";
    different.is(boot, boot_timeout, &was.boot_timeout, duration);
    different
}

/// What is different in the applications, which are frozen once their servers are selected.
fn in_applications(was: &[Application], is: &[Application]) -> Clauses {
    let names =
        |all: &[Application]| -> Vec<String> { all.iter().map(|a| a.name.to_string()).collect() };
    let (now, then) = (names(is), names(was));
    let mut different = Clauses::default();
    different.names("it moves also", &now, &then);
    different.names("it moves no more", &then, &now);
    for application in is {
        if let Some(then) = was.iter().find(|then| then.name == application.name) {
            different.0.extend(in_application(then, application));
        }
    }
    if different.0.is_empty() && now != then {
        different
            .0
            .push("its applications are in another order".to_owned());
    }
    different
}

fn in_application(was: &Application, is: &Application) -> Option<String> {
    let Application {
        name,
        after,
        servers,
        quiesce,
        validate,
    } = is;
    let parts: Vec<&str> = [
        (*after != was.after, "what it comes after"),
        (*servers != was.servers, "its servers"),
        (*quiesce != was.quiesce, "what stops and starts it"),
        (*validate != was.validate, "its checks"),
    ]
    .into_iter()
    .filter_map(|(other, part)| other.then_some(part))
    .collect();
    (!parts.is_empty()).then(|| format!("other in application {name}: {}", parts.join(", ")))
}

/// Clauses in the making.
#[derive(Default)]
struct Clauses(Vec<String>);

impl Clauses {
    /// What is done now, and what was done.
    fn does<T: PartialEq>(
        &mut self,
        does: &str,
        did: &str,
        is: &T,
        was: &T,
        text: impl Fn(&T) -> String,
    ) {
        if is != was {
            let clause = format!("{does} {}, {did} {}", text(is), text(was));
            self.0.push(clause);
        }
    }

    fn is<T: PartialEq>(&mut self, what: &str, is: &T, was: &T, text: impl Fn(&T) -> String) {
        self.does(&format!("{what} is"), "was", is, was, text);
    }

    /// Those who are not among the others, every one of them.
    fn names<T: PartialEq + ToString>(&mut self, verb: &str, those: &[T], others: &[T]) {
        let new = those.iter().filter(|one| !others.contains(one));
        let new: Vec<String> = new.map(T::to_string).collect();
        let clauses = new.chunks(MOST_NAMED);
        self.0
            .extend(clauses.map(|names| format!("{verb} {}", names.join(", "))));
    }
}

fn duration(duration: &SignedDuration) -> String {
    words::duration(*duration)
}

fn span(window: &Window) -> String {
    let zone = Some(window.time_zone.as_str());
    let (opens, closes) = (
        words::time(window.opens, zone),
        words::time(window.closes, zone),
    );
    format!("from {opens} to {closes}")
}

fn starts(start: &Start) -> String {
    match start {
        Start::Replication => "on replication".to_owned(),
        Start::Schedule(at) => format!("at {}", words::time(*at, None)),
        Start::Manual => "by hand".to_owned(),
    }
}

fn asks(automatic: &bool) -> String {
    if *automatic { "nobody" } else { "people" }.to_owned()
}

/// When a gate escalates, before its expiry, and to whom.
fn escalation(escalation: Option<&Escalation>) -> (Option<SignedDuration>, &[Approver]) {
    match escalation {
        Some(Escalation { before, to }) => (Some(*before), to),
        None => (None, &[]),
    }
}

/// The identities of each person who has several.
fn together(people: &[Vec<Approver>]) -> Vec<String> {
    let identities = |person: &Vec<Approver>| -> Vec<String> {
        person.iter().map(Approver::to_string).collect()
    };
    people
        .iter()
        .map(|person| identities(person).join(" and "))
        .collect()
}

fn approvals(quorum: &u32) -> String {
    words::count(usize::try_from(*quorum).unwrap_or(usize::MAX), "approval")
}

fn at_least(minimum: &Door) -> String {
    format!("{} at least", minimum.name())
}

fn own(self_approval: &bool) -> String {
    let who = if *self_approval { "people" } else { "nobody" };
    format!("{who} approve what they did themselves")
}

fn silence(on_expiry: &OnExpiry) -> String {
    match on_expiry {
        OnExpiry::Hold => "a hold",
        OnExpiry::Reject => "a rejection",
        OnExpiry::Proceed => "an approval",
        OnExpiry::RollBack => "a rollback",
    }
    .to_owned()
}

fn before_expiry(before: &Option<SignedDuration>) -> String {
    match before {
        Some(before) => format!("{} before it expires", words::duration(*before)),
        None => "never".to_owned(),
    }
}

fn ways(notify: &[Channel]) -> String {
    let name = |channel: &Channel| match channel {
        Channel::Sns => "mail",
        Channel::Slack => "Slack",
    };
    let names: Vec<&str> = notify.iter().map(name).collect();
    names.join(" and ")
}

fn per_cent(failure_budget: &u8) -> String {
    format!("{failure_budget} %")
}

fn failure(on_failure: &OnFailure) -> String {
    match on_failure {
        OnFailure::Hold => "hold",
        OnFailure::Skip => "skip",
    }
    .to_owned()
}
