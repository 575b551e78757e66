//! The console as its callers see it, over the table in memory.

mod fixture;
mod large;

mod api;
mod apply;
mod audit;
mod form;
mod fuzz;
mod hostile;
mod link;
mod samples;
mod slack;
mod slack_refused;
mod wave;
