//! What becomes of an invocation.
//!
//! **Invariant:** an outcome depends on document, node and how often the two met, so that a
//! run replays.

use jiff::SignedDuration;

use super::Node;
use super::SsmSimulator;
use crate::core::parse_duration;

/// How outcomes are written, for help texts.
pub const OUTCOME_HELP: &str = "\
command=DOCUMENT:NODE:N:OUTCOME[:DURATION]
                                   the N-th run of a document on a node ends so, after DURATION
                                   (divided by speed). DOCUMENT, NODE (hostname, i-… or mi-…; a
                                   hostname counts over its instances) and N may be *. OUTCOME:
                                   success, failed, timed-out, delivery-timed-out,
                                   undeliverable, never, or a probability of failing (0.1)";

/// How an invocation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Success, exit code 0.
    Success,
    /// Failed, exit code 1.
    Failed,
    /// TimedOut while it ran (ExecutionTimedOut).
    TimedOut,
    /// TimedOut before it ran (DeliveryTimedOut).
    DeliveryTimedOut,
    /// Failed, Undeliverable.
    Undeliverable,
    /// It stays InProgress.
    Never,
}

/// A rule: which invocations end how.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeRule {
    /// The document; any without.
    pub document: Option<String>,
    /// The node's ID, or its hostname; any without.
    pub node: Option<String>,
    /// Which run of the document on the node, counted from 1; any without.
    pub nth: Option<u64>,
    /// How often, 0 to 1.
    pub odds: f64,
    /// How it ends.
    pub outcome: Outcome,
    /// After how long, before speed divides it.
    pub after: Option<SignedDuration>,
}

impl OutcomeRule {
    /// Reads the part after `command=` of [`OUTCOME_HELP`].
    ///
    /// # Errors
    /// Says what was not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("outcome {text:?} is not understood:\n{OUTCOME_HELP}");
        let mut parts = text.split(':');
        let mut any = || -> Result<Option<String>, String> {
            let part = parts.next().ok_or_else(wrong)?;
            Ok((part != "*").then(|| part.to_owned()))
        };
        let document = any()?;
        let node = any()?;
        let nth = any()?
            .map(|nth| nth.parse().map_err(|_| wrong()))
            .transpose()?;
        let outcome = any()?.ok_or_else(wrong)?;
        let after = parts.next().map(parse_duration).transpose()?;
        let (outcome, odds) = match outcome.as_str() {
            "success" => (Outcome::Success, 1.0),
            "failed" => (Outcome::Failed, 1.0),
            "timed-out" => (Outcome::TimedOut, 1.0),
            "delivery-timed-out" => (Outcome::DeliveryTimedOut, 1.0),
            "undeliverable" => (Outcome::Undeliverable, 1.0),
            "never" => (Outcome::Never, 1.0),
            odds => {
                let odds: f64 = odds.parse().map_err(|_| wrong())?;
                if !(0.0..=1.0).contains(&odds) {
                    return Err(wrong());
                }
                (Outcome::Failed, odds)
            }
        };
        Ok(Self {
            document,
            node,
            nth,
            odds,
            outcome,
            after,
        })
    }
}

impl SsmSimulator {
    /// Adds a rule before the others.
    pub fn script(&mut self, rule: OutcomeRule) {
        self.config.outcomes.insert(0, rule);
    }

    /// How this run of a document on a node ends, and after how long if a rule says so.
    pub(super) fn decide(
        &mut self,
        document: &str,
        node: &Node,
    ) -> (Outcome, Option<SignedDuration>) {
        let kind = match node.kind {
            super::NodeKind::Instance => "instance",
            super::NodeKind::Hybrid => "hybrid",
        };
        let key = format!("{document} {kind} {}", node.computer_name);
        let nth = self.runs.entry(key.clone()).or_default();
        *nth += 1;
        let nth = *nth;
        let found = self
            .config
            .outcomes
            .iter()
            .enumerate()
            .find(|(index, rule)| {
                rule.document
                    .as_deref()
                    .is_none_or(|wanted| wanted == document)
                    && rule
                        .node
                        .as_deref()
                        .is_none_or(|wanted| wanted == node.id || wanted == node.computer_name)
                    && rule.nth.is_none_or(|wanted| wanted == nth)
                    && self
                        .random
                        .chance(rule.odds, &format!("outcome {index}"), &key, nth)
            });
        found.map_or((Outcome::Success, None), |(_, rule)| {
            (rule.outcome, rule.after)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read() {
        let rule = OutcomeRule::parse("Tidegate-CheckPort:db01:1:failed:3s").expect("a rule");
        assert_eq!(rule.document.as_deref(), Some("Tidegate-CheckPort"));
        assert_eq!(rule.nth, Some(1));
        assert_eq!(rule.outcome, Outcome::Failed);
        assert_eq!(rule.after, Some(SignedDuration::from_secs(3)));
        let rule = OutcomeRule::parse("*:*:*:0.25").expect("a rule");
        assert_eq!((rule.document, rule.odds), (None, 0.25));
        for wrong in [
            "",
            "a:b",
            "a:b:c:failed",
            "a:b:1:nonsense",
            "a:b:1:2",
            "a:b:1:failed:x",
        ] {
            assert!(OutcomeRule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
