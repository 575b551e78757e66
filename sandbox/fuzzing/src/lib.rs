//! What the fuzz targets in `fuzz/` call: every parser that reads what strangers wrote, with what
//! must hold whatever they wrote. The tests call the same with the seeds in `fuzz/seeds/`.
//!
//! **Invariant**: whatever the bytes, nothing here panics unless a parser is wrong.

mod console;

use std::fmt::Debug;

use events::{Concern, Place};
use jiff::Timestamp;
use tidegate_domain::link::Link;
use tidegate_domain::plan::{Plan, parse};
use tidegate_domain::token::{Sealable, Sealed};
use tidegate_slack::app::App;
use tidegate_slack::button::Button;
use tidegate_slack::click::Click;
use tidegate_slack::signature::{sign, verify};

pub use self::console::{request, status};

/// When everything here happens.
const NOW: Timestamp = Timestamp::constant(1_796_000_000, 0);

/// The Slack app that clicks are signed for.
const APP: &str = r#"{"signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "team_id": "T024BE7LD", "webhook_url": "https://hooks.slack.com/services/T/B/X"}"#;

/// A way in for bytes that anybody may have written.
pub type Target = fn(&[u8]);

/// Every target by the name of its file in `fuzz/targets/` and its folder in `fuzz/seeds/`.
pub const TARGETS: [(&str, Target); 5] = [
    ("token", token),
    ("click", click),
    ("request", request),
    ("plan", plan),
    ("event", event),
];

/// A token of a link or of a button: whatever opens can be sealed again.
pub fn token(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        opened::<Link>(text);
        opened::<Button>(text);
    }
}

fn opened<T: Sealable + Debug + PartialEq>(text: &str) {
    let Ok(sealed) = Sealed::<T>::parse(text) else {
        return;
    };
    assert!(sealed.signed().starts_with(T::PURPOSE.as_bytes()));
    if let Ok(what) = sealed.open() {
        let again = Sealed::parse(&what.seal(sealed.code())).map(|sealed| sealed.open());
        assert_eq!(again, Ok(Ok(what)), "it is what was sealed");
    }
}

/// A request of Slack's: two lines with its time and its signature, then its body. Nobody but the
/// holder of the secret can sign it.
pub fn click(data: &[u8]) {
    _ = Click::parse(data);
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok());
    let (at, signature) = (line(), line());
    let body = parts.next().unwrap_or_default();
    let secret = app().signing_secret;
    if verify(&secret, at, signature, body, NOW).is_ok() {
        let right = sign(&secret, at.unwrap_or_default(), body);
        assert!(signature.is_some_and(|given| given.eq_ignore_ascii_case(&right)));
    }
    _ = Click::parse(body);
}

/// A plan file: it is read, or every error says where and what.
pub fn plan(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text, NOW) {
        Ok(plan) => {
            let stored = serde_json::to_string(&plan).expect("a plan is stored as JSON");
            let again: Plan = serde_json::from_str(&stored).expect("a stored plan is a plan");
            assert_eq!(plan, again);
        }
        Err(errors) => {
            let lines = text.lines().count() + 1;
            assert!(!errors.0.is_empty());
            for error in &errors.0 {
                assert!(
                    (1..=lines).contains(&error.line),
                    "{error} of {lines} lines"
                );
                assert!(error.column >= 1 && !error.message.is_empty(), "{error}");
            }
        }
    }
}

/// An event of EventBridge's: it concerns few servers of this account, a command or nobody.
pub fn event(data: &[u8]) {
    let place = Place {
        account: "111122223333".to_owned(),
        region: "us-west-2".to_owned(),
    };
    match events::read(data, &place) {
        Ok((_, Concern::Servers(servers))) => assert!((1..=20).contains(&servers.len())),
        Ok((_, Concern::Command(_))) => {}
        Err(ignored) => assert!(!ignored.reason.is_empty()),
    }
}

fn app() -> App {
    App::parse(APP).expect("it is what an app is")
}
