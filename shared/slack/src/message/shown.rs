//! What a message shows of its evidence.

use serde_json::Value;
use tidegate_domain::gate::Evidence;
use tidegate_domain::words;

use super::Question;
use super::blocks::{mrkdwn, section};
use super::text::{LONGEST_NAME, LONGEST_REASON, bounded, cut, more, person, sentences, theirs};

/// The most servers of one application that are named.
const MOST_NAMED: usize = 10;

/// The most warnings, waivers and servers left out that are listed, each.
const MOST_LISTED: usize = 10;

impl Question<'_> {
    pub(super) fn zone(&self) -> Option<&str> {
        let window = self.evidence.window.as_ref();
        window.map(|window| window.time_zone.as_str())
    }

    /// What is asked, of whom, until when.
    pub(super) fn asked(&self, by: String, servers: &str) -> Vec<Value> {
        let evidence = self.evidence;
        let mut asked = vec![
            ("Wave", evidence.wave.to_string()),
            ("Gate", evidence.gate.to_string()),
            ("Decide by", by),
            ("Servers", servers.to_owned()),
        ];
        if evidence.round > 0 {
            let times = words::count(evidence.round as usize, "time");
            asked.push(("Asked before", format!("{times}; only this message counts")));
        }
        let people: Vec<String> = self.approvers.iter().take(MOST_NAMED).map(person).collect();
        let more = self.approvers.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        asked.push(("Approvers", format!("{}{more}", people.join(", "))));
        fields(asked)
    }

    /// The evidence in a few facts.
    pub(super) fn facts(&self) -> Vec<Value> {
        fields(self.evidence.facts())
    }

    /// What an approver should not overlook, a section each.
    pub(super) fn warnings(&self) -> Vec<Value> {
        let Evidence {
            changed,
            warnings,
            waived,
            left_out,
            ..
        } = self.evidence;
        let (told, more_changed) = changed.first(MOST_LISTED);
        let waived = waived.iter().map(|waived| {
            let words = [&waived.hostname, &waived.check, &waived.by, &waived.reason];
            let [host, check, by, why] = words.map(|word| theirs(word, LONGEST_REASON));
            format!("{host}: {check}, waived by {by}: {why}")
        });
        let left_out = left_out.iter().map(|left| {
            let name = theirs(&left.hostname, LONGEST_NAME);
            format!("{name}: {}", theirs(&left.reason, LONGEST_REASON))
        });
        let warnings = warnings.iter().map(|w| &w.text);
        let parts: [(&str, Vec<String>, usize); 4] = [
            (
                if self.evidence.round > 0 {
                    "Changed since it was asked"
                } else {
                    "Changed since the wave started"
                },
                sentences(told.iter()),
                more_changed,
            ),
            ("Warnings", sentences(warnings), 0),
            ("Checks that failed and were waived", waived.collect(), 0),
            ("Left out, they stay as they are", left_out.collect(), 0),
        ];
        parts
            .iter()
            .filter(|(_, lines, _)| !lines.is_empty())
            .map(|(title, lines, untold)| {
                let mut shown = vec![format!("*{title}*")];
                let first = lines.iter().take(MOST_LISTED);
                shown.extend(first.map(|line| format!("• {line}")));
                more(&mut shown, lines.len() + untold, MOST_LISTED);
                section(&bounded(&shown))
            })
            .collect()
    }

    /// The servers by application, in the order of the evidence.
    pub(super) fn applications(&self) -> String {
        let mut applications: Vec<(&str, Vec<&str>)> = Vec::new();
        for server in &self.evidence.servers {
            let name = server.application.as_str();
            match applications.iter_mut().find(|(known, _)| *known == name) {
                Some((_, servers)) => servers.push(&server.hostname),
                None => applications.push((name, vec![&server.hostname])),
            }
        }
        let lines: Vec<String> = applications
            .iter()
            .map(|(name, servers)| {
                let named: Vec<String> = servers
                    .iter()
                    .take(MOST_NAMED)
                    .map(|hostname| theirs(hostname, LONGEST_NAME))
                    .collect();
                let mut parts = vec![named.join(", ")];
                more(&mut parts, servers.len(), MOST_NAMED);
                format!("• *{name}* ({}): {}", servers.len(), parts.join(" "))
            })
            .collect();
        bounded(&lines)
    }
}

fn fields(facts: Vec<(&str, String)>) -> Vec<Value> {
    facts
        .into_iter()
        .map(|(name, value)| mrkdwn(&format!("*{name}*\n{}", cut(&value, 1_800))))
        .collect()
}
