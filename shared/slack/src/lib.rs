//! What goes to Slack and what comes from it, without any I/O: settings, messages, signatures,
//! clicks. Facts are from docs.slack.dev, named where they are used.
//!
//! **Invariant**: nothing that comes from outside is believed before its signature was verified,
//! and no secret can be printed: see [`app::Secret`].

pub mod app;

pub mod message;

pub mod button;

pub mod signature;

pub mod click;
