//! The decision as a plain function: a whole wave by the book, every message in every phase,
//! every observation in every stage.

#[path = "decide/fixture.rs"]
mod fixture;

#[path = "decide/asking.rs"]
mod asking;

#[path = "decide/access.rs"]
mod access;
#[path = "decide/amend.rs"]
mod amend;
#[path = "decide/differences.rs"]
mod differences;
#[path = "decide/drift.rs"]
mod drift;
#[path = "decide/messages.rs"]
mod messages;
#[path = "decide/stages.rs"]
mod stages;
#[path = "decide/waves.rs"]
mod waves;

#[path = "decide/bounds.rs"]
mod bounds;
#[path = "decide/criticality.rs"]
mod criticality;
#[path = "decide/cutovers.rs"]
mod cutovers;
#[path = "decide/expiry.rs"]
mod expiry;
#[path = "decide/finalizing.rs"]
mod finalizing;
#[path = "decide/gates.rs"]
mod gates;
#[path = "decide/halted.rs"]
mod halted;
#[path = "decide/jobs.rs"]
mod jobs;
#[path = "decide/launches.rs"]
mod launches;
#[path = "decide/news.rs"]
mod news;
#[path = "decide/preflight.rs"]
mod preflight;
#[path = "decide/quarantine.rs"]
mod quarantine;
#[path = "decide/questions.rs"]
mod questions;
#[path = "decide/record.rs"]
mod record;
#[path = "decide/renewal.rs"]
mod renewal;
#[path = "decide/rollback.rs"]
mod rollback;
#[path = "decide/selection.rs"]
mod selection;
#[path = "decide/settings.rs"]
mod settings;
#[path = "decide/stalls.rs"]
mod stalls;
#[path = "decide/test_instances.rs"]
mod test_instances;
