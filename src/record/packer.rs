//! Lines become records, at the exit of the spool: one buffer takes whole blocks until it is full, a line in it has waited `flush_interval`, or nothing
//! more comes; then its lines leave as records, one line a record or the lines of one key joined.
//!
//! - Never two keys in a record; with `random` (an empty key) a record gets one fresh UUID and takes any lines.
//! - A record is at most `record_size` bytes, key included, and lines are never cut.
//! - Lines of one key keep their order.

use std::time::Duration;

use crate::config::Pack;
use crate::kinesis::batch::Batch;
use crate::limits::RECORDS_MAX;
use crate::line::format::Format;
use crate::random::Random;
use crate::spool::block::{BLOCK_LINES_MAX, Entry, Header, Position, entries};
use crate::time::{Deadline, Now};

/// Lines in a buffer of this many bytes at once, however short they are: some four blocks' worth, or one for each 64 bytes.
pub const fn lines_max(buffer: usize) -> usize {
    let (least, by_size) = (4 * BLOCK_LINES_MAX as usize, buffer / 64);
    if by_size > least { by_size } else { least }
}

/// A UUID as text, in bytes.
pub const UUID_SIZE: usize = uuid::fmt::Hyphenated::LENGTH;

/// What the packer is told.
#[derive(Clone, Copy, Debug)]
pub struct PackerOptions {
    /// One line a record, or the lines of one key.
    pub pack: Pack,
    /// What record data looks like.
    pub format: Format,
    /// Bytes of the buffer; the largest block must fit.
    pub buffer: usize,
    /// Bytes of one record, key included; at most a request's.
    pub record_size: usize,
    /// How long a line may wait for others.
    pub flush_interval: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    entry: Entry,
    position: Position,
}

/// Groups lines and turns them into records.
#[derive(Debug)]
pub struct Packer {
    options: PackerOptions,
    buffer: Vec<u8>,
    lines: Vec<Line>,
    /// Lines before it have left.
    left: usize,
    /// Lines are leaving; no block is taken until all have left.
    draining: bool,
    /// Lines that left in no record.
    oversize: u64,
    /// When the oldest line was accepted.
    oldest: Duration,
}

impl Packer {
    /// An empty packer; its memory is allocated here.
    pub fn new(options: PackerOptions) -> Packer {
        Packer {
            options,
            buffer: Vec::with_capacity(options.buffer),
            lines: Vec::with_capacity(lines_max(options.buffer)),
            left: 0,
            draining: false,
            oversize: 0,
            oldest: Duration::ZERO,
        }
    }

    /// Bytes that a packer with such a buffer holds, the index of its lines included.
    pub const fn memory(buffer: usize) -> usize {
        buffer + lines_max(buffer) * size_of::<Line>()
    }

    /// Whether a block may be taken now.
    pub fn takes(&self, header: &Header) -> bool {
        // A block that an earlier run accepted with longer lines is taken alone.
        let fits = self.buffer.len() + header.plain_size <= self.options.buffer
            && self.lines.len() + header.lines as usize <= lines_max(self.options.buffer);
        !self.draining && (fits || self.lines.is_empty()) && !(self.options.pack == Pack::Metric && self.lines.len() >= RECORDS_MAX)
    }

    /// Takes a block whose entries `read` appends to the buffer.
    pub fn take<E>(&mut self, header: &Header, read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        debug_assert!(self.takes(header));
        if self.lines.is_empty() {
            self.oldest = header.accepted.mono;
        }
        let start = self.buffer.len();
        read(&mut self.buffer)?;
        self.lines.extend(entries(&self.buffer, start).map(|entry| Line { entry, position: header.position }));
        Ok(())
    }

    /// From here on lines wait so long for others, those included that wait already.
    pub fn set_flush_interval(&mut self, flush_interval: Duration) {
        self.options.flush_interval = flush_interval;
    }

    /// Lines that have not left.
    pub fn lines(&self) -> u64 {
        (self.lines.len() - self.left) as u64
    }

