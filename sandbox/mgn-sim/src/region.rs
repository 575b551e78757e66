//! MGN and SSM of one account and Region, kept in step.
//!
//! **Invariant:** time passes for both at once, change by change, so that what one does
//! (an instance is launched, a source is quiesced) is there for the other at that time.

use jiff::Timestamp;
use serde_json::Value;

use crate::core::{ApiError, Config, Output, Reply, Simulator};
use crate::ssm::{SsmConfig, SsmSimulator};

/// MGN and SSM together.
#[derive(Clone, Debug)]
pub struct Region {
    /// MGN.
    pub mgn: Simulator,
    /// SSM.
    pub ssm: SsmSimulator,
}

impl Region {
    /// Both services, as configured.
    pub fn new(mgn: Config, ssm: SsmConfig) -> Self {
        let mut region = Self {
            mgn: Simulator::new(mgn),
            ssm: SsmSimulator::new(ssm),
        };
        region.keep_step();
        region
    }

    /// A call of MGN.
    ///
    /// # Errors
    /// As [`Simulator::call`].
    pub fn call_mgn(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, ApiError> {
        self.pass(now);
        let reply = self.mgn.call(operation, input, now);
        self.keep_step();
        reply
    }

    /// A call of SSM.
    ///
    /// # Errors
    /// As [`SsmSimulator::call`].
    pub fn call_ssm(
        &mut self,
        operation: &str,
        input: &Value,
        now: Timestamp,
    ) -> Result<Reply, ApiError> {
        self.pass(now);
        let reply = self.ssm.call(operation, input, now);
        self.keep_step();
        reply
    }

    /// Lets time pass; returns what came out of both since the last time, in order.
    pub fn advance_to(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(at) = self.next_change().filter(|at| *at <= now) {
            outputs.extend(self.mgn.advance_to(at));
            outputs.extend(self.ssm.advance_to(at));
            self.keep_step();
        }
        outputs.extend(self.mgn.advance_to(now));
        self.keep_step();
        outputs.extend(self.ssm.advance_to(now));
        self.keep_step();
        outputs
    }

    /// When the next change of either is due by itself.
    pub fn next_change(&self) -> Option<Timestamp> {
        match (self.mgn.next_change(), self.ssm.next_change()) {
            (Some(mgn), Some(ssm)) => Some(mgn.min(ssm)),
            (mgn, ssm) => mgn.or(ssm),
        }
    }

    /// Every fault ends.
    pub fn heal(&mut self) {
        self.mgn.heal();
        self.ssm.heal();
        self.keep_step();
    }

    /// Lets time pass without taking what comes out.
    fn pass(&mut self, now: Timestamp) {
        while let Some(at) = self
            .mgn
            .next_due()
            .into_iter()
            .chain(self.ssm.next_due())
            .min()
            .filter(|at| *at <= now)
        {
            self.mgn.settle(at);
            self.ssm.settle(at);
            self.keep_step();
        }
    }

    fn keep_step(&mut self) {
        self.ssm.follow(&mut self.mgn);
    }
}
