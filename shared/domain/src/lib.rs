//! What Tidegate knows and decides, without I/O: plans, waves, servers, gates, effects, and the
//! decision over them.
//!
//! **Invariant 3**: everything here is a plain function of its arguments. No clock, no
//! randomness, no environment, no async; `clippy.toml` refuses them.

pub mod id;

pub mod plan;

pub mod launch_settings;
pub mod observation;
pub mod server;
pub mod wave;

pub mod effect;
pub mod gate;
pub mod hold;
pub mod message;
pub mod slots;

pub mod decide;

pub mod audit;
pub mod event;
pub mod link;
pub mod news;
pub mod refused;
pub mod token;
pub mod view;
pub mod words;
