//! The ports over the AWS SDK, one file for each service and port, and what the binaries share.
//!
//! **Invariant 4**: clients that start or change something in MGN or SSM do not retry; see
//! [`clients`].

pub mod clients;
pub mod environment;
pub mod lambda;

pub mod dynamo;
pub mod eventbridge;
pub mod kms;
pub mod mgn;
pub mod s3;
pub mod sfn;
pub mod slack;
pub mod sns;
pub mod ssm;

pub mod failures;
