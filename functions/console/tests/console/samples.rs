//! The sample payloads `events/console-*.json` are what API Gateway sends.

use std::fs;
use std::path::PathBuf;

use console::Request;

use crate::fixture::Console;

async fn send(name: &str) -> u16 {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let sample = fs::read(folder.join(name)).expect("a sample");
    let request: Request = serde_json::from_slice(&sample).expect("payload 2.0");
    Console::with_open_gate()
        .await
        .send(request)
        .await
        .status_code
}

#[tokio::test]
async fn samples_are_served() {
    assert_eq!(send("console-list.json").await, 200);
    assert_eq!(send("console-hold.json").await, 202);
    assert_eq!(send("console-open-link.json").await, 403);
    assert_eq!(send("console-use-link.json").await, 403);
}
