//! Signatures of Slack's requests: HMAC-SHA-256 with the app's signing secret over
//! `v0:timestamp:body`, the body as it came (docs.slack.dev, "Verifying requests from Slack").
//!
//! A signature is good for five minutes. That a request counts only once in that time is kept by
//! the inbox: see [`Button::message`](crate::button::Button::message).

use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::app::Secret;

/// The header with the time, in seconds since 1970.
pub const TIMESTAMP: &str = "x-slack-request-timestamp";

/// The header with the signature: `v0=` and 64 hexadecimal digits.
pub const SIGNATURE: &str = "x-slack-signature";

/// How far a request's time may be from ours.
pub const OLDEST: SignedDuration = SignedDuration::from_mins(5);

/// Why a request is not Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A header is missing or not what Slack sends.
    #[error("the request is not signed as Slack signs")]
    Missing,
    /// Its time is more than five minutes away.
    #[error("the request is too old: its time is more than five minutes from now")]
    Stale,
    /// Another key or other bytes.
    #[error("the signature is not that of this request")]
    Wrong,
}

/// Verify a request by its two headers and its body as it came. The comparison takes the same time
/// wherever the codes differ.
///
/// # Errors
/// Why the request is not Slack's.
pub fn verify(
    secret: &Secret,
    timestamp: Option<&str>,
    signature: Option<&str>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let (timestamp, signature) = timestamp.zip(signature).ok_or(SignatureError::Missing)?;
    let code = signature
        .strip_prefix("v0=")
        .and_then(|code| hex::decode(code).ok())
        .ok_or(SignatureError::Missing)?;
    let digits =
        (1..=12).contains(&timestamp.len()) && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at = timestamp
        .parse()
        .ok()
        .filter(|_| digits)
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .ok_or(SignatureError::Missing)?;
    if now.duration_since(at).abs() > OLDEST {
        return Err(SignatureError::Stale);
    }
    code_of(secret, timestamp, body)
        .verify_slice(&code)
        .map_err(|_| SignatureError::Wrong)
}

/// The signature that Slack would send with this body at that time.
#[must_use]
pub fn sign(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    let code = code_of(secret, timestamp, body).finalize().into_bytes();
    format!("v0={}", hex::encode(code))
}

fn code_of(secret: &Secret, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(b"v0:");
    mac.update(timestamp.as_bytes());
    mac.update(b":");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;

    fn secret() -> Secret {
        // The example of Slack's documentation.
        let json = r#"{"signing_secret":"8f742231b10e8888abcd99yyyzzz85a5","team_id":"T1DC2JH3J","webhook_url":"https://hooks.slack.com/x"}"#;
        App::parse(json).expect("an app").signing_secret
    }

    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const AT: &str = "1531420618";
    const CODE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn now(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_531_420_618 + seconds).expect("a time")
    }

    #[test]
    fn the_example_of_the_documentation_is_verified() {
        assert_eq!(sign(&secret(), AT, BODY), CODE);
        for seconds in [0, 300, -300] {
            let verified = verify(&secret(), Some(AT), Some(CODE), BODY, now(seconds));
            assert_eq!(verified, Ok(()), "{seconds}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let check = |at: Option<&str>, code: Option<&str>, body: &[u8], seconds, expected| {
            let verified = verify(&secret(), at, code, body, now(seconds));
            assert_eq!(verified, Err(expected), "{at:?} {code:?} {seconds}");
        };
        check(None, Some(CODE), BODY, 0, SignatureError::Missing);
        check(Some(AT), None, BODY, 0, SignatureError::Missing);
        check(Some(AT), Some(&CODE[3..]), BODY, 0, SignatureError::Missing);
        check(Some(AT), Some("v0=zz"), BODY, 0, SignatureError::Missing);
        for at in [
            "",
            "now",
            "-1531420618",
            "+1531420618",
            "1531420618.0",
            "1531420618000000",
        ] {
            check(Some(at), Some(CODE), BODY, 0, SignatureError::Missing);
        }
        check(Some(AT), Some(CODE), BODY, 301, SignatureError::Stale);
        check(Some(AT), Some(CODE), BODY, -301, SignatureError::Stale);
        check(
            Some("1531420619"),
            Some(CODE),
            BODY,
            0,
            SignatureError::Wrong,
        );
        check(Some(AT), Some("v0="), BODY, 0, SignatureError::Wrong);
        check(Some(AT), Some(&CODE[..65]), BODY, 0, SignatureError::Wrong);
        check(Some(AT), Some(CODE), &BODY[1..], 0, SignatureError::Wrong);
    }
}
