//! What public sources do not tell about MGN, each as a knob that can stand both ways.
//!
//! **Invariant:** where MGN's behaviour is unknown, the simulator asks here; whoever works
//! against it can then be tested against both answers.

macro_rules! guesses {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:literal;)+) => {
        /// The answers to MGN's open questions. [`Default`] holds the likelier ones, or what
        /// was observed once in the field.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Guesses {
            $($(#[doc = $doc])+ pub $name: bool,)+
        }

        impl Default for Guesses {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Guesses {
            /// Every guess: its name, the default answer, what it decides.
            pub const ALL: &'static [(&'static str, bool, &'static str)] = &[
                $((stringify!($name), $default, concat!($($doc),+)),)+
            ];

            /// Answers the guess of this name; `false` when there is none of that name.
            pub fn set(&mut self, name: &str, answer: bool) -> bool {
                match name {
                    $(stringify!($name) => self.$name = answer,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

guesses! {
    /// A job emits one launch event that lists all its servers, instead of one per server.
    one_launch_event_per_job = false;
    /// Launch events come when the job ends, instead of when each server's launch ended.
    launch_event_at_job_end = false;
    /// READY_FOR_TEST is announced again after StopReplication and StartReplication.
    ready_event_after_restart = false;
    /// A failed test launch puts the server back to READY_FOR_TEST (seen once), instead of leaving it TESTING.
    failed_test_reverts = true;
    /// A failed cutover launch puts the server back to READY_FOR_CUTOVER, instead of leaving it CUTTING_OVER.
    failed_cutover_reverts = true;
    /// The quota of servers in all jobs frees up as each server's launch ends, instead of when its job ends.
    slots_free_at_server_end = false;
    /// A server counts as processed by its job until its own launch ends, instead of until the job ends.
    server_free_at_server_end = false;
    /// StartTest is accepted in READY_FOR_CUTOVER.
    test_from_ready_for_cutover = false;
    /// StartCutover is accepted in READY_FOR_TEST.
    cutover_from_ready_for_test = false;
    /// StartCutover is accepted in CUTTING_OVER.
    cutover_from_cutting_over = false;
    /// ChangeServerLifeCycleState to the state that the server is in already is accepted.
    same_state_accepted = false;
    /// ChangeServerLifeCycleState from READY_FOR_TEST to READY_FOR_CUTOVER is accepted.
    untested_ready_for_cutover = false;
    /// ChangeServerLifeCycleState to CUTOVER is accepted for a DISCONNECTED server.
    cutover_state_from_disconnected = true;
    /// ChangeServerLifeCycleState to CUTOVER is accepted in CUTTING_OVER.
    cutover_state_from_cutting_over = false;
    /// ChangeServerLifeCycleState is refused while lagDuration is null.
    change_needs_lag = true;
    /// DisconnectFromService makes a CUTOVER server's life cycle DISCONNECTED.
    disconnect_moves_cutover = true;
    /// DisconnectFromService is accepted after FinalizeCutover disconnected the replication.
    disconnect_after_finalize = true;
    /// StopReplication makes the life cycle STOPPED.
    stop_moves_life_cycle = true;
    /// TerminateTargetInstances of a server without an instance is accepted, and skips it.
    terminate_without_instance = false;
    /// StartTest, StartCutover and TerminateTargetInstances of an unknown server answer 404, instead of 400.
    unknown_server_is_not_found = false;
    /// A quota that a launch exceeds answers 409, instead of 402.
    launch_quota_is_conflict = false;
    /// Timestamps end in Z as the model says, instead of microseconds and +00:00 (seen once).
    timestamps_as_modelled = false;
    /// Unset sub-objects appear as {} (seen once), instead of not at all.
    empty_objects_shown = true;
    /// The tags of a server without tags hold its resourceArn (seen once).
    resource_arn_in_tags = true;
    /// lastTest.finalized is filled when a server becomes READY_FOR_CUTOVER (once seen to stay empty).
    last_test_finalized_shown = false;
    /// FinalizeCutover zeroes totalStorageBytes, as documented (once seen not to).
    finalize_zeroes_total = false;
    /// Job logs hold LAUNCH_END, which the model lacks (seen twice).
    launch_end_logged = true;
    /// A new launch empties lastTest.reverted or lastCutover.reverted.
    start_clears_reverted = true;
    /// DescribeSourceServers without isArchived leaves out the archived servers.
    archived_hidden_by_default = false;
    /// The log of a terminate job holds CLEANUP_START and CLEANUP_END.
    terminate_logs_cleanup = true;
    /// launchedInstance still names the instance after TerminateTargetInstances.
    terminated_instance_shown = false;
    /// A source that is down grows its lag, and stalls with AGENT_NOT_SEEN after a while.
    down_source_stalls = true;
    /// A skipped server's launchStatus is FAILED, instead of PENDING for ever.
    skipped_is_failed = true;
    /// A job ends only after its servers' post-launch actions.
    actions_hold_job = false;
    /// Conflicts of a batch are listed one by one in the error's `errors`.
    conflicts_listed = true;
    /// launchedInstance shows lastKnownChecks.
    checks_shown = true;
    /// StartTest is accepted in CUTTING_OVER.
    test_from_cutting_over = false;
    /// StartTest is accepted in NOT_READY; without a snapshot the launch fails.
    test_from_not_ready = false;
    /// StartTest and StartCutover in the wrong state answer 400, instead of 409 (seen once, for StartCutover in TESTING).
    wrong_state_is_validation = false;
    /// A call for several servers is refused whole for one in the wrong state or in a job, instead of taking the others.
    batch_all_or_nothing = true;
    /// StartReplication leaves a DISCOVERED server DISCOVERED until its first snapshot, instead of making it NOT_READY.
    discovered_until_synced = false;
    /// An imported server whose agent is not installed is PENDING_INSTALLATION (as the model names it), instead of NOT_READY.
    imported_is_pending = true;
}

impl Guesses {
    /// Reads `NAME=true` or `NAME=false`.
    ///
    /// # Errors
    /// Says what was wrong, and lists the names there are if it was the name.
    pub fn answer(&mut self, text: &str) -> Result<(), String> {
        let (name, answer) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is not NAME=true or NAME=false"))?;
        let answer = answer
            .parse()
            .map_err(|_| format!("{answer:?} is neither true nor false"))?;
        if self.set(name, answer) {
            return Ok(());
        }
        let names: Vec<&str> = Self::ALL.iter().map(|(name, ..)| *name).collect();
        Err(format!(
            "no guess is called {name:?}; there are: {}",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Guesses;

    #[test]
    fn every_guess_can_be_answered_both_ways() {
        for (name, default, description) in Guesses::ALL {
            assert!(!description.is_empty());
            let mut guesses = Guesses::default();
            guesses.answer(&format!("{name}={default}")).expect(name);
            assert_eq!(guesses, Guesses::default(), "{name}");
            guesses.answer(&format!("{name}={}", !default)).expect(name);
            assert_ne!(guesses, Guesses::default(), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = Guesses::default()
            .answer("nonsense=true")
            .expect_err("a refusal");
        assert!(error.contains("failed_test_reverts"), "{error}");
    }
}
