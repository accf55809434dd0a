//! The cursor: how far the spool is acknowledged, when the next attempt is due, and what was given up, kept between runs.
//!
//! ```text
//! cursor = slot 0 | slot 1                                          written in turn, so that one torn write leaves the other
//! slot   = crc u32            CRC-32C over the rest of the slot     (128 bytes, little-endian)
//!        | version u16        1
//!        | flags u16          1: written while the cold disk was away, so that it says nothing about what is there; others are zero
//!        | sequence u64       rises with each write; the higher valid slot counts
//!        | acknowledged u64   every block before this position is delivered or given up
//!        | next attempt u64   milliseconds since the Unix epoch; 0: at once
//!        | dropped 8 × u64    lines given up, by reason; a reason keeps its place for ever, 0 where there is none
//!        | zero 32 bytes
//! ```
//!
//! It is a hint: too low costs duplicates, and after a power cut it may be ahead of the data. Where neither slot is valid there is no cursor and all that
//! the spool holds is sent again.

use std::time::Duration;

use crate::spool::block::Position;

/// Bytes of one of the cursor's two slots.
pub const SLOT_SIZE: usize = 128;
/// Reasons for which lines are given up that have a place in a slot.
pub const DROP_REASONS: usize = 8;

const VERSION: u64 = 1;
/// No spool writes its cursor so often.
const SEQUENCE_END: u64 = 1 << 63;

/// What a slot holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Rises with each write.
    pub sequence: u64,
    /// Every block before it is done with.
    pub acknowledged: Position,
    /// When an attempt is due, since the Unix epoch in whole milliseconds; `None`: at once.
    pub next_attempt: Option<Duration>,
    /// Written while the cold disk could not be opened: it says nothing about what is there.
    pub away: bool,
    /// Lines given up, by reason. Which reason stands where is said by whoever counts them.
    pub dropped: [u64; DROP_REASONS],
}

impl Cursor {
    /// The valid slot with the higher sequence.
    pub fn decode(slots: &[u8; 2 * SLOT_SIZE]) -> Option<Cursor> {
        slots.chunks_exact(SLOT_SIZE).filter_map(decode_slot).max_by_key(|cursor| cursor.sequence)
    }

    /// The slot that this cursor goes to: never the one that holds the cursor before it.
    pub fn slot(&self) -> usize {
        (self.sequence % 2) as usize
    }

    /// The slot's bytes.
    pub fn encode(&self) -> [u8; SLOT_SIZE] {
        let next_attempt = self.next_attempt.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX).max(1));
        let mut bytes = [0; SLOT_SIZE];
        let words = [VERSION << 32 | u64::from(self.away) << 48, self.sequence, self.acknowledged.0, next_attempt].into_iter().chain(self.dropped);
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

fn decode_slot(slot: &[u8]) -> Option<Cursor> {
    let word = |index: usize| slot[8 * index..][..8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let head = word(0);
    let valid = head as u32 == crc32c::crc32c(&slot[4..]) && head >> 32 & 0xFFFF == VERSION && head >> 49 == 0;
    let (sequence, acknowledged) = (word(1), Position(word(2)));
    let possible = sequence < SEQUENCE_END && acknowledged.is_possible();
    (valid && possible).then(|| Cursor {
        sequence,
        acknowledged,
        next_attempt: Some(word(3)).filter(|at| *at > 0).map(Duration::from_millis),
        away: head >> 48 == 1,
        dropped: std::array::from_fn(|reason| word(4 + reason)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(sequence: u64) -> Cursor {
        let next_attempt = Some(Duration::from_millis(1_800_000_000_123));
        Cursor { sequence, acknowledged: Position(sequence * 10), next_attempt, away: sequence.is_multiple_of(3), dropped: [sequence; DROP_REASONS] }
    }

    fn written(cursors: &[Cursor]) -> [u8; 2 * SLOT_SIZE] {
        let mut slots = [0; 2 * SLOT_SIZE];
        for cursor in cursors {
            slots[cursor.slot() * SLOT_SIZE..][..SLOT_SIZE].copy_from_slice(&cursor.encode());
        }
        slots
    }

    #[test]
    fn the_last_cursor_written_is_read_back() {
        for last in 1..5 {
            let all: Vec<Cursor> = (1..=last).map(cursor).collect();
            assert_eq!(Cursor::decode(&written(&all)), Some(cursor(last)));
        }
        assert_eq!(Cursor::decode(&written(&[Cursor::default()])), Some(Cursor::default()));
    }

    #[test]
    fn a_torn_write_leaves_the_cursor_before_it() {
        let before = written(&[cursor(6), cursor(7)]);
        let new = cursor(8);
        for end in 0..SLOT_SIZE {
            let mut torn = before;
            torn[new.slot() * SLOT_SIZE..][..end].copy_from_slice(&new.encode()[..end]);
            // The first byte of its last number is the last one in which it differs from the cursor that it overwrites.
            let want = if end <= 32 + 7 * 8 { cursor(7) } else { new };
            assert_eq!(Cursor::decode(&torn), Some(want), "cut at {end}");
        }
    }

    #[test]
    fn no_valid_slot_is_no_cursor_and_a_flipped_bit_makes_a_slot_invalid() {
        assert_eq!(Cursor::decode(&[0; 2 * SLOT_SIZE]), None);
        assert_eq!(Cursor::decode(&[0xFF; 2 * SLOT_SIZE]), None);
        let slots = written(&[cursor(3)]);
        for bit in SLOT_SIZE * 8..2 * SLOT_SIZE * 8 {
            let mut slots = slots;
            slots[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Cursor::decode(&slots), None, "bit {bit}");
        }
    }

    #[test]
    fn a_slot_that_no_spool_can_have_written_is_none() {
        let far = Cursor { acknowledged: Position(u64::MAX), ..cursor(3) };
        assert_eq!(Cursor::decode(&written(&[cursor(2), far])), Some(cursor(2)));
        let many = Cursor { sequence: u64::MAX, ..cursor(3) };
        assert_eq!(Cursor::decode(&written(&[cursor(2), many])), Some(cursor(2)));
    }

    #[test]
    fn a_slot_of_a_version_to_come_is_not_guessed_at() {
        let mut slot = cursor(3).encode();
        slot[4] = 2;
        let crc = crc32c::crc32c(&slot[4..]);
        slot[..4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode_slot(&slot), None);
    }
}
