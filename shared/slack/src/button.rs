//! What a button carries: which question it answers, in a value that only we can make.
//!
//! **Invariant 9**: a click counts for the wave, the gate and the evidence of the message that it
//! was made in. Slack's signature says who clicked; the value's code says on what. One without the
//! other decides nothing.
//!
//! A value is a token of [`tidegate_domain::token`], as a link is; its purpose is another, so that
//! neither passes for the other.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_domain::gate::Gate;
use tidegate_domain::id::{MessageId, WaveId};
use tidegate_domain::plan::Approver;
use tidegate_domain::token::{self, Sealable};

/// What the code is made over begins with this, so that it is good for buttons alone.
pub const PURPOSE: &str = "tidegate slack button v1\n";

/// The longest value of a button (docs.slack.dev, "Button element").
pub const LONGEST: usize = 2_000;

/// The question that a button answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// The wave.
    #[serde(rename = "w")]
    pub wave: WaveId,
    /// The gate.
    #[serde(rename = "g")]
    pub gate: Gate,
    /// The hash of the evidence that is shown.
    #[serde(rename = "e")]
    pub evidence: String,
    /// Until when it can be answered.
    #[serde(rename = "x")]
    pub expires: Timestamp,
    /// How many approvals of the question were taken back when it was made: whoever took theirs
    /// back decides anew by a later button.
    #[serde(rename = "n", default, skip_serializing_if = "is_none")]
    pub withdrawals: u32,
}

/// None goes without saying.
fn is_none(withdrawals: &u32) -> bool {
    *withdrawals == 0
}

/// A value that was taken apart and not yet verified.
pub type SealedButton = token::Sealed<Button>;

impl Sealable for Button {
    const PURPOSE: &'static str = PURPOSE;
    const LONGEST: usize = LONGEST;
}

impl Button {
    /// The bytes that the code is made over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        self.to_sign()
    }

    /// The value, given the code over [`Button::signed`]. Always the same for the same button.
    #[must_use]
    pub fn value(&self, code: &[u8]) -> String {
        self.seal(code)
    }

    /// The message under which an approver's decision lies in the inbox: one for an approver and an
    /// evidence, whatever the verdict, so that a double click and a replayed request are the same
    /// message.
    #[must_use]
    pub fn message(&self, approver: &Approver) -> MessageId {
        let Self {
            wave,
            gate,
            evidence,
            expires: _,
            withdrawals,
        } = self;
        let decided = format!("{PURPOSE}{wave}\n{gate}\n{evidence}\n{approver}\n{withdrawals}");
        let digest = hex::encode(Sha256::digest(decided));
        MessageId::parse(format!("slack-{digest}"))
            .expect("a short text of letters and digits is a message ID")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn button() -> Button {
        Button {
            wave: WaveId::parse("orders").expect("a wave"),
            gate: Gate::Cutover,
            evidence: "ab".repeat(32),
            expires: "2026-12-05T21:00:00Z".parse().expect("a time"),
            withdrawals: 0,
        }
    }

    fn user(id: &str) -> Approver {
        Approver::Slack(id.to_owned())
    }

    #[test]
    fn a_value_opens_to_the_button_that_it_was_made_for() {
        let value = button().value(b"code");
        let sealed = SealedButton::parse(&value).expect("a value");
        assert_eq!(sealed.signed(), button().signed());
        assert_eq!(sealed.code(), b"code");
        assert_eq!(sealed.open(), Ok(button()));
    }

    #[test]
    fn a_person_decides_once_on_an_evidence() {
        let first = button().message(&user("U024BE7LH"));
        let later = Button {
            expires: "2026-12-06T21:00:00Z".parse().expect("a time"),
            ..button()
        };
        assert_eq!(first, later.message(&user("U024BE7LH")));
        assert_ne!(first, button().message(&user("U0OTHER")));
        let others = [
            Button {
                wave: WaveId::parse("billing").expect("a wave"),
                ..button()
            },
            Button {
                gate: Gate::Finalize,
                ..button()
            },
            Button {
                evidence: "cd".repeat(32),
                ..button()
            },
        ];
        for other in others {
            assert_ne!(first, other.message(&user("U024BE7LH")));
        }
    }

    #[test]
    fn the_longest_value_fits_a_button() {
        let longest = Button {
            wave: WaveId::parse("w".repeat(40)).expect("a wave"),
            gate: Gate::Finalize,
            ..button()
        };
        assert!(longest.value(&[0; 64]).len() < LONGEST);
    }

    proptest! {
        #[test]
        fn no_text_crashes_it(value in ".{0,200}") {
            let _ = SealedButton::parse(&value).and_then(|sealed| sealed.open());
        }

        #[test]
        fn an_altered_value_is_signed_otherwise(at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
            let value = button().value(b"code");
            let mut bytes = value.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let altered = String::from_utf8(bytes).expect("ASCII");
            if let Ok(sealed) = SealedButton::parse(&altered) {
                prop_assert!(sealed.signed() != button().signed() || sealed.code() != b"code");
            }
        }
    }
}
