//! References: an event about a command finds the wave.

use super::fixtures::{command_id, wave_id};
use super::{AllPorts, ok};

/// What was remembered is found; what was not, is not.
pub async fn a_command_finds_its_wave(store: &impl AllPorts) {
    let command = command_id("0b6ff1a3-7c11-4bb6-8f0e-2f4d1b6a9c01");
    assert_eq!(ok(store.wave_of(&command).await, "find the wave"), None);
    for _ in 0..2 {
        ok(
            store.remember(&command, &wave_id("referred")).await,
            "remember",
        );
        let wave = ok(store.wave_of(&command).await, "find the wave");
        assert_eq!(wave, Some(wave_id("referred")));
    }
}
