//! The deployed state machine file, interpreted: the few Amazon States Language constructs that
//! it uses, Retry and Catch included.
//!
//! **Invariant**: a construct that is not understood is refused when the file is read, never
//! skipped, so what runs in the world is what runs on Step Functions.

pub mod definition;
pub mod expression;
pub mod machine;
