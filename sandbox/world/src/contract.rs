//! The contract of the table: what every implementation of its ports does, whatever it is built
//! on. [`store_contract!`](crate::store_contract) makes one test of each case.
//!
//! **Invariant**: a case uses waves, servers and commands that are named after it, so that all
//! cases can share one table and run at once. Slots and jobs are one item for the whole table;
//! the cases that write them are prepared for each other.

use std::fmt::Debug;

use tidegate_ports::audit::{Chain, Exports};
use tidegate_ports::claims::{Claims, Owners};
use tidegate_ports::driver::Drivers;
use tidegate_ports::effects::Effects;
use tidegate_ports::inbox::Inbox;
use tidegate_ports::observations::Observations;
use tidegate_ports::references::References;
use tidegate_ports::refusals::Refusals;
use tidegate_ports::turns::Turns;
use tidegate_ports::waves::Waves;

pub mod audit;
pub mod claims;
pub mod drivers;
pub mod effects;
pub mod fixtures;
pub mod inbox;
pub mod observations;
pub mod races;
pub mod references;
pub mod turns;
pub mod waves;

/// How many writers take part in a race.
pub const WRITERS: u64 = 8;

/// A store that implements every port of the table.
pub trait AllPorts:
    Turns
    + Observations
    + Effects
    + Inbox
    + Drivers
    + Claims
    + Owners
    + References
    + Waves
    + Chain
    + Exports
    + Refusals
{
}

impl<T> AllPorts for T where
    T: Turns
        + Observations
        + Effects
        + Inbox
        + Drivers
        + Claims
        + Owners
        + References
        + Waves
        + Chain
        + Exports
        + Refusals
{
}

/// The value of a port call that has to succeed.
///
/// # Panics
/// If the call failed, with `what` and the error.
pub fn ok<T, E: Debug>(result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("could not {what}: {error:?}"),
    }
}

/// One test for each case of the contract. The argument is an async function without arguments
/// that gives a store; the crate that uses this has `tokio` among its dependencies.
#[macro_export]
macro_rules! store_contract {
    ($store:path) => {
        $crate::store_contract! { $store;
            turns: an_unknown_wave_is_empty
            turns: a_turn_is_loaded_as_it_was_saved
            turns: a_wave_of_three_thousand_servers_fits_one_turn
            turns: only_what_is_open_is_loaded
            turns: an_ended_effect_is_nobodys
            turns: an_effect_that_was_taken_is_not_ended
            turns: a_claimed_effect_is_ended_as_it_was_loaded
            turns: a_wave_begins_once
            turns: a_stale_turn_is_refused_whole
            turns: a_turn_on_changed_slots_is_refused_whole
            turns: a_turn_that_drains_a_drained_message_is_refused_whole
            turns: a_turn_of_a_lower_generation_is_refused
            turns: the_same_turn_again_is_saved_once
            turns: another_turn_of_the_same_number_is_refused
            turns: a_saved_turn_is_progress
            turns: a_wave_that_has_ended_is_due_no_more
            turns: a_wave_that_ended_with_open_effects_stays_due
            turns: waves_that_wait_for_slots_become_due
            observations: a_round_is_known_as_it_was_saved
            observations: a_later_round_replaces_an_earlier
            observations: an_older_round_is_dropped
            observations: three_thousand_observations_are_all_there
            observations: older_lists_of_jobs_are_dropped
            effects: an_effect_is_claimed_by_one
            effects: a_claim_lapses_after_its_grace
            effects: a_lower_generation_takes_nothing_over
            effects: an_answered_effect_is_nobodys
            effects: an_answer_without_its_claim_is_dropped
            effects: an_unknown_effect_is_nobodys
            inbox: a_double_is_the_same_message
            inbox: a_drained_message_stays_known
            inbox: the_oldest_messages_come_first
            drivers: an_unknown_wave_has_no_driver
            drivers: a_driver_is_created_once
            drivers: whoever_sleeps_is_told_to_the_waker
            drivers: a_wake_keeps_the_driver_from_sleeping
            drivers: a_late_park_does_not_sleep
            drivers: an_older_generation_neither_works_nor_sleeps
            drivers: a_worthless_token_is_forgotten
            drivers: generations_are_taken_in_order
            drivers: the_due_list_is_in_order_of_time
            claims: a_server_belongs_to_one_wave
            claims: only_the_owner_gives_a_server_free
            references: a_command_finds_its_wave
            waves: the_latest_changed_wave_is_listed_first
            waves: a_wave_is_seen_whole
            waves: a_long_audit_chain_is_read_in_order
            audit: a_chain_is_read_in_pages_and_proves
            audit: an_export_goes_on_from_where_it_was
            audit: waves_that_were_written_are_found
            audit: refused_requests_are_bounded
            races: one_of_many_turns_is_saved
            races: a_turn_is_never_read_in_halves
            races: one_of_many_claims_an_effect
            races: one_of_many_waves_gets_a_server
            races: a_message_is_appended_by_one_of_many
            races: no_wake_is_lost
            races: a_wake_meets_the_sleeper_or_keeps_it_awake
            races: one_of_many_takes_the_generation
            races: reservations_of_many_waves_are_all_kept
        }
    };
    ($store:path; $($group:ident: $case:ident)*) => {$(
        #[tokio::test]
        async fn $case() {
            $crate::contract::$group::$case(&$store().await).await;
        }
    )*};
}
