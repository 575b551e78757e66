//! Forms: a link's page has one, and nothing but that one decides.

use jiff::SignedDuration;
use tidegate_domain::link::Link;
use tidegate_ports::clock::Clock;

use crate::fixture::{Console, decide, notice};

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let other = console.token(&Link {
        expires: console.clock.now() + SignedDuration::from_secs(60),
        ..console.link()
    });
    for nonce in [
        "",
        "AAAA",
        "%",
        &console.nonce(&other),
        token.split_once('.').expect("a code").1,
    ] {
        let response = console.send(decide(&token, nonce, "approve")).await;
        assert_eq!(
            notice(&response),
            "403 Not allowed: This form did not come from the link&#39;s page: open the link and \
             decide there."
        );
    }
    let from = |header: &str, value: &str| {
        let mut form = decide(&token, &console.nonce(&token), "approve");
        let host = ("host".to_owned(), "console.example.com".to_owned());
        form.headers
            .extend([host, (header.to_owned(), value.to_owned())]);
        form
    };
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", ""),
        ("origin", "https://evil.example.com"),
        ("origin", "https://console.example.com.evil.example.com"),
        ("origin", "console.example.com"),
        ("origin", ""),
    ] {
        let response = console.send(from(header, value)).await;
        assert_eq!(response.status_code, 403, "{header}: {value}");
    }
    assert!(console.messages().is_empty());
    let ours = console
        .send(from("origin", "https://CONSOLE.example.com"))
        .await;
    assert_eq!(ours.status_code, 200);
}

#[tokio::test]
async fn a_form_that_is_no_form_is_refused() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let nonce = console.nonce(&token);

    let unknown_verdict = console.send(decide(&token, &nonce, "perhaps")).await;
    assert_eq!(unknown_verdict.status_code, 400);

    let mut json = decide(&token, &nonce, "approve");
    json.headers
        .insert("content-type".to_owned(), "text/plain".to_owned());
    assert_eq!(console.send(json).await.status_code, 415);

    let mut large = decide(&token, &nonce, "approve");
    large.body = Some("A".repeat(100_000));
    assert_eq!(console.send(large).await.status_code, 413);

    let mut broken = decide(&token, &nonce, "approve");
    broken.body = Some("not base64!".to_owned());
    assert_eq!(console.send(broken).await.status_code, 400);
    assert!(console.messages().is_empty());
}

#[tokio::test]
async fn nothing_but_a_form_decides() {
    let console = Console::with_open_gate().await;
    let token = console.token(&console.link());
    let before = console.store.inspect(Clone::clone);
    for method in [
        "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "post", "",
    ] {
        let mut request = decide(&token, &console.nonce(&token), "approve");
        request.request_context.http.method = method.to_owned();
        request.raw_query_string = format!("token={token}&verdict=approve");
        let response = console.send(request).await;
        let looked = matches!(method, "GET" | "HEAD");
        assert_eq!(
            response.status_code,
            if looked { 200 } else { 405 },
            "{method}"
        );
    }
    assert!(console.messages().is_empty());
    assert_eq!(console.driver("orders").await.wakes, 0);
    let after = console.store.inspect(Clone::clone);
    assert_eq!(before.inbox.len(), after.inbox.len());
}
