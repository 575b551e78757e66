//! Chance from a seed.
//!
//! **Invariant**: the same seed and the same questions give the same answers, on every machine
//! and with every version of every dependency; so a seed replays a run.

/// A generator (SplitMix64, public domain by Sebastiano Vigna).
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator of that seed; `stream` keeps several of one seed apart.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self {
            state: seed ^ stream.rotate_left(32),
        };
        random.bits();
        random
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of these odds happens.
    pub fn chance(&mut self, odds: f64) -> bool {
        odds > 0.0 && self.fraction() < odds
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        debug_assert!(from <= to, "{from} to {to}");
        let width = to.saturating_sub(from);
        match width.checked_add(1) {
            Some(count) => from + self.bits() % count,
            None => self.bits(),
        }
    }

    /// One of the items.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() {
            return None;
        }
        let last = u64::try_from(items.len() - 1).unwrap_or(0);
        items.get(usize::try_from(self.between(0, last)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn a_seed_replays_and_streams_differ() {
        let draw = |seed, stream| {
            let mut random = Random::new(seed, stream);
            (0..4).map(|_| random.between(1, 6)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7, 1), draw(7, 1));
        assert_ne!(draw(7, 1), draw(7, 2));
        assert_ne!(draw(7, 1), draw(8, 1));
    }

    #[test]
    fn numbers_stay_between() {
        let mut random = Random::new(1, 1);
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert!((0.0..1.0).contains(&random.fraction()));
        }
        assert_eq!(random.pick::<u8>(&[]), None);
    }
}
