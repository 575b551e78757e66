//! The adapters of MGN over answers written by hand: what real accounts were seen to send beside
//! the model, and what no service should.

mod errors;
mod quirks;

mod answers;
