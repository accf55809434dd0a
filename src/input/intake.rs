//! The input thread's part of the core where there is one input: a [`LineReader`] and a [`Composer`]. No I/O, no allocation a line.
//!
//! ```text
//! loop { let n = input.read(intake.space())?; intake.filled(n); while intake.next_block(now, …) { pipeline.accept(now, intake.block()) } }
//! ```

use crate::counters::InputCounters;
use crate::input::composer::Composer;
pub use crate::input::composer::{IntakeOptions, Rejection};
use crate::input::line_reader::{LineReader, Tail};
use crate::spool::block::BlockBuilder;
use crate::time::Now;

/// Turns bytes into blocks.
#[derive(Debug)]
pub struct Intake {
    reader: LineReader,
    composer: Composer,
}

impl Intake {
    /// All its memory is allocated here.
    pub fn new(options: IntakeOptions) -> Intake {
        Intake { reader: LineReader::new(options.line_size), composer: Composer::new(options) }
    }

    /// Where the next bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        self.reader.space()
    }

    /// `n` bytes were written to the start of `space`.
    pub fn filled(&mut self, n: usize) {
        self.composer.note_bytes(n);
        self.reader.filled(n);
    }

    /// The input has ended.
    pub fn end(&mut self, tail: Tail) {
        self.reader.end(tail);
    }

    /// Fills the next block; false when there is none. `reject` is told each bad line.
    pub fn next_block(&mut self, now: Now, reject: &mut dyn FnMut(Rejection<'_>)) -> bool {
        self.composer.block().clear();
        self.composer.fill(&mut self.reader, now, reject);
        !self.composer.block().is_empty()
    }

    /// The block that `next_block` filled.
    pub fn block(&mut self) -> &mut BlockBuilder {
        self.composer.block()
    }

    /// What was counted.
    pub fn counters(&self) -> &InputCounters {
        self.composer.counters()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timestamp;
    use crate::counters::RejectReason;
    use crate::line::format::{Format, TimestampUnit};
    use crate::line::partition_key::PartitionMethod;
    use crate::spool::block::{HEADER_SIZE, Position, entries};
    use std::time::Duration;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_800_000_000) };

    fn intake(partition: PartitionMethod, timestamp: Timestamp) -> Intake {
        Intake::new(IntakeOptions { line_size: 1000, timestamp, partition, format: Format::Influx, record_size: 300 })
    }

    /// A key and a line of it.
    type Accepted = Vec<(String, String)>;
    type Rejected = Vec<(RejectReason, String)>;

    fn take(intake: &mut Intake, input: &str) -> (Accepted, Rejected) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        intake.space()[..input.len()].copy_from_slice(input.as_bytes());
        intake.filled(input.len());
        intake.end(Tail::Reject);
        let (mut lines, mut rejected) = (Vec::new(), Vec::new());
        while intake.next_block(NOW, &mut |rejection| rejected.push((rejection.reason, text(rejection.line)))) {
            let block = intake.block().finish(Position(0), NOW).to_vec();
            let part = |start: u32, size: usize| text(&block[start as usize..][..size]);
            lines.extend(entries(&block, HEADER_SIZE).map(|e| (part(e.key_start, e.key_size.into()), part(e.line_start, e.line_size as usize))));
        }
        (lines, rejected)
    }

    fn lines(input: &str) -> (Vec<String>, Rejected) {
        let (lines, rejected) = take(&mut intake(PartitionMethod::Random, Timestamp::Keep), input);
        (lines.into_iter().map(|(_, line)| line).collect(), rejected)
    }

    #[test]
    fn a_string_that_is_never_closed_does_not_take_the_next_line_with_it() {
        let (accepted, rejected) = lines("a s=\"cut 1\nb s=\"whole\" 2\nc v=1 3\n");
        assert_eq!(accepted, ["b s=\"whole\" 2", "c v=1 3"]);
        assert_eq!(rejected, [(RejectReason::UnterminatedString, "a s=\"cut 1".to_owned())]);
    }

    #[test]
    fn a_string_with_newlines_in_a_line_that_is_bad_for_another_reason_is_rejected_whole() {
        let (accepted, rejected) = lines("log text=\"first\nretry count=3\nlast\" 12x\nc v=1 3\n");
        assert_eq!(accepted, ["c v=1 3"]);
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].0, RejectReason::InvalidTimestamp);
    }

    #[test]
    fn many_cut_strings_in_a_row_cost_each_its_own_line() {
        let input: String = (0..60).map(|i| format!("m{i} s=\"cut\n")).collect::<String>() + "good v=1\n";
        let (accepted, rejected) = lines(&input);
        assert_eq!((accepted, rejected.len()), (vec!["good v=1".to_owned()], 60));
    }

    #[test]
    fn a_line_without_a_timestamp_gets_the_arrival_time_and_one_with_keeps_its_own() {
        let mut intake = intake(PartitionMethod::Measurement, Timestamp::Stamp);
        let (lines, _) = take(&mut intake, "cpu v=1\nmem v=2 5\n");
        let expected = [("cpu", "cpu v=1 1800000000000000000"), ("mem", "mem v=2 5")];
        assert_eq!(lines, expected.map(|(key, line)| (key.to_owned(), line.to_owned())));
        assert_eq!((intake.counters().stamped, intake.counters().timestamp_guessed), (1, 0));
    }

    #[test]
    fn a_line_of_which_a_record_would_be_too_large_in_its_format_is_rejected() {
        let json = Format::Json(TimestampUnit::default());
        // 300 = a key of 1 + the object: 41 bytes around a string, of which each control character becomes six.
        for (format, text, fits) in [
            (json, "x".repeat(258), true),
            (json, "x".repeat(259), false),
            (json, "\x01".repeat(43), true),
            (json, "\x01".repeat(43) + "x", false),
            (Format::Custom, "x".repeat(285), true),
            (Format::Custom, "x".repeat(286), false),
            (Format::String, "x".repeat(293), true),
            (Format::String, "x".repeat(294), false),
        ] {
            let mut intake = intake(PartitionMethod::Measurement, Timestamp::Keep);
            intake.composer.set_format(format);
            let (lines, rejected) = take(&mut intake, &format!("m s=\"{text}\"\nn v=1\n"));
            assert_eq!(lines.len(), 1 + usize::from(fits), "{format:?}, {} bytes", text.len());
            assert_eq!(rejected.iter().map(|(reason, _)| *reason).collect::<Vec<_>>(), vec![RejectReason::TooLarge; usize::from(!fits)]);
        }
    }

    #[test]
    fn a_line_that_no_record_can_hold_is_too_large_with_key_stamp_and_newline_counted() {
        // 300 = a UUID of 36 + the line + 20 of the stamp + a newline.
        let line = |size: usize| format!("m s=\"{}\"", "x".repeat(size - 6));
        let accepted = |size: usize| take(&mut intake(PartitionMethod::Random, Timestamp::Stamp), &(line(size) + "\n")).0.len();
        assert_eq!((accepted(243), accepted(244)), (1, 0));
    }
}
