//! The one generator of randomness: partition keys of the method `random` and the jitter of the backoff come from here, so that a seed repeats a run.
//! SplitMix64 over a 128-bit state drawn once from the operating system. Not for secrets.

use ring::rand::{SecureRandom, SystemRandom};

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    stream: u64,
}

impl Random {
    /// The same seed gives the same run.
    pub fn from_seed(seed: u64) -> Random {
        Random { state: seed, stream: 0x9E37_79B9_7F4A_7C15 }
    }

    /// A seed from the operating system, else (very early at boot) from `fallback`.
    pub fn from_system(fallback: u64) -> Random {
        let mut seed = [0u8; 16];
        if SystemRandom::new().fill(&mut seed).is_err() {
            return Random::from_seed(fallback);
        }
        let (state, stream) = seed.split_at(8);
        Random { state: u64_of(state), stream: u64_of(stream) | 1 }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(self.stream);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..=max`. The bias of the remainder is far below anything that jitter could show.
    pub fn up_to(&mut self, max: u64) -> u64 {
        match max.checked_add(1) {
            Some(n) => self.next_u64() % n,
            None => self.next_u64(),
        }
    }

    /// A random UUID (version 4).
    pub fn uuid(&mut self) -> uuid::Uuid {
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_le_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run_and_two_systems_never_share_one() {
        let (mut a, mut b) = (Random::from_seed(7), Random::from_seed(7));
        assert!((0..100).all(|_| a.next_u64() == b.next_u64()));
        assert_ne!(Random::from_system(0).uuid(), Random::from_system(0).uuid());
    }

    #[test]
    fn uuids_are_of_version_four() {
        let mut random = Random::from_seed(1);
        assert!((0..100).all(|_| random.uuid().get_version_num() == 4));
    }
}
