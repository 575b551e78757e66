//! Bytes of the pages of waves of 200 and of 3,000 servers, as they are and compressed.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use console::Request;
use serde_json::Value;

#[path = "../tests/console/fixture.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod fixture;
#[path = "../tests/console/large.rs"]
mod large;

use fixture::{Console, STRANGER, open, request, signed};

/// The most bytes of a page, compressed.
const MOST_BYTES: usize = 150_000;

/// The bytes of a page, as it is and compressed.
async fn measure(console: &Console, mut request: Request) -> (usize, usize) {
    let plain = console.send(request.clone()).await;
    assert_eq!(plain.status_code, 200);
    let gzip = ("accept-encoding".to_owned(), "gzip".to_owned());
    request.headers.extend([gzip]);
    let zipped = console.send(request).await;
    let zipped = STANDARD.decode(zipped.body).expect("base64");
    (plain.body.len(), zipped.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "{:10} {:>8} {:>10} {:>12}",
        "page", "servers", "bytes", "compressed"
    );
    for count in [200, 3_000] {
        let console = Console::with_large(count, |_| {}).await;
        let address = console
            .send(signed("GET", "/api/waves/orders/page", STRANGER))
            .await;
        let address: Value = serde_json::from_str(&address.body).expect("JSON");
        let path = address["path"].as_str().expect("a path");
        let mut glance = request("GET", "/wave");
        glance.raw_query_string = path.trim_start_matches("wave?").to_owned();
        let question = open(&console.token(&console.large_link().await));
        for (name, request) in [("wave", glance), ("question", question)] {
            let (plain, zipped) = measure(&console, request).await;
            println!("{name:10} {count:>8} {plain:>10} {zipped:>12}");
            assert!(
                zipped < MOST_BYTES,
                "a page of more than {MOST_BYTES} bytes"
            );
        }
    }
}
