//! What comes through the doors, altered at random: never a panic, and never taken unless it is
//! exactly what was signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;
use tidegate_domain::gate::Gate;
use tidegate_domain::message::{Body, Message};
use tidegate_domain::plan::Approver;

use super::fixture::{Console, OPERATOR, UUID, decide, evidence, open, post};
use super::slack;

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Change {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Truncate(prop::sample::Index),
    Double(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        (index(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        index().prop_map(Change::Remove),
        index().prop_map(Change::Truncate),
        index().prop_map(Change::Double),
    ]
}

/// The bytes, changed so.
fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        let place = |at: &prop::sample::Index| at.index(bytes.len().max(1)).min(bytes.len());
        match change {
            Change::Insert(at, byte) => {
                let at = place(at);
                bytes.insert(at, *byte);
            }
            Change::Truncate(at) => {
                let at = place(at);
                bytes.truncate(at);
            }
            Change::Double(at) => {
                let rest = bytes[place(at)..].to_vec();
                bytes.extend(rest);
            }
            Change::Replace(..) | Change::Remove(_) if bytes.is_empty() => {}
            Change::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Remove(at) => {
                let at = at.index(bytes.len());
                bytes.remove(at);
            }
        }
    }
    bytes
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Whether the message is the one decision that could be taken: that person's, on that evidence.
fn is_for(message: &Message, by: &Approver) -> bool {
    let right = matches!(
        &message.body,
        Body::Decide { gate: Gate::Cutover, evidence: shown, .. } if *shown == evidence().hash()
    );
    right && message.by == *by
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_altered_link_opens_and_decides_nothing(changes in prop::collection::vec(change(), 1..4)) {
        wait(async {
            let console = Console::with_open_gate().await;
            let token = console.token(&console.link());
            let altered = changed(token.as_bytes(), &changes);
            prop_assume!(altered != token.as_bytes());
            let altered = String::from_utf8_lossy(&altered).into_owned();
            let shown = console.send(open(&altered)).await;
            // A query may spell the same token otherwise: with a `&` behind it, say.
            let same = form_value(&format!("token={altered}"), "token").as_ref() == Some(&token);
            prop_assert!(same || (400..500).contains(&shown.status_code), "{}", shown.status_code);
            let nonce = console.nonce(&altered);
            let mut form = decide("", "", "approve");
            let pairs = [("token", altered.as_str()), ("nonce", nonce.as_str()), ("verdict", "approve")];
            form.body = Some(STANDARD.encode(serde_urlencoded::to_string(pairs).expect("a form")));
            let decided = console.send(form).await;
            prop_assert!((400..500).contains(&decided.status_code), "{}", decided.status_code);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn an_altered_form_decides_nothing_else(
        changes in prop::collection::vec(change(), 1..4), encoded: bool
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let link = console.link();
            let token = console.token(&link);
            let nonce = console.nonce(&token);
            let mut form = decide(&token, &nonce, "approve");
            let whole = format!("token={token}&nonce={nonce}&verdict=approve");
            let altered = changed(whole.as_bytes(), &changes);
            form.is_base64_encoded = encoded;
            form.body = Some(if encoded {
                STANDARD.encode(&altered)
            } else {
                String::from_utf8_lossy(&altered).into_owned()
            });
            let response = console.send(form).await;
            prop_assert!((200..500).contains(&response.status_code));
            let text = String::from_utf8_lossy(&altered).into_owned();
            for message in console.messages() {
                prop_assert!(is_for(&message, &link.approver), "{:?}", message);
                let read = form_value(&text, "token");
                prop_assert_eq!(read.as_ref(), Some(&token));
            }
            Ok(())
        })?;
    }

    #[test]
    fn an_altered_click_decides_nothing(
        changes in prop::collection::vec(change(), 1..4), in_header: bool
    ) {
        wait(async {
            let (console, click) = slack::asked().await;
            let mut altered = click.clone();
            if in_header {
                // The signature or the time, whichever comes first.
                for name in ["x-slack-signature", "x-slack-request-timestamp"] {
                    let value = altered.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name));
                    let (_, value) = value.expect("a header");
                    *value = String::from_utf8_lossy(&changed(value.as_bytes(), &changes)).into_owned();
                }
            } else {
                let body = STANDARD.decode(click.body.as_deref().expect("a body")).expect("base64");
                altered.body = Some(STANDARD.encode(changed(&body, &changes)));
            }
            // Hexadecimal digits are the same in capitals.
            let plain = |request: &console::Request| {
                request
                    .headers
                    .values()
                    .map(|value| value.trim().to_ascii_lowercase())
                    .collect::<Vec<_>>()
            };
            prop_assume!(altered.body != click.body || plain(&altered) != plain(&click));
            let response = console.send(altered).await;
            prop_assert!((400..500).contains(&response.status_code), "{}", response.status_code);
            prop_assert!(console.messages().is_empty());
            prop_assert!(console.send(click).await.status_code < 300, "the whole one is taken");
            prop_assert_eq!(console.messages().len(), 1);
            Ok(())
        })?;
    }

    #[test]
    fn an_altered_request_of_a_tool_decides_nothing_else(changes in prop::collection::vec(change(), 1..4)) {
        wait(async {
            let console = Console::with_open_gate().await;
            let body = json!({
                "message": UUID, "verdict": "approve", "evidence": evidence().hash(),
            });
            let mut request = post("/api/waves/orders/gates/cutover/decisions", OPERATOR, &body);
            let altered = changed(body.to_string().as_bytes(), &changes);
            request.is_base64_encoded = true;
            request.body = Some(STANDARD.encode(altered));
            let response = console.send(request).await;
            prop_assert!((200..500).contains(&response.status_code));
            for message in console.messages() {
                prop_assert!(is_for(&message, &Approver::Iam(OPERATOR.to_owned())), "{:?}", message);
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_for_the_api_are_answered(
        bytes in prop::collection::vec(any::<u8>(), 0..300), path in 0usize..4, json: bool
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let paths = [
                "/api/waves",
                "/api/waves/orders/commands",
                "/api/waves/orders/gates/cutover/decisions",
                "/slack/actions",
            ];
            let mut request = post(paths[path], OPERATOR, &json!({}));
            request.is_base64_encoded = true;
            let text = String::from_utf8_lossy(&bytes);
            request.body = Some(STANDARD.encode(if json {
                json!({"message": text, "plan": text, "command": text, "evidence": text}).to_string().into_bytes()
            } else {
                bytes.clone()
            }));
            let response = console.send(request).await;
            prop_assert!((400..500).contains(&response.status_code), "{}", response.status_code);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }
}

/// A value of a form.
fn form_value(form: &str, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(form).ok()?;
    let found = pairs.into_iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value)
}
