//! What goes wrong, and how often: drawn once for each simulation, so that some have none of a kind and others little else.

use kinegraf::random::Random;

use crate::swarm::{chance, swarm};

/// Failures of each operation of a disk, in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DiskFaults {
    pub(crate) on: bool,
    pub(crate) list: u64,
    pub(crate) append: u64,
    pub(crate) read: u64,
    pub(crate) truncate: u64,
    pub(crate) sync: u64,
    pub(crate) remove: u64,
    pub(crate) cursor: u64,
}

impl DiskFaults {
    pub(crate) fn draw(random: &mut Random) -> DiskFaults {
        DiskFaults {
            on: true,
            list: 0,
            append: swarm(random, &[5, 50, 300]),
            read: if chance(random, 20) { swarm(random, &[2, 20]) } else { 0 },
            truncate: swarm(random, &[50, 500]),
            sync: swarm(random, &[20, 200, 1000]),
            remove: swarm(random, &[20, 300]),
            cursor: swarm(random, &[20, 300, 1000]),
        }
    }
}

/// Weights of the answers of a simulated Kinesis; `good` of them are as they should be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) good: u64,
    pub(crate) unreachable: u64,
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) partly: u64,
    pub(crate) throttled: u64,
    pub(crate) unavailable: u64,
    pub(crate) refused: u64,
    pub(crate) skewed: u64,
    pub(crate) garbage: u64,
    pub(crate) too_large: u64,
    pub(crate) refuses_records: u64,
}

impl Answers {
    pub(crate) fn draw(random: &mut Random) -> Answers {
        let mut kind = || swarm(random, &[1, 5, 20]);
        Answers {
            good: 10,
            unreachable: kind(),
            lost: kind(),
            late: kind(),
            partly: kind(),
            throttled: kind(),
            unavailable: kind(),
            refused: kind() / 3,
            skewed: kind() / 3,
            garbage: kind(),
            too_large: kind() / 4,
            refuses_records: kind() / 4,
        }
    }

    /// All is well.
    pub(crate) fn good() -> Answers {
        Answers { good: 1, ..Answers::default() }
    }

    /// Nothing gets through.
    pub(crate) fn offline(random: &mut Random) -> Answers {
        if chance(random, 70) { Answers { unreachable: 1, ..Answers::default() } } else { Answers { unavailable: 1, lost: 1, ..Answers::default() } }
    }
}
