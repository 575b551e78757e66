//! Who may decide at a gate, and who is the same person as whom.
//!
//! **Invariant 9**: a quorum is of different people. An entry of the approvers counts once,
//! whoever of a pattern decides; entries that name one person together count once too.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Approval, Door, Evidence, Gate, OpenGate, Part};
use crate::id::ServerId;
use crate::plan::{Approver, GatePlan, Plan};
use crate::wave::Wave;

impl GatePlan {
    /// The approver of this gate that `who` is, if any: an IAM approver ending in `*` stands for
    /// every principal that begins so and is not named on their own. Those to whom the gate
    /// escalates are among them; whether they may decide yet, [`GatePlan::may_decide`] says.
    #[must_use]
    pub fn approver(&self, who: &Approver) -> Option<&Approver> {
        let named = self.everybody().find(|allowed| allowed.same(who));
        named.or_else(|| self.everybody().find(|allowed| allowed.stands_for(who)))
    }

    /// Those who may decide, and those to whom the gate escalates.
    fn everybody(&self) -> impl Iterator<Item = &Approver> {
        let escalated = self.escalate.iter().flat_map(|escalate| &escalate.to);
        self.approvers.iter().chain(escalated)
    }

    /// All of them who are asked by mail, each once.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<Approver> {
        let mut mailboxes: Vec<Approver> = Vec::new();
        for approver in self.everybody() {
            let known = mailboxes.iter().any(|known| known.same(approver));
            if matches!(approver, Approver::Mail(_)) && !known {
                mailboxes.push(approver.clone());
            }
        }
        mailboxes
    }

    /// Whether `who` may decide at the gate as it stands, proved so.
    ///
    /// # Errors
    /// A sentence without its end: why not.
    pub fn may_decide(&self, who: &Approver, door: Door, open: &OpenGate) -> Result<(), String> {
        let gate = open.evidence.gate;
        let named = self.approvers.iter().any(|a| a.stands_for(who));
        let escalated = self
            .escalate
            .iter()
            .any(|e| e.to.iter().any(|a| a.stands_for(who)));
        if !named && !escalated {
            return Err(format!("{who} is no approver of the {gate} gate"));
        }
        if !named && open.escalated.is_none() {
            return Err(format!(
                "{who} may decide at the {gate} gate only once it was escalated"
            ));
        }
        if door < self.minimum {
            return Err(format!(
                "the plan wants more than {} at the {gate} gate: decide by {}",
                door.name(),
                self.minimum.name()
            ));
        }
        Ok(())
    }

    /// Whether two that may decide are one person to this gate.
    #[must_use]
    pub fn same_person(&self, a: &Approver, b: &Approver) -> bool {
        if a.same(b) {
            return true;
        }
        let together = self.people.iter().any(|person| {
            let is = |who: &Approver| person.iter().any(|identity| identity.stands_for(who));
            is(a) && is(b)
        });
        let entry = |who: &Approver| self.approver(who);
        together || (entry(a).is_some() && entry(a) == entry(b))
    }

    /// What the person behind `who` approved already, by whichever identity.
    #[must_use]
    pub fn approval_of<'a>(&self, who: &Approver, open: &'a OpenGate) -> Option<&'a Approval> {
        let mut approvals = open.approvals.iter();
        approvals.find(|approval| self.same_person(&approval.by, who))
    }

    /// Whether `who` is the one who did something to the wave: the same principal, or another
    /// identity of the same person. Another session of a pattern is somebody else.
    #[must_use]
    pub fn did(&self, who: &Approver, doer: &Approver) -> bool {
        who.same(doer)
            || self.people.iter().any(|person| {
                let is = |who: &Approver| person.iter().any(|identity| identity.stands_for(who));
                is(who) && is(doer)
            })
    }

    /// When the approvers are to be reminded.
    #[must_use]
    pub fn reminds_at(&self, expires: Timestamp) -> Option<Timestamp> {
        expires.saturating_sub(self.remind?).ok()
    }

    /// When the gate escalates.
    #[must_use]
    pub fn escalates_at(&self, expires: Timestamp) -> Option<Timestamp> {
        expires.saturating_sub(self.escalate.as_ref()?.before).ok()
    }
}

