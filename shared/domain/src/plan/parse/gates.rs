//! The two gates: who decides, how many, how they are asked and proved, and how long they have.

use jiff::SignedDuration;

use super::approver;
use super::errors::{At, Errors, shown};
use super::field::{Field, Fields};
use super::node::Kind;
use super::scalar::{self, Bounds};
use crate::gate::{Door, Gate};
use crate::plan::{Approver, Channel, Escalation, GatePlan, Gates, OnExpiry};

/// The keys of `gates`.
const KEYS: &[&str] = &["cutover", "finalize"];

/// The keys of the cutover gate.
const CUTOVER_KEYS: &[&str] = &[
    "automatic",
    "approvers",
    "quorum",
    "expires",
    "on_expiry",
    "notify",
    "remind",
    "escalate",
    "minimum",
    "self_approval",
];

/// The keys of the finalize gate.
const FINALIZE_KEYS: &[&str] = &[
    "after_soak",
    "automatic",
    "approvers",
    "quorum",
    "expires",
    "on_expiry",
    "notify",
    "remind",
    "escalate",
    "minimum",
    "self_approval",
];

/// The keys that make no sense where nobody is asked.
const FOR_PEOPLE: &[&str] = &[
    "approvers",
    "quorum",
    "on_expiry",
    "remind",
    "escalate",
    "minimum",
    "self_approval",
];

/// The most approvers of one gate.
const MOST_APPROVERS: u32 = 50;

const EXPIRES_DEFAULT: SignedDuration = SignedDuration::from_hours(7 * 24);
const EXPIRES: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(90 * 24),
    text: "1s to 90d",
};

/// How long before its expiry a gate reminds and escalates.
const BEFORE: Bounds = Bounds {
    least: SignedDuration::from_secs(1),
    most: SignedDuration::from_hours(90 * 24),
    text: "1s to 90d",
};

/// The keys of an approver of several identities.
const PERSON_KEYS: &[&str] = &["mail", "slack", "iam"];

/// The keys of `escalate`.
const ESCALATE_KEYS: &[&str] = &["before", "to"];

const DOORS: &[(&str, Door)] = &[
    ("mail", Door::Mail),
    ("page", Door::Page),
    ("slack", Door::Slack),
    ("iam", Door::Iam),
];

const CHANNELS: &[(&str, Channel)] = &[("sns", Channel::Sns), ("slack", Channel::Slack)];

const SOAK_DEFAULT: SignedDuration = SignedDuration::from_hours(24);
const SOAK: Bounds = Bounds {
    least: SignedDuration::ZERO,
    most: SignedDuration::from_hours(90 * 24),
    text: "0s to 90d",
};

/// Read `gates`.
pub(super) fn gates(field: Field<'_>, errors: &mut Errors) -> Option<Gates> {
    let fields = Fields::of("the gates", field.node, KEYS, &[], errors)?;
    let cutover = fields.required("cutover", errors).and_then(|field| {
        let fields = Fields::of("the cutover gate", field.node, CUTOVER_KEYS, &[], errors)?;
        gate(Gate::Cutover, &fields, errors)
    });
    let finalize = fields.required("finalize", errors).and_then(|field| {
        let fields = Fields::of("the finalize gate", field.node, FINALIZE_KEYS, &[], errors)?;
        let soak = match fields.optional("after_soak") {
            Some(field) => scalar::duration(field, SOAK, errors),
            None => Some(SOAK_DEFAULT),
        };
        gate(Gate::Finalize, &fields, errors).zip(soak)
    });
    let (finalize, soak) = finalize?;
    Some(Gates {
        cutover: cutover?,
        finalize,
        soak,
    })
}

