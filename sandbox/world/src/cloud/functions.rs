//! Which functions there are, and how each one's own `handle` is run.

use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_ports::error::HandlerError;

use super::invocation::Invocation;
use super::{ACCOUNT, REGION, SETTLE_SECONDS};
use crate::asl::machine::TaskError;
use crate::fakes::MemoryArchive;

/// Where the links in mails point.
const CONSOLE_URL: &str = "https://console.example.com";

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the functions' own crates say what they are")]
pub enum Function {
    Observe,
    Advance,
    Prepare,
    Launch,
    Lifecycle,
    Validate,
    Gate,
    Finalize,
    Notify,
    Park,
    Sweep,
    Events,
    Console,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 13] = [
        Self::Observe,
        Self::Advance,
        Self::Prepare,
        Self::Launch,
        Self::Lifecycle,
        Self::Validate,
        Self::Gate,
        Self::Finalize,
        Self::Notify,
        Self::Park,
        Self::Sweep,
        Self::Events,
        Self::Console,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Advance => "advance",
            Self::Prepare => "prepare",
            Self::Launch => "launch",
            Self::Lifecycle => "lifecycle",
            Self::Validate => "validate",
            Self::Gate => "gate",
            Self::Finalize => "finalize",
            Self::Notify => "notify",
            Self::Park => "park",
            Self::Sweep => "sweep",
            Self::Events => "events",
            Self::Console => "console",
        }
    }

    /// The function of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|function| function.name() == name)
    }

    /// Its time-out, as in the template.
    #[must_use]
    pub fn timeout(self) -> SignedDuration {
        match self {
            Self::Park | Self::Sweep | Self::Events | Self::Console => {
                SignedDuration::from_secs(30)
            }
            Self::Observe
            | Self::Advance
            | Self::Prepare
            | Self::Launch
            | Self::Lifecycle
            | Self::Validate
            | Self::Gate
            | Self::Finalize
            | Self::Notify => SignedDuration::from_secs(60),
        }
    }
}

/// Run the handler of the invocation's function.
pub(super) async fn run(aws: &Invocation, payload: Value) -> Result<Value, TaskError> {
    let until = aws.until;
    match aws.function {
        Function::Observe => {
            let ports = observe::Ports {
                drivers: aws,
                observations: aws,
                mgn: aws,
                commands: aws,
                ec2: aws,
                clock: aws,
            };
            answer(observe::handle(read(payload)?, &ports, aws.lease()).await)
        }
        Function::Advance => {
            let pace = advance::Pace {
                settle_seconds: SETTLE_SECONDS,
                lease: aws.lease(),
            };
            answer(advance::handle(read(payload)?, aws, aws, pace).await)
        }
        Function::Prepare => {
            let ports = prepare::Ports {
                effects: aws,
                claims: aws,
                documents: aws,
                configurations: aws,
                clock: aws,
            };
            answer(prepare::handle(read(payload)?, &ports, until).await)
        }
        Function::Launch => {
            let ports = launch::Ports {
                effects: aws,
                launches: aws,
                targets: aws,
                mgn: aws,
                clock: aws,
            };
            answer(launch::handle(read(payload)?, &ports, until).await)
        }
        Function::Lifecycle => {
            let ports = lifecycle::Ports {
                effects: aws,
                life_cycles: aws,
                mgn: aws,
                clock: aws,
            };
            answer(lifecycle::handle(read(payload)?, &ports, until).await)
        }
        Function::Validate => {
            let ports = validate::Ports {
                effects: aws,
                commands: aws,
                references: aws,
                clock: aws,
            };
            answer(validate::handle(read(payload)?, &ports, until).await)
        }
        Function::Finalize => {
            let ports = finalize::Ports {
                effects: aws,
                finalizes: aws,
                mgn: aws,
                clock: aws,
            };
            answer(finalize::handle(read(payload)?, &ports, until).await)
        }
        Function::Gate => {
            let ports = gate::Ports {
                effects: aws,
                signer: aws,
                mails: aws,
                slack: aws,
                clock: aws,
            };
            answer(gate::handle(read(payload)?, &ports, CONSOLE_URL, until).await)
        }
        Function::Notify => {
            let ports = notify::Ports {
                effects: aws,
                mails: aws,
                slack: aws,
                clock: aws,
            };
            answer(notify::handle(read(payload)?, &ports, until).await)
        }
        Function::Park => answer(park::handle(read(payload)?, aws, aws).await),
        Function::Sweep => answer(sweep::handle(read(payload)?, aws, aws, aws, aws.lease()).await),
        Function::Events => {
            let place = events::Place {
                account: ACCOUNT.to_owned(),
                region: REGION.to_owned(),
            };
            let bytes = payload.to_string().into_bytes();
            answer(events::handle(&bytes, &place, aws, aws, aws, aws).await)
        }
        Function::Console => {
            let ports = console::Ports {
                waves: aws,
                inbox: aws,
                drivers: aws,
                owners: aws,
                executions: aws,
                signer: aws,
                clock: aws,
            };
            let slack = console::SlackDoor {
                clicks: aws,
                console_url: CONSOLE_URL,
            };
            let books = console::Books {
                records: aws,
                archive: &MemoryArchive::default(),
                key: aws,
            };
            let request = read(payload)?;
            answer(Ok(console::handle(
                request,
                &ports,
                &slack,
                &books,
                aws.lease(),
            )
            .await))
        }
    }
}

fn read<T: DeserializeOwned>(payload: Value) -> Result<T, TaskError> {
    serde_json::from_value(payload).map_err(|error| TaskError::new("Permanent", error.to_string()))
}

fn answer<T: Serialize>(result: Result<T, HandlerError>) -> Result<Value, TaskError> {
    match result {
        Ok(value) => serde_json::to_value(value)
            .map_err(|error| TaskError::new("Permanent", error.to_string())),
        Err(error) => {
            let mut cause = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                cause = format!("{cause}: {inner}");
                source = inner.source();
            }
            Err(TaskError::new(error.name(), cause))
        }
    }
}
