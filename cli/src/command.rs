//! The commands, one file for each kind.

pub mod apply;
pub mod audit;
pub mod check;

pub mod page;
pub mod status;
pub mod timeline;
pub mod watch;

pub mod decide;
pub mod operate;

pub mod completions;

mod wait;