    /// Of these, lines of blocks from `position` on.
    pub fn lines_from(&self, position: Position) -> u64 {
        self.lines[self.left..].iter().filter(|line| line.position >= position).count() as u64
    }

    /// The first block of which a line has not left.
    pub fn first(&self) -> Option<Position> {
        self.lines[self.left..].iter().map(|line| line.position).min()
    }

    /// When the oldest line has waited long enough; `None` while there is none.
    pub fn due(&self) -> Option<Deadline> {
        (self.lines() > 0).then(|| Deadline(self.oldest + self.options.flush_interval))
    }

    /// Whether lines are to leave now, when `next` is the next block in the spool and `flush` says that nothing is to be waited for.
    pub fn ripe(&self, now: Now, next: Option<&Header>, flush: bool) -> bool {
        self.draining
            || (self.lines() > 0
                && (flush
                    || self.due().is_some_and(|due| due.passed(now))
                    || (self.options.pack == Pack::Metric && self.lines.len() >= RECORDS_MAX)
                    || next.is_some_and(|header| !self.takes(header))))
    }

    /// Lets lines leave into `batch` until it or the packer has nothing more to give; true when all have left.
    pub fn emit(&mut self, batch: &mut Batch, random: &mut Random) -> bool {
        if !self.draining {
            self.group();
            self.draining = true;
        }
        while self.left < self.lines.len() {
            if !self.emit_record(batch, random) {
                return false;
            }
        }
        self.buffer.clear();
        self.buffer.shrink_to(self.options.buffer);
        self.lines.clear();
        self.left = 0;
        self.draining = false;
        true
    }

    /// Lines that no record can hold since this was asked last: an earlier run accepted them with larger limits.
    pub fn take_oversize(&mut self) -> u64 {
        std::mem::take(&mut self.oversize)
    }

    /// Brings the lines of one key together, in their order. One line a record needs no grouping.
    fn group(&mut self) {
        let buffer = &self.buffer;
        let key = |line: &Line| &buffer[line.entry.key_start as usize..][..usize::from(line.entry.key_size)];
        if self.options.pack == Pack::Lines && self.lines.windows(2).any(|pair| key(&pair[0]) != key(&pair[1])) {
            // Unstable, since a stable sort would allocate; the place in the buffer keeps the order of equal keys.
            self.lines.sort_unstable_by(|a, b| key(a).cmp(key(b)).then(a.entry.line_start.cmp(&b.entry.line_start)));
        }
    }

    /// One record; false when the batch has no room for it.
    fn emit_record(&mut self, batch: &mut Batch, random: &mut Random) -> bool {
        let Some(room) = batch.room() else { return false };
        let (format, head) = (self.options.format, self.lines[self.left].entry);
        let mut drawn = [0; UUID_SIZE];
        let key = match head.key_size {
            0 => &*random.uuid().hyphenated().encode_lower(&mut drawn),
            size => std::str::from_utf8(&self.buffer[head.key_start as usize..][..usize::from(size)]).expect("a partition key is text"),
        };
        let limit = self.options.record_size.min(room);
        let most = if self.options.pack == Pack::Metric { 1 } else { usize::MAX };
        let lines = self.lines[self.left..].iter().take(most).take_while(|line| self.same_key(&head, &line.entry));
        let mut count = 0;
        batch.push_lines(key, |out| {
            let (start, mut first) = (out.len() - key.len(), Position(u64::MAX));
            for line in lines {
                let text = &self.buffer[line.entry.line_start as usize..][..line.entry.line_size as usize];
                let size = out.len() - start;
                // What a line will have is counted only where the record's end is near.
                if size + format.size_max(text.len()) > limit && size + format.size(text) > limit {
                    break;
                }
                format.append(text, out);
                (count, first) = (count + 1, first.min(line.position));
            }
            (count as u32, first)
        });
        self.left += count;
        if count == 0 && self.is_oversize(&head) {
            (self.left, self.oversize) = (self.left + 1, self.oversize + 1);
            return true;
        }
        count > 0
    }

