//! Whatever comes in, it is answered, changes nothing that it may not, and is escaped on its way
//! out.

use proptest::prelude::*;
use tidegate_domain::gate::{Gate, GateState};

use crate::fixture::{Console, decide, open, post, request, signed};

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// What a page would be without its tags: no text of ours or others may open one.
fn tags(page: &str) -> Vec<String> {
    page.split('<')
        .skip(1)
        .map(|rest| {
            rest.split(|c: char| c == '>' || c.is_whitespace())
                .next()
                .unwrap_or_default()
        })
        .map(str::to_owned)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn other_peoples_words_open_no_tag(
        hostname in "[<>&\"'/a-z =]{0,30}|\\PC{0,30}",
        reason in "[<>&\"'/a-z =]{0,30}|\\PC{0,30}",
    ) {
        let (hostile, plain) = wait(async {
            let console = Console::with_open_gate().await;
            let plain = console.send(open(&console.token(&console.link()))).await;
            let mut changed = console.link();
            console.save("orders", |wave| {
                if let Some(GateState::Open(open)) = wave.gates.get_mut(&Gate::Cutover) {
                    open.evidence.servers[1].hostname = hostname;
                    open.evidence.left_out[0].reason = reason;
                    changed.evidence = open.evidence.hash();
                }
            }).await;
            (console.send(open(&console.token(&changed))).await, plain)
        });
        prop_assert_eq!(hostile.status_code, 200);
        prop_assert_eq!(tags(&hostile.body), tags(&plain.body));
    }

    #[test]
    fn any_request_is_answered(
        method in "GET|POST|PUT|HEAD|[A-Z]{0,8}",
        path in "/(api|decide|waves|orders|gates|cutover|decisions|commands|[/.%~\\PC]){0,8}|\\PC{0,40}",
        query in "token=\\PC{0,40}|\\PC{0,40}",
        body in prop::option::of("\\PC{0,60}"),
        media_type in "application/json|application/x-www-form-urlencoded|\\PC{0,20}",
        encoded in any::<bool>(),
        arn in prop::option::of("arn:\\PC{0,30}"),
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let mut request = match &arn {
                Some(arn) => signed(&method, &path, arn),
                None => request(&method, &path),
            };
            request.raw_query_string = query;
            request.body = body;
            request.is_base64_encoded = encoded;
            request.headers.insert("content-type".to_owned(), media_type);
            let response = console.send(request).await;
            prop_assert!((200..500).contains(&response.status_code), "{:?}", response);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn an_altered_link_or_form_decides_nothing(
        at in any::<prop::sample::Index>(),
        byte in 0x21u8..0x7f,
        in_token in any::<bool>(),
    ) {
        wait(async {
            let console = Console::with_open_gate().await;
            let token = console.token(&console.link());
            let nonce = console.nonce(&token);
            let mut bytes = if in_token { token.clone() } else { nonce.clone() }.into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let altered = String::from_utf8(bytes).expect("ASCII");
            let form = if in_token {
                decide(&altered, &console.nonce(&altered), "approve")
            } else {
                decide(&token, &altered, "approve")
            };
            let response = console.send(form).await;
            prop_assert!((400..500).contains(&response.status_code), "{:?}", response);
            prop_assert!(console.messages().is_empty());
            Ok(())
        })?;
    }

    #[test]
    fn no_json_crashes_the_api(body in "\\PC{0,80}", path in prop::sample::select(vec![
        "/api/waves", "/api/waves/orders/commands", "/api/waves/orders/gates/cutover/decisions",
    ])) {
        wait(async {
            let console = Console::with_open_gate().await;
            let mut request = post(path, crate::fixture::OPERATOR, &serde_json::Value::Null);
            request.body = Some(body);
            let response = console.send(request).await;
            prop_assert_eq!(response.status_code, 400);
            Ok(())
        })?;
    }
}
