//! What happened, counted. The books close: `accepted = delivered + waiting + dropped + handed_back`, at every moment (invariant 1 of docs/design.md).

use std::fmt;

/// Why a line was not accepted, or was given up by itself. Never stops the rest and never changes the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RejectReason {
    /// Longer than `input.line_size`.
    TooLong,
    /// The input ended without a newline after it, and was not a regular file: it may be cut.
    Unterminated,
    /// A string field that is never closed.
    UnterminatedString,
    /// Nothing before the first comma or space.
    MissingMeasurement,
    /// A tag without a key.
    MissingTagKey,
    /// A tag without `=` or without a value.
    MissingTagValue,
    /// A tag value with an `=` that is not escaped.
    InvalidTagValue,
    /// No field at all.
    MissingFields,
    /// A field without a key.
    MissingFieldKey,
    /// A field without `=` or without a value.
    MissingFieldValue,
    /// A field value that is no float, integer, unsigned integer, string or boolean.
    InvalidFieldValue,
    /// An integer or float beyond its 64 bits.
    OutOfRange,
    /// A timestamp that is no whole number of 64 bits.
    InvalidTimestamp,
    /// Something after the timestamp, or after a string.
    TrailingText,
    /// Cannot fit a record: `delivery.record_size` or `delivery.request_size`, key and newline included.
    TooLarge,
    /// Kinesis refused the record for itself, while it stored others of the same stream.
    Refused,
    /// A line longer than a client's own buffer did not end within its time while another client waited for the same room.
    Stalled,
    /// A datagram larger than the receive buffer: the system has thrown the rest away.
    CutDatagram,
    /// Compressed bytes that are not what their format says.
    Corrupt,
}

impl RejectReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [RejectReason; 19] = [
        RejectReason::TooLong,
        RejectReason::Unterminated,
        RejectReason::UnterminatedString,
        RejectReason::MissingMeasurement,
        RejectReason::MissingTagKey,
        RejectReason::MissingTagValue,
        RejectReason::InvalidTagValue,
        RejectReason::MissingFields,
        RejectReason::MissingFieldKey,
        RejectReason::MissingFieldValue,
        RejectReason::InvalidFieldValue,
        RejectReason::OutOfRange,
        RejectReason::InvalidTimestamp,
        RejectReason::TrailingText,
        RejectReason::TooLarge,
        RejectReason::Refused,
        RejectReason::Stalled,
        RejectReason::CutDatagram,
        RejectReason::Corrupt,
    ];

    /// The word that stands in logs, in the `rejected` file and in the summary.
    pub const fn name(self) -> &'static str {
        match self {
            RejectReason::TooLong => "too_long",
            RejectReason::Unterminated => "unterminated",
            RejectReason::UnterminatedString => "unterminated_string",
            RejectReason::MissingMeasurement => "missing_measurement",
            RejectReason::MissingTagKey => "missing_tag_key",
            RejectReason::MissingTagValue => "missing_tag_value",
            RejectReason::InvalidTagValue => "invalid_tag_value",
            RejectReason::MissingFields => "missing_fields",
            RejectReason::MissingFieldKey => "missing_field_key",
            RejectReason::MissingFieldValue => "missing_field_value",
            RejectReason::InvalidFieldValue => "invalid_field_value",
            RejectReason::OutOfRange => "out_of_range",
            RejectReason::InvalidTimestamp => "invalid_timestamp",
            RejectReason::TrailingText => "trailing_text",
            RejectReason::TooLarge => "too_large",
            RejectReason::Refused => "refused",
            RejectReason::Stalled => "stalled",
            RejectReason::CutDatagram => "cut_datagram",
            RejectReason::Corrupt => "corrupt",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Rejected lines by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected([u64; RejectReason::ALL.len()]);

impl Rejected {
    /// Counts `lines` more.
    pub fn add(&mut self, reason: RejectReason, lines: u64) {
        self.0[reason as usize] += lines;
    }

    /// Lines rejected for this reason.
    pub fn get(&self, reason: RejectReason) -> u64 {
        self.0[reason as usize]
    }

    /// Lines rejected for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, each with its lines.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u64)> + '_ {
        RejectReason::ALL.into_iter().map(|reason| (reason, self.get(reason))).filter(|(_, lines)| *lines > 0)
    }
}

/// What the input thread counts: everything about lines until they are in the spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputCounters {
    /// Bytes read.
    pub bytes: u64,
    /// Blank lines and comments.
    pub skipped: u64,
    /// Lines that were not accepted, by reason.
    pub rejected: Rejected,
    /// Lines that got the arrival time.
    pub stamped: u64,
    /// Of these, lines stamped while the system clock was earlier than this build.
    pub timestamp_guessed: u64,
    /// Partition keys cut to 256 UTF-16 units.
    pub partition_key_cut: u64,
    /// Batches that were offered again by a sender that waits for an answer, and taken once.
    pub offered_again: u64,
}

/// What the pipeline counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Lines appended to the spool.
    pub accepted: u64,
    /// Lines in records that Kinesis stored.
    pub delivered: u64,
    /// Lines given up by themselves after they were accepted (`too_large`, `refused`); part of `dropped` in the books.
    pub set_aside: Rejected,
    /// Lines that were neither delivered nor kept when the process ended.
    pub dropped_at_end: u64,
    /// Lines left to the sender, which offers them again (a run with `--deadline` that ends with 1, 75 or 77).
    pub handed_back: u64,
    /// Records that Kinesis stored.
    pub records: u64,
    /// Bytes of data in them.
    pub record_bytes: u64,
    /// Records sent more than once, each time counted.
    pub resent: u64,
    /// Requests tried, those included for which there was no connection.
    pub requests: u64,
    /// Requests whose answer did not say what became of each record.
    pub unknown: u64,
    /// Requests or records that were throttled.
    pub throttled: u64,
    /// Requests that failed for any other reason.
    pub failed: u64,
}

impl Counters {
    /// Lines that were given up, all reasons.
    pub fn dropped(&self) -> u64 {
        self.set_aside.total() + self.dropped_at_end
    }

    /// Lines that are done with, one way or another.
    pub fn accounted(&self) -> u64 {
        self.delivered + self.dropped() + self.handed_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_number_and_name() {
        for (i, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            assert!(RejectReason::ALL[i + 1..].iter().all(|other| other.name() != reason.name()));
        }
    }
}
