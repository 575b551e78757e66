//! The simulator behind HTTP, as clients meet it.

mod calls;
mod control;
mod deliver;
mod sandbox;