    fn is_oversize(&self, entry: &Entry) -> bool {
        let text = &self.buffer[entry.line_start as usize..][..entry.line_size as usize];
        let key_size = if entry.key_size == 0 { UUID_SIZE } else { usize::from(entry.key_size) };
        key_size + self.options.format.size(text) > self.options.record_size
    }

    fn same_key(&self, a: &Entry, b: &Entry) -> bool {
        let key = |entry: &Entry| &self.buffer[entry.key_start as usize..][..usize::from(entry.key_size)];
        (a.key_start == b.key_start && a.key_size == b.key_size) || key(a) == key(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::format::TimestampUnit;
    use crate::spool::block::{BlockBuilder, HEADER_SIZE};

    const NOW: Now = Now { mono: Duration::from_secs(100), wall: Duration::ZERO };

    fn packer(pack: Pack, record_size: usize) -> Packer {
        formatting(Format::Influx, pack, record_size)
    }

    fn formatting(format: Format, pack: Pack, record_size: usize) -> Packer {
        let flush_interval = Duration::from_secs(10);
        Packer::new(PackerOptions { pack, format, buffer: 64 << 10, record_size, flush_interval })
    }

    fn take(packer: &mut Packer, position: u64, accepted: Duration, lines: &[(&str, &str)]) {
        let mut block = BlockBuilder::new(1000);
        for (key, line) in lines {
            block.push(key, line.as_bytes());
        }
        let bytes = block.finish(Position(position), Now { mono: accepted, ..NOW }).to_vec();
        let header = Header::decode(bytes[..HEADER_SIZE].try_into().unwrap());
        assert!(packer.takes(&header));
        let read = |out: &mut Vec<u8>| -> Result<(), ()> {
            out.extend_from_slice(&bytes[HEADER_SIZE..]);
            Ok(())
        };
        packer.take(&header, read).unwrap();
    }

    fn records(batch: &mut Batch) -> Vec<(String, String)> {
        batch.narrow(usize::MAX, usize::MAX);
        batch.records().map(|r| (r.key.to_owned(), String::from_utf8_lossy(r.data).into_owned())).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, data)| (key.to_string(), data.to_string())).collect()
    }

    #[test]
    fn one_line_a_record_keeps_the_order_of_arrival() {
        let (mut packer, mut batch) = (packer(Pack::Metric, 1000), Batch::new(10_000));
        take(&mut packer, 0, NOW.mono, &[("b", "m v=1"), ("a", "m v=2"), ("b", "m v=3")]);
        assert!(packer.emit(&mut batch, &mut Random::from_seed(1)));
        assert_eq!(records(&mut batch), pairs(&[("b", "m v=1\n"), ("a", "m v=2\n"), ("b", "m v=3\n")]));
    }

    #[test]
    fn the_lines_of_one_key_are_joined_in_their_order_up_to_the_record_size_with_key_and_newlines() {
        let (mut packer, mut batch) = (packer(Pack::Lines, 13), Batch::new(10_000));
        take(&mut packer, 0, NOW.mono, &[("b", "m v=1"), ("a", "m v=2"), ("b", "m v=3")]);
        take(&mut packer, 1, NOW.mono, &[("b", "m v=4"), ("a", "m v=5")]);
        assert!(packer.emit(&mut batch, &mut Random::from_seed(1)));
        let expected = pairs(&[("a", "m v=2\nm v=5\n"), ("b", "m v=1\nm v=3\n"), ("b", "m v=4\n")]);
        assert_eq!(records(&mut batch), expected);
        assert_eq!(batch.first(), Some(Position(0)));
    }

