//! Gates: who decides at them, by which doors, and what silence means.

use jiff::SignedDuration;
use tidegate_domain::gate::{Door, Gate};
use tidegate_domain::plan::{Approver, Channel, Escalation, GatePlan, OnExpiry};

use super::random_seconds;
use crate::people::operator;
use crate::random::Random;

/// Approvers in Slack, and to whom a gate escalates there.
pub(crate) const ANNA: &str = "U024BE7LH";
pub(crate) const BERT: &str = "W012A3CDE";
pub(crate) const LEAD: &str = "U012LEAD";

/// A gate that its approvers can decide without whoever applies plans.
pub(super) fn gate(random: &mut Random, automatic: f64, of: Gate) -> GatePlan {
    let automatic = random.chance(automatic);
    let people = [
        Approver::Mail("ops@example.com".to_owned()),
        Approver::Iam("arn:aws:sts::111122223333:assumed-role/Approver/*".to_owned()),
        Approver::Mail("dba@example.com".to_owned()),
    ];
    let count = usize::try_from(random.between(1, 3)).unwrap_or(1);
    let most = u64::try_from(count).unwrap_or(1);
    if automatic {
        return GatePlan::automatic();
    }
    let quorum = u32::try_from(random.between(1, most)).unwrap_or(1);
    let seconds = random_seconds(random, 600, 6 * 3_600);
    let expires = SignedDuration::from_secs(seconds);
    let mut gate = GatePlan::asking(people.into_iter().take(count).collect(), quorum, expires);
    let also = Approver::Iam("arn:aws:iam::111122223333:user/ops".to_owned());
    if random.chance(0.3) {
        gate.people = vec![vec![
            Approver::Mail("ops@example.com".to_owned()),
            also.clone(),
        ]];
        gate.approvers.push(also);
    }
    if random.chance(0.2) {
        gate.approvers.push(operator());
        gate.self_approval = random.chance(0.5);
    }
    if random.chance(0.15) && count > 1 {
        gate.quorum = 1;
        gate.minimum = Door::Iam;
    }
    gate.on_expiry = match (of, random.between(1, 10)) {
        (_, 1..=5) => OnExpiry::Hold,
        (Gate::Finalize, 8) => OnExpiry::RollBack,
        (Gate::Finalize, 9 | 10) => OnExpiry::Proceed,
        (Gate::Cutover | Gate::Finalize, _) => OnExpiry::Reject,
    };
    gate.remind = random
        .chance(0.5)
        .then(|| SignedDuration::from_secs(seconds / 2));
    let escalate = random.chance(0.4).then(|| Escalation {
        before: SignedDuration::from_secs(seconds / 4),
        to: vec![Approver::Mail("lead@example.com".to_owned())],
    });
    // A plan whose escalation asks nobody who can decide is refused.
    gate.escalate = escalate.filter(|_| gate.minimum == Door::Mail);
    if gate.minimum == Door::Mail && random.chance(0.4) {
        in_slack(random, &mut gate);
    }
    gate
}

/// The gate asks in Slack: as well as by mail, or instead.
fn in_slack(random: &mut Random, gate: &mut GatePlan) {
    if random.chance(0.5) {
        gate.notify = vec![Channel::Sns, Channel::Slack];
        gate.approvers.push(Approver::Slack(ANNA.to_owned()));
        return;
    }
    gate.notify = vec![Channel::Slack];
    if random.chance(0.3) {
        gate.minimum = Door::Slack;
    }
    let escalated = gate
        .escalate
        .iter_mut()
        .flat_map(|escalate| &mut escalate.to);
    let people = gate.people.iter_mut().flatten();
    for one in gate.approvers.iter_mut().chain(people).chain(escalated) {
        if let Approver::Mail(address) = one {
            *one = Approver::Slack(there(address).to_owned());
        }
    }
}

/// Who this is in Slack.
fn there(address: &str) -> &'static str {
    match address {
        "ops@example.com" => ANNA,
        "dba@example.com" => BERT,
        _ => LEAD,
    }
}