fn gate(which: Gate, fields: &Fields<'_>, errors: &mut Errors) -> Option<GatePlan> {
    let expires = match fields.optional("expires") {
        Some(field) => scalar::duration(field, EXPIRES, errors),
        None => Some(EXPIRES_DEFAULT),
    };
    let notify = match fields.optional("notify") {
        Some(field) => notify(field, errors).map(|ways| Some((field, ways))),
        None => Some(None),
    };
    let automatic = match fields.optional("automatic") {
        Some(field) => scalar::boolean(field, errors)?,
        None => false,
    };
    if automatic {
        for name in FOR_PEOPLE {
            if let Some(at) = fields.key_at(name) {
                errors.push(
                    at,
                    format!(
                        "`{name}` contradicts `automatic: true`, with which nobody is asked: leave \
                         one of them out"
                    ),
                );
            }
        }
        return Some(GatePlan {
            expires: expires?,
            ..GatePlan::automatic()
        });
    }
    let on_expiry = match fields.optional("on_expiry") {
        Some(field) => on_expiry(which, field, errors),
        None => Some(OnExpiry::Hold),
    };
    let minimum = match fields.optional("minimum") {
        Some(field) => scalar::choice(field, DOORS, errors),
        None => Some(Door::Mail),
    };
    let self_approval = match fields.optional("self_approval") {
        Some(field) => scalar::boolean(field, errors),
        None => Some(false),
    };
    let before = |field: Field<'_>, errors: &mut Errors| {
        let before = scalar::duration(field, BEFORE, errors)?;
        match expires {
            Some(expires) if before >= expires => {
                field.wrong(
                    "this long before the gate expires, it is not open yet: `expires` has to be \
                     longer",
                    errors,
                );
                None
            }
            Some(_) | None => Some(before),
        }
    };
    let remind = match fields.optional("remind") {
        Some(field) => before(field, errors).map(Some),
        None => Some(None),
    };
    let Some(field) = fields.optional("approvers") else {
        errors.push(
            fields.at,
            "nobody can decide at this gate: write `approvers`, or `automatic: true`",
        );
        return None;
    };
    let mut named = Named::default();
    named.read(field, errors)?;
    let quorum = match fields.optional("quorum") {
        Some(quorum) => reachable(quorum, &named.people, minimum?, errors),
        None => able_to(field, &named.people, minimum?, errors),
    };
    let approvers = named.identities();
    let escalate = match fields.optional("escalate") {
        Some(field) => escalate(field, &mut named, minimum?, before, errors).map(Some),
        None => Some(None),
    };
    let notify = ways(notify?, &named, errors);
    Some(GatePlan {
        automatic,
        approvers,
        quorum: quorum?,
        expires: expires?,
        on_expiry: on_expiry?,
        notify: notify?,
        minimum: minimum?,
        remind: remind?,
        escalate: escalate?,
        self_approval: self_approval?,
        people: named.together(),
    })
}

/// A person's identities, each with its place.
type Person = Vec<(Approver, At)>;

/// The people that a gate names, in order.
#[derive(Default)]
struct Named {
    people: Vec<Person>,
}

impl Named {
    /// Read a list of people; gives the identities that it added.
    fn read(&mut self, field: Field<'_>, errors: &mut Errors) -> Option<Vec<Approver>> {
        let items = field.list("a list of approvers", errors)?;
        if items.is_empty() || items.len() > MOST_APPROVERS as usize {
            field.wrong(
                format!(
                    "a gate has 1 to {MOST_APPROVERS} approvers; this one has {}",
                    items.len()
                ),
                errors,
            );
            return None;
        }
        let mut added = Vec::new();
        let mut whole = true;
        for item in items {
            let Some(identities) = person(item, errors) else {
                whole = false;
                continue;
            };
            let mut person = Vec::new();
            for identity in identities {
                let known = self.people.iter().chain([&person]).flatten();
                let known = known
                    .filter(|(other, _): &&(Approver, At)| other.same(&identity))
                    .map(|(_, at)| *at);
                match known.take(1).last() {
                    Some(first) => {
                        whole = false;
                        item.wrong(
                            format!(
                                "{} stands here twice; the first is in line {}",
                                shown(&identity.to_string()),
                                first.line
                            ),
                            errors,
                        );
                    }
                    None => person.push((identity, item.node.at)),
                }
            }
            added.extend(person.iter().map(|(identity, _)| identity.clone()));
            self.people.push(person);
        }
        whole.then_some(added)
    }

    fn identities(&self) -> Vec<Approver> {
        let all = self.people.iter().flatten();
        all.map(|(identity, _)| identity.clone()).collect()
    }

    /// Those with several identities.
    fn together(&self) -> Vec<Vec<Approver>> {
        let several = self.people.iter().filter(|person| person.len() > 1);
        several
            .map(|person| person.iter().map(|(who, _)| who.clone()).collect())
            .collect()
    }

    /// The first who can be asked by one way alone.
    fn first(&self, door: Door) -> Option<&Approver> {
        let mut all = self.people.iter().flatten().map(|(who, _)| who);
        all.find(|who| who.door() == door)
    }
}

/// How many of these people can be proved at least so well.
fn able(people: &[Person], minimum: Door) -> u32 {
    let able = people
        .iter()
        .filter(|person| person.iter().any(|(who, _)| who.door() >= minimum));
    u32::try_from(able.count()).unwrap_or(u32::MAX)
}

