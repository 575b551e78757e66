//! Approval links: who may decide what, on which evidence, until when, in a token that fits a URL.
//!
//! **Invariant 9**: the token carries everything that a decision counts for, and a code over it
//! that only the holder of the key can make. Nothing in a token is believed before its code is
//! verified: [`Sealed`] gives the bytes to verify, and only then its [`Link`].
//!
//! The token is one of [`crate::token`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::gate::{Door, Gate};
use crate::id::{MessageId, WaveId};
use crate::plan::Approver;
use crate::token::{self, Sealable};

/// What the code is made over begins with this, so that it is good for links alone.
pub const PURPOSE: &str = "tidegate link v1\n";

/// The longest token that is looked at, in bytes.
pub const LONGEST: usize = 2_048;

/// What a link lets its holder do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The wave.
    #[serde(rename = "w")]
    pub wave: WaveId,
    /// The gate.
    #[serde(rename = "g")]
    pub gate: Gate,
    /// The hash of the evidence that was shown.
    #[serde(rename = "e")]
    pub evidence: String,
    /// To whom the link was given.
    #[serde(rename = "a")]
    pub approver: Approver,
    /// Until when it can be used.
    #[serde(rename = "x")]
    pub expires: Timestamp,
    /// What its holder is proved by: how the link was handed out.
    #[serde(rename = "d", default, skip_serializing_if = "is_mail")]
    pub door: Door,
    /// How many approvals of the question were taken back when it was made: whoever took theirs
    /// back decides anew by a later link.
    #[serde(rename = "n", default, skip_serializing_if = "is_none")]
    pub withdrawals: u32,
}

/// None goes without saying.
fn is_none(withdrawals: &u32) -> bool {
    *withdrawals == 0
}

/// The weakest proof goes without saying, as it did in the links of before.
fn is_mail(door: &Door) -> bool {
    *door == Door::Mail
}

/// A token that was taken apart and not yet verified.
pub type Sealed = token::Sealed<Link>;

impl Sealable for Link {
    const PURPOSE: &'static str = PURPOSE;
    const LONGEST: usize = LONGEST;
}

impl Link {
    /// The bytes that the code is made over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        self.to_sign()
    }

    /// The token, given the code over [`Link::signed`]. The same link and code always make the
    /// same token.
    #[must_use]
    pub fn token(&self, code: &[u8]) -> String {
        self.seal(code)
    }

    /// The message under which the link's decision lies in the inbox: one for an approver and
    /// an evidence, whatever the verdict, so that a link counts once.
    #[must_use]
    pub fn message(&self) -> MessageId {
        let Self {
            wave,
            gate,
            evidence,
            approver,
            expires: _,
            door: _,
            withdrawals,
        } = self;
        let decided = format!("{PURPOSE}{wave}\n{gate}\n{evidence}\n{approver}\n{withdrawals}");
        let digest = hex::encode(Sha256::digest(decided.to_lowercase()));
        MessageId::parse(format!("link-{digest}"))
            .expect("a short text of letters and digits is a message ID")
    }

    /// The message under which lies that this decision was taken back, once.
    #[must_use]
    pub fn withdrawal(&self) -> MessageId {
        MessageId::parse(format!("{}-withdrawn", self.message()))
            .expect("a short text of letters and digits is a message ID")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link() -> Link {
        Link {
            wave: WaveId::parse("orders").expect("a wave"),
            gate: Gate::Cutover,
            evidence: "ab".repeat(32),
            approver: Approver::Mail("ops@example.com".to_owned()),
            expires: "2026-12-05T21:00:00Z".parse().expect("a time"),
            door: Door::Mail,
            withdrawals: 0,
        }
    }

    #[test]
    fn who_took_an_approval_back_decides_anew_by_a_later_link() {
        let later = Link {
            withdrawals: 1,
            ..link()
        };
        assert_ne!(link().message(), later.message());
        assert_ne!(link().withdrawal(), later.withdrawal());
    }

    #[test]
    fn what_is_taken_back_is_another_message_for_each_decision() {
        let other = Link {
            approver: Approver::Mail("dev@example.com".to_owned()),
            ..link()
        };
        assert_ne!(link().withdrawal(), link().message());
        assert_ne!(link().withdrawal(), other.withdrawal());
    }

    #[test]
    fn a_token_opens_to_the_link_that_it_was_made_from() {
        let token = link().token(b"code");
        let sealed = Sealed::parse(&token).expect("a token");
        assert_eq!(sealed.signed(), link().signed());
        assert_eq!(sealed.code(), b"code");
        assert_eq!(sealed.open(), Ok(link()));
        assert_eq!(token, link().token(b"code"), "it is always the same");
        assert!(
            token
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        );
    }

    #[test]
    fn a_link_says_what_it_proves_and_means_a_mail_if_it_does_not() {
        let opened = |link: &Link| {
            let sealed = Sealed::parse(&link.token(b"code")).expect("a token");
            sealed.open().expect("a link").door
        };
        let page = Link {
            door: Door::Page,
            ..link()
        };
        assert_eq!((opened(&link()), opened(&page)), (Door::Mail, Door::Page));
        let before = String::from_utf8_lossy(&link().signed()).into_owned();
        assert!(!before.contains("\"d\""), "{before}");
        assert_ne!(link().signed(), page.signed());
    }

    #[test]
    fn a_link_counts_once_for_a_person_and_an_evidence() {
        let shouted = Approver::Mail("OPS@Example.com".to_owned());
        let later = "2026-12-06T21:00:00Z".parse().expect("a time");
        assert_eq!(
            link().message(),
            Link {
                approver: shouted,
                ..link()
            }
            .message()
        );
        assert_eq!(
            link().message(),
            Link {
                expires: later,
                door: Door::Page,
                ..link()
            }
            .message()
        );
        let others = [
            Link {
                wave: WaveId::parse("billing").expect("a wave"),
                ..link()
            },
            Link {
                gate: Gate::Finalize,
                ..link()
            },
            Link {
                evidence: "cd".repeat(32),
                ..link()
            },
            Link {
                approver: Approver::Mail("dev@example.com".to_owned()),
                ..link()
            },
        ];
        for other in others {
            assert_ne!(link().message(), other.message());
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = format!("{}.AA", "A".repeat(LONGEST));
        for token in ["", ".", "abc", "abc.=", "abc.a b", "abc.YQ==", &long] {
            let opened = Sealed::parse(token).and_then(|sealed| sealed.open());
            assert_eq!(opened, Err(crate::token::Altered), "{token}");
        }
    }

    proptest! {
        #[test]
        fn no_text_crashes_it(token in ".{0,200}") {
            let _ = Sealed::parse(&token).and_then(|sealed| sealed.open());
        }

        #[test]
        fn an_altered_token_is_another_message(at in any::<prop::sample::Index>(), byte in 0x21u8..0x7f) {
            let token = link().token(b"code");
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let altered = String::from_utf8(bytes).expect("ASCII");
            if let Ok(sealed) = Sealed::parse(&altered) {
                prop_assert!(sealed.signed() != link().signed() || sealed.code() != b"code");
            }
        }
    }
}
