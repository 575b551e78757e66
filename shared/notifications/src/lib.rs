//! What people are asked and told, without any I/O: mails from the templates beside this, and news
//! in Slack. (How a gate asks in Slack is [`tidegate_slack::message`]: a message with buttons.)
//!
//! **Invariant**: what comes from outside is one line wherever it stands, so that it can neither
//! begin a header nor pass for a line of ours; no message is empty; a subject says which wave, what
//! and by when, however long the names are.

pub mod question;

pub mod news;

mod subject;

/// The longest name of a server that is repeated, in characters.
const LONGEST_NAME: usize = 80;
