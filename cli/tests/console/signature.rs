//! Requests are signed as AWS checks it: the signature is computed again here, by the book
//! (Signature Version 4, "Create a signed AWS API request"), from what arrived.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Console, KEY, Request, SECRET, command, tidegate, view};

#[tokio::test]
async fn a_get_is_signed() {
    let console = Console::default().answer("GET /api/waves/orders", &[(200, view(&json!({})))]);
    let address = console.serve().await;
    let output = tidegate(&address, &["status", "orders"]).await;
    assert!(output.status.success(), "{output:?}");
    let requests = console.requests();
    assert_eq!(requests.len(), 1);
    check(&requests[0]);
}

#[tokio::test]
async fn a_post_is_signed_with_its_body() {
    let console = Console::default()
        .answer(
            "GET /api/waves/orders",
            &[
                (200, view(&json!({}))),
                (200, view(&json!({ "ended": true, "phase": "Aborted" }))),
            ],
        )
        .answer(
            "POST /api/waves/orders/commands",
            &[(202, json!({ "wave": "orders" }))],
        );
    let address = console.serve().await;
    let output = tidegate(&address, &["abort", "orders", "--yes"]).await;
    assert!(output.status.success(), "{output:?}");
    let requests = console.requests();
    let post = requests
        .iter()
        .find(|request| request.method == "POST")
        .expect("a POST");
    assert!(!post.body.is_empty());
    check(post);
}

#[tokio::test]
async fn a_session_token_goes_along() {
    let console = Console::default().answer("GET /api/waves", &[(200, json!([]))]);
    let address = console.serve().await;
    let output = command(&["status"])
        .env("TIDEGATE_CONSOLE_URL", &address)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_SESSION_TOKEN", "the-token")
        .output()
        .await
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    let requests = console.requests();
    assert_eq!(header(&requests[0], "x-amz-security-token"), "the-token");
    check(&requests[0]);
}

/// The signature that stands in a request is the one that its parts give.
fn check(request: &Request) {
    let authorization = header(request, "authorization");
    let rest = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .expect("the algorithm");
    let part = |name: &str| {
        rest.split(", ")
            .find_map(|part| part.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name} in {rest}"))
    };
    let scope = part("Credential=")
        .strip_prefix(&format!("{KEY}/"))
        .expect("the key");
    let time = header(request, "x-amz-date");
    assert_eq!(
        scope,
        format!("{}/eu-central-1/execute-api/aws4_request", &time[..8])
    );

    let signed = part("SignedHeaders=");
    for needed in ["host", "x-amz-date"] {
        assert!(
            signed.split(';').any(|name| name == needed),
            "{needed} in {signed}"
        );
    }
    let headers: String = signed
        .split(';')
        .map(|name| format!("{name}:{}\n", header(request, name)))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{}",
        request.method,
        request.uri.path(),
        request.uri.query().unwrap_or_default(),
        hex::encode(Sha256::digest(&request.body))
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for step in scope.split('/') {
        key = mac(&key, step);
    }
    assert_eq!(
        part("Signature="),
        hex::encode(mac(&key, &to_sign)),
        "{canonical}"
    );
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    let value = request
        .headers
        .get(name)
        .unwrap_or_else(|| panic!("no header {name}"));
    value.to_str().expect("a text")
}
