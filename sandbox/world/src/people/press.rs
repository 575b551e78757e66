//! In Slack: people press the buttons that they see, and some that they should not.

use std::rc::Rc;

use tidegate_domain::gate::{Gate, OpenGate, Verdict};
use tidegate_domain::wave::Wave;

use super::People;
use crate::cloud::{Click, Cloud, Sent};
use crate::scenario::{ANNA, BERT, LEAD};

/// Somebody in the channel who decides nothing.
const STRANGER: &str = "U0STRANGE";

impl People {
    /// An approver answers what a gate asks, if it stands in the channel.
    pub(super) fn answer_in_slack(
        &mut self,
        cloud: &Rc<Cloud>,
        wave: &Wave,
        (gate, open): (Gate, &OpenGate),
        user: &str,
        verdict: Verdict,
    ) {
        let evidence = open.evidence.hash();
        let asking = cloud.slack.borrow().asking(&wave.id, gate, &evidence);
        if let Some(message) = asking {
            cloud.press(Click {
                message,
                user: user.to_owned(),
                verdict: Some(verdict),
                sent: Sent::Once,
            });
        }
    }

    /// Somebody scrolls through the channel and presses anything, however old.
    pub(super) fn press_anything(&mut self, cloud: &Rc<Cloud>, healed: bool) {
        let messages = u64::try_from(cloud.slack.borrow().messages.len()).unwrap_or(0);
        if messages == 0 || !self.random.chance(0.1) {
            return;
        }
        let users = [ANNA, BERT, LEAD, STRANGER];
        let user = self.random.pick(&users).copied().unwrap_or(ANNA);
        let message = usize::try_from(self.random.between(0, messages - 1)).unwrap_or(0);
        let verdict = match self.random.between(1, 10) {
            1 | 2 => None,
            3 if !healed => Some(Verdict::Reject),
            _ => Some(Verdict::Approve),
        };
        let sent = match self.random.between(1, 10) {
            1 | 2 => Sent::Twice,
            3 => Sent::Unsigned,
            4 => Sent::Forged,
            _ => Sent::Once,
        };
        cloud.press(Click {
            message,
            user: user.to_owned(),
            verdict,
            sent,
        });
    }
}
