//! Approval links: who may decide what, on which evidence, until when, in a token that fits a URL.
//!
//! **Invariant 9**: the token carries everything that a decision counts for, and a code over it
//! that only the holder of the key can make. Nothing in a token is believed before its code is
//! verified: [`Sealed`] gives the bytes to verify, and only then its [`Link`].
//!
//! A token is `PAYLOAD.CODE`, both in base64url without padding. The payload is compact JSON; the
//! code is HMAC-SHA-256 over [`PURPOSE`] and the payload as it stands in the token, so that a code
//! made for anything else is worth nothing here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::gate::Gate;
use crate::id::{MessageId, WaveId};
use crate::plan::Approver;

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
}

/// A token that was taken apart and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    payload: String,
    code: Vec<u8>,
}

/// A token that no link was ever given out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link is incomplete or was altered")]
pub struct LinkError;

impl Link {
    /// The bytes that the code is made over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        signed(&self.payload())
    }

    /// The token, given the code over [`Link::signed`]. The same link and code always make the
    /// same token.
    #[must_use]
    pub fn token(&self, code: &[u8]) -> String {
        format!("{}.{}", self.payload(), URL_SAFE_NO_PAD.encode(code))
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
        } = self;
        let decided = format!("{PURPOSE}{wave}\n{gate}\n{evidence}\n{approver}");
        let digest = hex::encode(Sha256::digest(decided.to_lowercase()));
        MessageId::parse(format!("link-{digest}"))
            .expect("a short text of letters and digits is a message ID")
    }

    fn payload(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Sealed {
    /// Take a token apart.
    pub fn parse(token: &str) -> Result<Self, LinkError> {
        if token.len() > LONGEST {
            return Err(LinkError);
        }
        let (payload, code) = token.split_once('.').ok_or(LinkError)?;
        let code = URL_SAFE_NO_PAD.decode(code).map_err(|_| LinkError)?;
        Ok(Self {
            payload: payload.to_owned(),
            code,
        })
    }

    /// The bytes that [`Sealed::code`] must be verified over.
    #[must_use]
    pub fn signed(&self) -> Vec<u8> {
        signed(&self.payload)
    }

    /// The code that came with the token.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// The link. To be called once the code was verified, and not before.
    pub fn open(&self) -> Result<Link, LinkError> {
        let json = URL_SAFE_NO_PAD
            .decode(&self.payload)
            .map_err(|_| LinkError)?;
        serde_json::from_slice(&json).map_err(|_| LinkError)
    }
}

fn signed(payload: &str) -> Vec<u8> {
    format!("{PURPOSE}{payload}").into_bytes()
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
        }
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
            assert_eq!(opened, Err(LinkError), "{token}");
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
