//! The documents of the local AWS, so that a command's parameters are checked against them.
//!
//! **Invariant:** a document that cannot be read is no reason to refuse a command.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::Value;

use super::Shared;
use super::local_aws::LocalAws;

/// How long a document is believed.
const KEPT: Duration = Duration::from_secs(10);

/// What was read, and when.
#[derive(Debug)]
pub(crate) struct Documents {
    local: LocalAws,
    read: Mutex<BTreeMap<String, Instant>>,
}

impl Documents {
    pub(super) fn new(local: LocalAws) -> Self {
        Self {
            local,
            read: Mutex::default(),
        }
    }

    /// Reads the document that a SendCommand names, unless it was just read.
    pub(super) async fn learn(&self, shared: &Shared, body: &Bytes) {
        let Ok(input) = serde_json::from_slice::<Value>(body) else {
            return;
        };
        let Some(name) = input["DocumentName"].as_str() else {
            return;
        };
        {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if read.get(name).is_some_and(|at| at.elapsed() < KEPT) {
                return;
            }
            read.insert(name.to_owned(), Instant::now());
        }
        let content = match self.local.ssm.get_document().name(name).send().await {
            Ok(document) => document.content().map(serde_json::from_str::<Value>),
            Err(error) => {
                let error = aws_sdk_ssm::error::DisplayErrorContext(&error);
                tracing::debug!(name, %error, "the local AWS has no such document");
                None
            }
        };
        if let Some(Ok(content)) = content {
            shared.region().ssm.learn_document(name, &content);
        }
    }
}
