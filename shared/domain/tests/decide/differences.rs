//! Every field of a plan has a clause of its own when it is changed. The structures are taken apart
//! whole, so that a new field breaks the build.

use jiff::SignedDuration;
use tidegate_domain::gate::Door;
use tidegate_domain::id::ApplicationName;
use tidegate_domain::message::Body;
use tidegate_domain::plan::{
    Application, Channel, Escalation, GatePlan, Gates, OnExpiry, OnFailure, Plan, Policy, Start,
    Window,
};

use crate::asking::{iam, mail};
use crate::fixture::{Hand, operator, plan};

/// A change, and the clause that tells it.
type Case = (Box<dyn FnOnce(&mut Plan)>, &'static str);

/// What the chain tells of changes of a wave that waits: there every change is allowed.
fn told(before: impl Fn(&mut Plan), cases: Vec<Case>) {
    let mut plan = plan(1, 1);
    plan.start = Start::Manual;
    before(&mut plan);
    let mut waits = Hand::new(plan);
    waits.turn();
    for (change, clause) in cases {
        let mut hand = waits.clone();
        let mut plan = hand.wave().plan.clone();
        change(&mut plan);
        hand.send_as(operator(), Body::Apply(Box::new(plan)));
        assert_eq!(
            hand.answer(),
            format!(
                "MessageCounted: The plan was changed; a gate that was asked is asked again. What is \
                 different: {clause}."
            )
        );
    }
}

fn cutover(plan: &mut Plan) -> &mut GatePlan {
    &mut plan.gates.cutover
}

fn policy(plan: &mut Plan) -> &mut Policy {
    &mut plan.policy
}

/// Each field of a part of the plan is given the variable of its name.
macro_rules! cases {
    ($part:ident: $($field:ident => $clause:expr),+ $(,)?) => {{
        let cases: Vec<Case> = vec![$((
            Box::new(move |plan| $part(plan).$field = $field),
            $clause,
        )),+];
        cases
    }};
}

#[test]
fn every_field_of_a_gate_is_told() {
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
    } = GatePlan {
        automatic: true,
        approvers: vec![mail("ops"), mail("eve")],
        quorum: 2,
        expires: SignedDuration::from_secs(1),
        on_expiry: OnExpiry::Reject,
        notify: vec![Channel::Sns, Channel::Slack],
        minimum: Door::Iam,
        remind: Some(SignedDuration::from_mins(5)),
        escalate: Some(Escalation {
            before: SignedDuration::from_mins(30),
            to: vec![mail("dba")],
        }),
        self_approval: true,
        people: vec![vec![mail("ops"), iam("ops")]],
    };
    let cases = cases![cutover:
        automatic => "the cutover gate asks nobody, asked people",
        approvers => "the cutover gate asks also eve@example.com",
        quorum => "the cutover gate wants 2 approvals, wanted 1 approval",
        expires => "the cutover gate waits for 1 s, waited for 24 h",
        on_expiry => "the cutover gate takes silence for a rejection, took it for a hold",
        notify => "the cutover gate asks by mail and Slack, asked by mail",
        minimum => "the cutover gate wants AWS credentials at least, wanted a mail link at least",
        remind => "the cutover gate reminds 5 min before it expires, reminded never",
        escalate => "the cutover gate escalates also to dba@example.com; the cutover gate escalates \
                     30 min before it expires, escalated never",
        self_approval => "the cutover gate lets people approve what they did themselves, let nobody \
                          approve what they did themselves",
        people => "the cutover gate counts as one also ops@example.com and \
                   iam:arn:aws:sts::111122223333:assumed-role/Ops/ops",
    ];
    told(|_| {}, cases);
}

#[test]
fn every_field_of_an_escalation_is_told() {
    let Escalation { before, to } = Escalation {
        before: SignedDuration::from_secs(1),
        to: vec![mail("eve")],
    };
    let escalates = Escalation {
        before: SignedDuration::from_mins(30),
        to: vec![mail("dba")],
    };
    let sooner = Some(Escalation {
        before,
        ..escalates.clone()
    });
    let others = Some(Escalation {
        to,
        ..escalates.clone()
    });
    let cases: Vec<Case> = vec![
        (
            Box::new(|plan| plan.gates.finalize.escalate = sooner),
            "the finalize gate escalates 1 s before it expires, escalated 30 min before it expires",
        ),
        (
            Box::new(|plan| plan.gates.finalize.escalate = others),
            "the finalize gate escalates also to eve@example.com; the finalize gate escalates no \
             more to dba@example.com",
        ),
    ];
    let before = |plan: &mut Plan| {
        plan.gates.finalize = plan.gates.cutover.clone();
        plan.gates.finalize.escalate = Some(escalates.clone());
    };
    told(before, cases);
}

