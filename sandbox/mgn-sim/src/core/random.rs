//! Chance, drawn by name instead of from a stream.
//!
//! **Invariant:** a draw depends on the seed and on what it is for, never on how many
//! draws came before it; so one more call, server or fault leaves the rest of a run as it
//! was, and a run replays from its seed.

/// Draws numbers, identifiers and yes-or-no answers from a seed and a name.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: u64,
}

impl Random {
    /// Chance for one seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 64 bits for the `count`-th draw of a `purpose` about a `subject`.
    pub(crate) fn draw(&self, purpose: &str, subject: &str, count: u64) -> u64 {
        // FNV-1a over the name, then the finalizer of SplitMix64.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ mix(self.seed);
        for byte in purpose.bytes().chain([0]).chain(subject.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        mix(hash ^ mix(count))
    }

    /// A fraction from 0 up to, but not including, 1.
    pub(crate) fn fraction(&self, purpose: &str, subject: &str, count: u64) -> f64 {
        // 53 bits fit a double exactly.
        (self.draw(purpose, subject, count) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something with this probability (0 to 1) happens.
    pub(crate) fn chance(&self, odds: f64, purpose: &str, subject: &str, count: u64) -> bool {
        odds > 0.0 && self.fraction(purpose, subject, count) < odds
    }

    /// `prefix` and 17 hexadecimal digits, the form of MGN's and EC2's identifiers.
    pub(crate) fn identifier(&self, prefix: &str, subject: &str, count: u64) -> String {
        let high = self.draw(prefix, subject, count);
        let low = self.draw(subject, prefix, count);
        format!("{prefix}{:016x}{:01x}", high, low & 0xf)
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&self, purpose: &str, subject: &str, count: u64) -> String {
        let high = self.draw(purpose, subject, count);
        let low = self.draw(subject, purpose, count);
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff,
        )
    }
}

fn mix(value: u64) -> u64 {
    let mut value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn draws_depend_on_seed_and_name_alone() {
        let random = Random::new(7);
        assert_eq!(random.draw("a", "b", 1), Random::new(7).draw("a", "b", 1));
        assert_ne!(random.draw("a", "b", 1), Random::new(8).draw("a", "b", 1));
        assert_ne!(random.draw("a", "b", 1), random.draw("a", "b", 2));
        assert_ne!(random.draw("a", "bc", 1), random.draw("ab", "c", 1));
    }

    #[test]
    fn identifiers_have_the_form_of_mgn() {
        let id = Random::new(1).identifier("s-", "db01", 0);
        assert_eq!(id.len(), 19);
        assert!(id[2..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        let uuid = Random::new(1).uuid("event", "", 3);
        assert_eq!(uuid.len(), 36);
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn chances_come_out_about_right() {
        let random = Random::new(42);
        let hits = (0..10_000)
            .filter(|count| random.chance(0.25, "x", "y", *count))
            .count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!(!random.chance(0.0, "x", "y", 0));
        assert!(random.chance(1.0, "x", "y", 0));
    }
}
