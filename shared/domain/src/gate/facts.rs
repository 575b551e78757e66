//! The evidence in a few facts: what page, mail and Slack show first, in the same words.

use super::{Evidence, Gate, Summary, Waited};
use crate::words;

impl Evidence {
    /// The evidence in at most eight facts, each a name and one line, the window among them only
    /// where something is still to be cut over.
    #[must_use]
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let zone = self.window.as_ref().map(|window| window.time_zone.as_str());
        let summary = &self.summary;
        let mut facts = Vec::new();
        match (&self.window, self.gate) {
            (Some(window), Gate::Cutover) => {
                facts.push(("Window opens", words::time(window.opens, zone)));
                facts.push(("Window closes", words::time(window.closes, zone)));
            }
            (None, Gate::Cutover) => {
                facts.push(("Window", "none: the cutover begins at once".to_owned()));
            }
            (_, Gate::Finalize) => {}
        }
        if let Some(downtime) = self.projected_downtime {
            let downtime = words::duration(downtime);
            let text = format!("{downtime} for an application, as its tests went");
            facts.push(("Projected downtime", text));
        }
        facts.push(("Checks", summary.checks()));
        if let Some(lag) = summary.longest_lag {
            let limit = words::duration(self.max_lag);
            let text = format!("{}; the plan allows {limit}", words::duration(lag));
            facts.push(("Longest lag", text));
        }
        if let Some(snapshot) = summary.oldest_snapshot {
            facts.push(("Oldest last snapshot", words::time(snapshot, zone)));
        }
        if self.waited.instances > 0 {
            facts.push(("Cost of waiting", self.waited.cost()));
        }
        if summary.left_out > 0 {
            let text = words::count(summary.left_out as usize, "server");
            facts.push(("Left out", text));
        }
        facts
    }
}

impl Summary {
    /// How the checks went. None is open: what failed was waived, or its server is left out.
    fn checks(&self) -> String {
        match (self.checks_passed, self.checks_waived) {
            (0, 0) => "none in the plan; each server started".to_owned(),
            (passed, 0) => format!("{passed} passed"),
            (passed, 1) => format!("{passed} passed, 1 failed and was waived"),
            (passed, waived) => format!("{passed} passed, {waived} failed and were waived"),
        }
    }
}

impl Waited {
    /// What waiting has cost.
    fn cost(self) -> String {
        let instances = words::count(self.instances as usize, "test instance");
        let hours = match self.instance_hours {
            0 => "less than an instance hour".to_owned(),
            hours => words::count(
                usize::try_from(hours).unwrap_or(usize::MAX),
                "instance hour",
            ),
        };
        format!("{instances} kept, {hours} so far")
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::id::WaveId;

    #[test]
    fn checks_are_counted_by_how_they_went() {
        let cases = [
            (0, 0, "none in the plan; each server started"),
            (12, 0, "12 passed"),
            (12, 1, "12 passed, 1 failed and was waived"),
            (0, 2, "0 passed, 2 failed and were waived"),
        ];
        for (checks_passed, checks_waived, expected) in cases {
            let summary = Summary {
                checks_passed,
                checks_waived,
                ..Summary::default()
            };
            assert_eq!(summary.checks(), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let wave = WaveId::parse("orders").expect("a wave");
        let mut evidence = Evidence::new(wave, Gate::Finalize, 0);
        let names = |evidence: &Evidence| -> Vec<&str> {
            evidence.facts().iter().map(|(name, _)| *name).collect()
        };
        assert_eq!(names(&evidence), ["Checks"]);
        evidence.gate = Gate::Cutover;
        assert_eq!(names(&evidence), ["Window", "Checks"]);
        evidence.waited.instances = 1;
        evidence.max_lag = SignedDuration::from_secs(60);
        evidence.summary.longest_lag = Some(SignedDuration::from_secs(90));
        let facts = evidence.facts();
        assert_eq!(facts[2].1, "1 min 30 s; the plan allows 1 min");
        assert_eq!(
            facts[3].1,
            "1 test instance kept, less than an instance hour so far"
        );
    }
}