#[test]
fn every_field_of_a_policy_is_told() {
    let Policy {
        max_lag,
        attempts,
        failure_budget,
        on_failure,
        keep_test_instances,
        observe_every,
        launch_timeout,
        boot_timeout,
    } = Policy {
        max_lag: SignedDuration::from_hours(10),
        attempts: 9,
        failure_budget: 99,
        on_failure: OnFailure::Skip,
        keep_test_instances: SignedDuration::from_mins(1),
        observe_every: SignedDuration::from_mins(2),
        launch_timeout: SignedDuration::from_mins(3),
        boot_timeout: SignedDuration::from_mins(4),
    };
    let cases = cases![policy:
        max_lag => "the policy's max_lag is 10 h, was 1 min",
        attempts => "the policy's attempts is 9, was 2",
        failure_budget => "the policy's failure_budget is 99 %, was 50 %",
        on_failure => "the policy's on_failure is skip, was hold",
        keep_test_instances => "the policy's keep_test_instances is 1 min, was 4 h",
        observe_every => "the policy's observe_every is 2 min, was 15 s",
        launch_timeout => "the policy's launch_timeout is 3 min, was 2 h",
        boot_timeout => "the policy's boot_timeout is 4 min, was 30 min",
    ];
    told(|_| {}, cases);
}

fn window() -> Window {
    Window {
        opens: "2026-12-05T21:00:00Z".parse().expect("a time"),
        closes: "2026-12-06T01:00:00Z".parse().expect("a time"),
        time_zone: "UTC".to_owned(),
    }
}

#[test]
fn every_field_of_a_window_is_told() {
    let Window {
        opens,
        closes,
        time_zone,
    } = Window {
        opens: "2026-12-05T22:00:00Z".parse().expect("a time"),
        closes: "2026-12-09T01:00:00Z".parse().expect("a time"),
        time_zone: "Europe/Berlin".to_owned(),
    };
    let with = |change: Box<dyn FnOnce(&mut Window)>| -> Box<dyn FnOnce(&mut Plan)> {
        let mut window = window();
        change(&mut window);
        Box::new(|plan| plan.window = Some(window))
    };
    let cases = vec![
        (
            with(Box::new(move |window| window.opens = opens)),
            "the window opens 2026-12-05 22:00 UTC, opened 2026-12-05 21:00 UTC",
        ),
        (
            with(Box::new(move |window| window.closes = closes)),
            "the window closes 2026-12-09 01:00 UTC, closed 2026-12-06 01:00 UTC",
        ),
        (
            with(Box::new(|window| window.time_zone = time_zone)),
            "the window's time zone is Europe/Berlin, was UTC",
        ),
    ];
    told(|plan| plan.window = Some(window()), cases);
}

#[test]
fn every_other_field_of_a_plan_is_told() {
    let mut other = plan(1, 1);
    other.applications.pop();
    let Plan {
        // The inbox's name.
        wave: _,
        start,
        window,
        gates,
        policy: _,
        applications,
    } = Plan {
        start: Start::Replication,
        window: Some(window()),
        ..other
    };
    // The gates have tests of their own.
    let Gates {
        cutover: _,
        finalize: _,
        soak,
    } = Gates {
        soak: SignedDuration::from_mins(7),
        ..gates
    };
    let cases: Vec<Case> = vec![
        (
            Box::new(|plan| plan.start = start),
            "it starts on replication, started by hand",
        ),
        (
            Box::new(|plan| plan.window = window),
            "the window is from 2026-12-05 21:00 UTC to 2026-12-06 01:00 UTC, was none",
        ),
        (
            Box::new(move |plan| plan.gates.soak = soak),
            "the soak is 7 min, was 1 h",
        ),
        (
            Box::new(|plan| plan.applications = applications),
            "it moves no more web",
        ),
    ];
    told(|_| {}, cases);
}

#[test]
fn every_field_of_an_application_is_told() {
    let Application {
        name,
        after,
        servers,
        quiesce,
        validate,
    } = Application {
        name: ApplicationName::parse("cache").expect("a name"),
        after: Vec::new(),
        servers: plan(2, 0).applications.remove(0).servers,
        quiesce: plan(2, 0).applications.remove(0).quiesce,
        validate: Vec::new(),
    };
    let web = |change: Box<dyn FnOnce(&mut Application)>| -> Box<dyn FnOnce(&mut Plan)> {
        Box::new(|plan| change(&mut plan.applications[1]))
    };
    let cases = vec![
        (
            web(Box::new(|web| web.name = name)),
            "it moves also cache; it moves no more web",
        ),
        (
            web(Box::new(|web| web.after = after)),
            "other in application web: what it comes after",
        ),
        (
            web(Box::new(|web| web.servers = servers)),
            "other in application web: its servers",
        ),
        (
            web(Box::new(|web| web.quiesce = quiesce)),
            "other in application web: what stops and starts it",
        ),
        (
            web(Box::new(|web| web.validate = validate)),
            "other in application web: its checks",
        ),
        (
            Box::new(|plan| plan.applications.reverse()),
            "its applications are in another order",
        ),
    ];
    told(|_| {}, cases);
}

#[test]
fn of_many_new_approvers_each_is_named() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let cases: Vec<Case> = vec![(
        Box::new(move |plan| {
            let approvers = names.iter().map(|name| mail(name));
            plan.gates.cutover.approvers.extend(approvers);
        }),
        "the cutover gate asks also a@example.com, b@example.com, c@example.com, d@example.com, \
         e@example.com; the cutover gate asks also f@example.com, g@example.com",
    )];
    told(|_| {}, cases);
}