/// One approver, or the several identities of one.
fn person(item: Field<'_>, errors: &mut Errors) -> Option<Vec<Approver>> {
    if !matches!(item.node.kind, Kind::Map(_)) {
        return approver::approver(item, errors).map(|approver| vec![approver]);
    }
    let fields = Fields::of("an approver", item.node, PERSON_KEYS, &[], errors)?;
    let identities: Vec<Option<Approver>> = [
        fields.optional("mail").map(|f| approver::mail(f, errors)),
        fields.optional("slack").map(|f| approver::slack(f, errors)),
        fields.optional("iam").map(|f| approver::iam(f, errors)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if identities.is_empty() {
        item.expected("at least one of `mail`, `slack` and `iam`", errors);
        return None;
    }
    identities.into_iter().collect()
}

fn reachable(
    field: Field<'_>,
    people: &[Person],
    minimum: Door,
    errors: &mut Errors,
) -> Option<u32> {
    let most = people.len();
    let quorum = scalar::whole(field, 1, MOST_APPROVERS, errors)?;
    if quorum as usize > most {
        field.wrong(
            format!("{quorum} must approve, but there are only {most} approvers"),
            errors,
        );
        return None;
    }
    let able = able(people, minimum);
    if quorum > able {
        field.wrong(
            format!(
                "{quorum} must approve, but only {able} of the approvers can prove themselves by {}, \
                 which `minimum` wants",
                minimum.name()
            ),
            errors,
        );
        return None;
    }
    Some(quorum)
}

/// A quorum of one, which somebody can meet.
fn able_to(field: Field<'_>, people: &[Person], minimum: Door, errors: &mut Errors) -> Option<u32> {
    if able(people, minimum) == 0 {
        field.wrong(
            format!(
                "nobody here can prove themselves by {}, which `minimum` wants",
                minimum.name()
            ),
            errors,
        );
        return None;
    }
    Some(1)
}

/// What becomes of the gate when nobody decides.
fn on_expiry(gate: Gate, field: Field<'_>, errors: &mut Errors) -> Option<OnExpiry> {
    let given = scalar::text(field, "hold, reject, proceed or roll_back", errors)?;
    match gate {
        Gate::Cutover if given == "roll_back" => {
            field.wrong(
                "`roll_back` is for the finalize gate: before the cutover there is nothing to undo; \
                 write `reject`",
                errors,
            );
            None
        }
        Gate::Cutover if given == "proceed" => {
            field.wrong(
                "`proceed` is for the finalize gate: nobody's silence approves a cutover; for that \
                 write `automatic: true`",
                errors,
            );
            None
        }
        Gate::Cutover => scalar::choice(
            field,
            &[("hold", OnExpiry::Hold), ("reject", OnExpiry::Reject)],
            errors,
        ),
        Gate::Finalize => scalar::choice(
            field,
            &[
                ("hold", OnExpiry::Hold),
                ("reject", OnExpiry::Reject),
                ("proceed", OnExpiry::Proceed),
                ("roll_back", OnExpiry::RollBack),
            ],
            errors,
        ),
    }
}

/// Whom to ask as well, and when: some of them can decide.
fn escalate(
    field: Field<'_>,
    named: &mut Named,
    minimum: Door,
    before: impl Fn(Field<'_>, &mut Errors) -> Option<SignedDuration>,
    errors: &mut Errors,
) -> Option<Escalation> {
    let fields = Fields::of("an escalation", field.node, ESCALATE_KEYS, &[], errors)?;
    let when = fields
        .required("before", errors)
        .and_then(|field| before(field, errors));
    let first = named.people.len();
    let to = fields.required("to", errors).and_then(|field| {
        let to = named.read(field, errors)?;
        able_to(field, &named.people[first..], minimum, errors).map(|_| to)
    });
    Some(Escalation {
        before: when?,
        to: to?,
    })
}

/// The ways that a `notify` names.
fn notify(field: Field<'_>, errors: &mut Errors) -> Option<Vec<Channel>> {
    let items = field.list("a list of ways, such as [sns, slack]", errors)?;
    if items.is_empty() {
        field.wrong("nobody would be asked: name sns, slack or both", errors);
        return None;
    }
    let ways: Vec<Option<Channel>> = items
        .into_iter()
        .map(|item| scalar::choice(item, CHANNELS, errors))
        .collect();
    let mut ways: Vec<Channel> = ways.into_iter().collect::<Option<_>>()?;
    ways.sort_unstable();
    ways.dedup();
    Some(ways)
}

/// How people are asked: as the plan says, if that reaches everybody; else as they can be reached.
fn ways(
    given: Option<(Field<'_>, Vec<Channel>)>,
    named: &Named,
    errors: &mut Errors,
) -> Option<Vec<Channel>> {
    let Some((field, ways)) = given else {
        let slack = named.first(Door::Slack).map(|_| Channel::Slack);
        return Some(std::iter::once(Channel::Sns).chain(slack).collect());
    };
    for (door, way, name) in [
        (Door::Mail, Channel::Sns, "sns"),
        (Door::Slack, Channel::Slack, "slack"),
    ] {
        if let Some(who) = named.first(door)
            && !ways.contains(&way)
        {
            field.wrong(format!("{who} would never be asked: add {name}"), errors);
            return None;
        }
    }
    Some(ways)
}
