//! What is shown, as text: plain functions of what the console said, the time and the terminal.

pub mod plan;

pub mod audit;
pub mod gate;
pub mod timeline;
pub mod wave;
pub mod waves;

pub mod progress;

mod measure;
mod table;
