//! The adapters of MGN and SSM over the simulator's HTTP front.

mod mgn;
mod ssm;

mod support;
