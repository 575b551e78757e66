//! The simulator behind HTTP, in real time: MGN's REST protocol, SSM's JSON 1.1, and
//! `/_sim/` to look and to disturb, all on one port.
//!
//! **Invariant:** the front adds the clock, the sockets and the other services; every
//! decision is the core's.

mod clock;
mod control;
mod deliver;
mod documents;
mod forward;
mod http;
mod local_aws;
mod mirror;
mod options;
mod queues;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use options::Options;

use crate::region::Region;

/// A running front.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What the front's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    region: Mutex<Region>,
    /// Every event that came out, the oldest first, for those who look.
    events: Mutex<Vec<Value>>,
    /// Tells the clock that something changed.
    changed: tokio::sync::Notify,
    pub(crate) forward: Option<forward::Forward>,
    pub(crate) documents: Option<documents::Documents>,
}

impl Shared {
    /// The region. A panic elsewhere does not take it away: every call leaves it whole.
    pub(crate) fn region(&self) -> MutexGuard<'_, Region> {
        self.region.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn events(&self) -> MutexGuard<'_, Vec<Value>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something may be due earlier than the clock thinks.
    pub(crate) fn changed(&self) {
        self.changed.notify_one();
    }
}

impl Front {
    /// Starts to listen, and lets time pass.
    ///
    /// # Errors
    /// When the options contradict each other, the inventory cannot be read or the address
    /// is taken.
    pub async fn start(options: &Options) -> anyhow::Result<Self> {
        let region = options.region(Timestamp::now())?;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let local = match &options.aws_endpoint {
            Some(endpoint) => Some(local_aws::LocalAws::connect(endpoint, options).await),
            None => None,
        };
        let shared = Arc::new(Shared {
            region: Mutex::new(region),
            events: Mutex::new(Vec::new()),
            changed: tokio::sync::Notify::new(),
            forward: options.aws_endpoint.clone().map(forward::Forward::new),
            documents: local.clone().map(documents::Documents::new),
        });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(clock::run(
            Arc::clone(&shared),
            local,
            stopped.clone(),
        ))];
        let router = Router::new()
            .fallback(http::answer)
            .with_state(Arc::clone(&shared));
        tasks.push(tokio::spawn(async move {
            let mut stopped = stopped;
            let until = async move {
                // An error means that the front itself is gone: stop as well.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            };
            if let Err(error) = axum::serve(listener, router)
                .with_graceful_shutdown(until)
                .await
            {
                tracing::error!(%error, "the server stopped");
            }
        }));
        tracing::info!(%address, servers = options.server_count(), "the simulator listens");
        Ok(Self {
            address,
            stop,
            tasks,
        })
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops, and waits for what is under way, but not for long.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for mut task in self.tasks {
            let patience = std::time::Duration::from_secs(2);
            if tokio::time::timeout(patience, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}
