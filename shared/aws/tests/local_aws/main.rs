//! The adapters over the local AWS: a MiniStack that this binary starts.

mod archive;
mod contract;
mod items;
mod services;

mod lost_answers;
mod ministack;
mod table;