impl Wave {
    /// The plan of that gate.
    #[must_use]
    pub fn gate_plan(&self, gate: Gate) -> &GatePlan {
        match gate {
            Gate::Cutover => &self.plan.gates.cutover,
            Gate::Finalize => &self.plan.gates.finalize,
        }
    }

    /// Whether somebody who may decide may also approve: nobody approves what they started, applied
    /// or changed themselves, unless the plan lets them.
    ///
    /// # Errors
    /// A sentence without its end: why not.
    pub fn may_approve(&self, gate: Gate, by: &Approver) -> Result<(), String> {
        let plan = self.gate_plan(gate);
        let changed = self.authors().any(|author| plan.did(by, author));
        let started = self.started_by.as_ref().is_some_and(|s| plan.did(by, s));
        if plan.self_approval || !(changed || started) {
            return Ok(());
        }
        let did = if changed {
            "applied this wave's plan"
        } else {
            "started this wave"
        };
        Err(format!(
            "{by} {did}; somebody else has to approve it (or the plan says `self_approval: true`)"
        ))
    }
}

impl Wave {
    /// All who applied or changed the plan.
    pub fn authors(&self) -> impl Iterator<Item = &Approver> {
        std::iter::once(&self.applied_by).chain(&self.authors_before)
    }
}

impl Evidence {
    /// The servers that a part names, in the order of the evidence; none if it is the whole. What
    /// comes after something else can be approved only together with it.
    ///
    /// # Errors
    /// A sentence without its end: what is wrong with the part.
    pub fn part(&self, plan: &Plan, part: &Part) -> Result<Vec<ServerId>, String> {
        if part.is_whole() {
            return Ok(Vec::new());
        }
        for name in &part.applications {
            if !self.servers.iter().any(|s| s.application == *name) {
                return Err(format!("the gate does not ask about application {name}"));
            }
        }
        let asked: BTreeSet<&ServerId> = self.servers.iter().map(|s| &s.server).collect();
        if let Some(id) = part.servers.iter().find(|id| !asked.contains(id)) {
            return Err(format!("the gate does not ask about server {id}"));
        }
        let named: BTreeSet<&ServerId> = part.servers.iter().collect();
        let (approved, rest): (Vec<_>, Vec<_>) = self
            .servers
            .iter()
            .partition(|s| named.contains(&s.server) || part.applications.contains(&s.application));
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        if self.gate == Gate::Cutover {
            for application in &plan.applications {
                if !approved.iter().any(|s| s.application == application.name) {
                    continue;
                }
                let missing = rest
                    .iter()
                    .find(|s| application.after.contains(&s.application));
                if let Some(missing) = missing {
                    return Err(format!(
                        "{} comes after {}, so that {} has to be approved with it",
                        application.name, missing.application, missing.hostname
                    ));
                }
            }
        }
        Ok(approved.into_iter().map(|s| s.server.clone()).collect())
    }
}

impl Approver {
    /// Whether this approver of a plan is `who`.
    #[must_use]
    pub fn stands_for(&self, who: &Self) -> bool {
        match (self, who) {
            (Self::Iam(pattern), Self::Iam(arn)) => match pattern.strip_suffix('*') {
                Some(start) => arn.starts_with(start),
                None => pattern == arn,
            },
            (Self::Iam(_) | Self::Mail(_) | Self::Slack(_), _) => self.same(who),
        }
    }

    /// Whether two names are of one identity: mail addresses are, in any letter case.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Mail(a), Self::Mail(b)) => a.eq_ignore_ascii_case(b),
            (Self::Mail(_) | Self::Slack(_) | Self::Iam(_), _) => self == other,
        }
    }

    /// The door that proves this identity best.
    #[must_use]
    pub fn door(&self) -> Door {
        match self {
            Self::Mail(_) => Door::Mail,
            Self::Slack(_) => Door::Slack,
            Self::Iam(_) => Door::Iam,
        }
    }
}