    #[test]
    fn objects_of_json_are_joined_up_to_the_record_size_though_they_are_larger_than_their_lines() {
        let object = |value| format!("{{\"fields\":{{\"v\":{value}}},\"name\":\"m\",\"tags\":{{}}}}\n");
        let mut lines = vec![("k", "m v=1"), ("k", "m v=2"), ("k", "m v=3")];
        for (record_size, expected) in [(1 + 80, [2, 1]), (1 + 79, [1, 2]), (1000, [3, 0])] {
            let (mut packer, mut batch) = (formatting(Format::Json(TimestampUnit::default()), Pack::Lines, record_size), Batch::new(10_000));
            take(&mut packer, 0, NOW.mono, &lines);
            assert!(packer.emit(&mut batch, &mut Random::from_seed(1)));
            let records = records(&mut batch);
            assert_eq!(records[0].1, (1..=expected[0]).map(object).collect::<String>());
            assert!(records.iter().all(|(key, data)| key.len() + data.len() <= record_size));
            assert_eq!(records.iter().map(|(_, data)| data.as_str()).collect::<String>(), (1..=3).map(object).collect::<String>());
        }
        // A line that does not fit what is left of the batch waits, whole.
        lines.truncate(2);
        let (mut packer, mut batch) = (formatting(Format::Json(TimestampUnit::default()), Pack::Metric, 1000), Batch::new(81));
        take(&mut packer, 0, NOW.mono, &lines);
        assert!(!packer.emit(&mut batch, &mut Random::from_seed(1)));
        assert_eq!((records(&mut batch), packer.lines()), (pairs(&[("k", &object(1))]), 1));
    }

    #[test]
    fn a_random_key_is_one_uuid_a_record_and_takes_any_lines() {
        let (mut packer, mut batch) = (packer(Pack::Lines, 36 + 12), Batch::new(10_000));
        take(&mut packer, 0, NOW.mono, &[("", "m v=1"), ("", "m v=2"), ("", "m v=3")]);
        assert!(packer.emit(&mut batch, &mut Random::from_seed(1)));
        let records = records(&mut batch);
        assert_eq!(records.iter().map(|(_, data)| data.as_str()).collect::<Vec<_>>(), ["m v=1\nm v=2\n", "m v=3\n"]);
        assert!(records.iter().all(|(key, _)| uuid::Uuid::parse_str(key).is_ok_and(|uuid| uuid.get_version_num() == 4)));
        assert_ne!(records[0].0, records[1].0);
    }

    #[test]
    fn a_full_batch_leaves_the_rest_for_the_next_and_the_first_block_open() {
        let (mut packer, mut random) = (packer(Pack::Metric, 1000), Random::from_seed(1));
        take(&mut packer, 4, NOW.mono, &[("k", "m v=1"), ("k", "m v=2")]);
        take(&mut packer, 5, NOW.mono, &[("k", "m v=3")]);
        let mut batch = Batch::new(15);
        assert!(!packer.emit(&mut batch, &mut random), "two records of 7 bytes fit 15");
        assert_eq!((batch.len(), packer.lines(), packer.first()), (2, 1, Some(Position(5))));
        let mut batch = Batch::new(15);
        assert!(packer.emit(&mut batch, &mut random));
        assert_eq!((batch.len(), packer.lines(), packer.first()), (1, 0, None));
    }

    #[test]
    fn lines_wait_for_the_flush_interval_and_no_longer() {
        let mut packer = packer(Pack::Lines, 1000);
        assert_eq!(packer.due(), None);
        take(&mut packer, 0, NOW.mono, &[("k", "m v=1")]);
        let later = |seconds| Now { mono: NOW.mono + Duration::from_secs(seconds), ..NOW };
        assert!(!packer.ripe(later(9), None, false));
        assert!(packer.ripe(later(10), None, false));
        assert!(packer.ripe(later(0), None, true), "nothing is waited for at the end of the input");
    }

    #[test]
    fn the_index_of_lines_has_a_bound_however_short_they_are() {
        let mut packer = packer(Pack::Lines, 1000);
        let header = Header { size: 10, plain_size: 10, lines: BLOCK_LINES_MAX, position: Position(0), accepted: NOW, codec: 0 };
        let short = vec![("", ""); BLOCK_LINES_MAX as usize];
        for position in 0..4 {
            take(&mut packer, position, NOW.mono, &short);
        }
        assert!(!packer.takes(&header) && packer.ripe(NOW, Some(&header), false));
    }
}
