//! The open records: what the next request carries, and what is left of it when its answer came.
//!
//! - At most `RECORDS_MAX` records and `request_size` bytes, counted as Kinesis counts them: data before base64 plus partition keys.
//! - Records that were not stored stay in front; what is filled in comes behind them. A stored record is gone and cannot be sent again.
//! - A record of many lines may become two (`halve`); its lines keep their order.
//! - One buffer, allocated once; it doubles while one record that fills a request is suspect (`widen`).

use std::time::Duration;

use memchr::memchr_iter;

use crate::input::line_reader::line_ends;
use crate::kinesis::outcome::Outcome;
use crate::limits::{RECORDS_MAX, REQUEST_SIZE_MIN};
use crate::spool::block::Position;

/// A record of the open request.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// 1 to 256 UTF-16 units.
    pub key: &'a str,
    /// The data, before base64.
    pub data: &'a [u8],
    /// Lines in it.
    pub lines: u32,
}

impl Record<'_> {
    /// Where the second half of its lines begins in the data; `None` for one line, and for data that is not its lines as they came.
    pub fn middle(&self) -> Option<usize> {
        let before = (self.lines / 2).checked_sub(1)? as usize;
        // Where there is one newline a line, each ends one: always so in JSON, which the input's rule would misread (a string may end in `=`).
        if memchr_iter(b'\n', self.data).count() == self.lines as usize && self.data.ends_with(b"\n") {
            return memchr_iter(b'\n', self.data).nth(before).map(|newline| newline + 1);
        }
        let (middle, last) = (line_ends(self.data).nth(before)?, line_ends(self.data).nth(self.lines as usize - 1)?);
        (last == self.data.len()).then_some(middle)
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: usize,
    key_size: usize,
    size: usize,
    lines: u32,
    /// The first block of which it holds a line.
    first: Position,
    sent: bool,
    /// Sends of this record alone that broke on the way, with something stored between each two.
    broke_alone: u8,
    /// Something was stored since the last of them.
    passed: bool,
}

/// The open records of one request.
#[derive(Debug)]
pub struct Batch {
    buffer: Vec<u8>,
    records: Vec<Open>,
    request_size: usize,
    wide: bool,
    window: usize,
    /// What became of each record sent; the sender fills it when it answers `Reply::Answered`.
    pub outcomes: Vec<Outcome>,
    /// The time to sign with, corrected by what the service's clock said; since the Unix epoch.
    pub sign_at: Duration,
    /// Credentials were refused: find them again before signing.
    pub fresh_credentials: bool,
}

impl Batch {
    /// An empty one for requests of at most `request_size` bytes.
    pub fn new(request_size: usize) -> Batch {
        Batch {
            buffer: Vec::with_capacity(request_size),
            records: Vec::with_capacity(RECORDS_MAX),
            request_size,
            wide: false,
            window: 0,
            outcomes: Vec::with_capacity(RECORDS_MAX),
            sign_at: Duration::ZERO,
            fresh_credentials: false,
        }
    }

    /// Bytes that it holds at most for such requests: its buffer, while it is widened a second one of twice the size, and the index of its records.
    pub const fn memory(request_size: usize) -> usize {
        3 * request_size + RECORDS_MAX * (size_of::<Open>() + size_of::<Outcome>())
    }

    /// Bytes that one more record may have, key included; `None` when there are `RECORDS_MAX` records.
    pub fn room(&self) -> Option<usize> {
        let size = if self.wide { self.request_size * 2 } else { self.request_size };
        (self.records.len() < RECORDS_MAX).then(|| size.saturating_sub(self.buffer.len()))
    }

    /// Whether a second request's worth of records may stand behind the first: where one record fills a request and is suspect, only another can clear it.
    pub fn widen(&mut self, wide: bool) {
        self.wide = wide;
    }

    /// Appends a record of which `write` appends the data; the caller asked for `room`. Returns its size, key included.
    pub fn push(&mut self, key: &str, lines: u32, first: Position, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.push_lines(key, |out| {
            write(out);
            (lines, first)
        })
    }

    /// As `push`, but `write` says how many lines it has appended, and of which block the first was. Where that is none there is no record; returns 0.
    pub fn push_lines(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>) -> (u32, Position)) -> usize {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(key.as_bytes());
        let (lines, first) = write(&mut self.buffer);
        if lines == 0 {
            self.buffer.truncate(start);
            return 0;
        }
        let size = self.buffer.len() - start;
        assert!(size <= self.request_size && self.buffer.len() <= self.request_size * 2, "at most two requests' worth of records are open");
        assert!(self.records.len() < RECORDS_MAX, "a request is never over its limits");
        self.records.push(Open { start, key_size: key.len(), size, lines, first, sent: false, broke_alone: 0, passed: false });
        size
    }

    /// No open record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Open records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Leading records that were sent before.
    pub fn failed(&self) -> usize {
        self.records.iter().take_while(|record| record.sent).count()
    }

    /// Lines in open records.
    pub fn lines(&self) -> u64 {
        self.records.iter().map(|record| u64::from(record.lines)).sum()
    }

    /// The first block of which an open record holds a line.
    pub fn first(&self) -> Option<Position> {
        self.records.iter().map(|record| record.first).min()
    }

    /// Narrows the next request to leading records: at most `records` of them and `size` bytes, but one at least; a record that broke alone stays
    /// alone.
    pub fn narrow(&mut self, records: usize, size: usize) {
        let size = size.min(self.request_size);
        let mut sum = 0;
        let fits = self.records.iter().take(records).take_while(|record| {
            sum += record.size;
            sum <= size && record.broke_alone == 0
        });
        self.window = fits.count().max(1).min(self.records.len());
    }

    /// The request has left. Returns how many of its records had been sent before.
    pub fn mark_sent(&mut self) -> u64 {
        self.records[..self.window].iter_mut().map(|record| u64::from(std::mem::replace(&mut record.sent, true))).sum()
    }

    /// Records of the request that is to be sent or was sent last.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Their bytes.
    pub fn window_size(&self) -> usize {
        self.records[..self.window].iter().map(|record| record.size).sum()
    }

    /// Whether the request can be sent as smaller ones.
    pub fn may_be_smaller(&self) -> bool {
        self.window_size() > REQUEST_SIZE_MIN && (self.window > 1 || self.middle(0).is_some())
    }

    /// Bytes of the leading record.
    pub fn first_size(&self) -> usize {
        self.records.first().map_or(0, |record| record.size)
    }

    /// The records of the request, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> + Clone + '_ {
        self.records[..self.window].iter().map(|open| self.view(open))
    }

    /// The record at `index`.
    pub fn record(&self, index: usize) -> Record<'_> {
        self.view(&self.records[index])
    }

    /// Forgets every record for which `keep` says false; the others move together and keep their order.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, Record<'_>) -> bool) {
        let (mut kept, mut end) = (0, 0);
        for index in 0..self.records.len() {
            let open = self.records[index];
            if !keep(index, self.view(&open)) {
                continue;
            }
            self.buffer.copy_within(open.start..open.start + open.size, end);
            self.records[kept] = Open { start: end, ..open };
            kept += 1;
            end += open.size;
        }
        self.records.truncate(kept);
        self.buffer.truncate(end);
        self.window = 0;
    }

    /// Moves the first record behind all others.
    pub fn rotate(&mut self) {
        let Some(first) = self.records.first().copied() else { return };
        self.buffer.rotate_left(first.size);
        self.records.rotate_left(1);
        let mut start = 0;
        for record in &mut self.records {
            record.start = start;
            start += record.size;
        }
    }

    /// Makes two records of each that has several lines, as far as there is room. False when there is none.
    pub fn halve_all(&mut self) -> bool {
        let before = self.records.len();
        // From behind, so that halves do not move what is still to be halved.
        for index in (0..before).rev() {
            self.halve(index);
        }
        self.records.len() > before
    }

    /// Makes two records of the one at `index`, each with one half of its lines; false where that cannot be.
    pub fn halve(&mut self, index: usize) -> bool {
        let Some(middle) = self.middle(index) else { return false };
        let whole = self.records[index];
        // The key once more, between the halves.
        let (end, start) = (self.buffer.len(), whole.start + whole.key_size + middle);
        self.buffer.extend_from_within(whole.start..whole.start + whole.key_size);
        self.buffer[start..].rotate_right(whole.key_size);
        debug_assert_eq!(self.buffer.len(), end + whole.key_size);
        let first = Open { size: whole.key_size + middle, lines: whole.lines / 2, broke_alone: 0, passed: false, ..whole };
        let second = Open { start, size: whole.size - middle, lines: whole.lines - first.lines, ..first };
        self.records[index] = first;
        self.records.insert(index + 1, second);
        for record in &mut self.records[index + 2..] {
            record.start += whole.key_size;
        }
        self.window = 0;
        true
    }

    /// Where a record would be halved, when it can be and there is room for its key once more.
    fn middle(&self, index: usize) -> Option<usize> {
        let open = self.records.get(index)?;
        let room = self.records.len() < RECORDS_MAX && self.buffer.len() + open.key_size <= 2 * self.request_size;
        self.view(open).middle().filter(|_| room)
    }

    /// Notes that the first record broke alone once more; returns how often that was, counted only while others passed in between.
    pub fn broke_alone(&mut self) -> u8 {
        let first = &mut self.records[0];
        if first.broke_alone == 0 || first.passed {
            first.broke_alone = first.broke_alone.saturating_add(1);
            first.passed = false;
        }
        first.broke_alone
    }

    /// Whether all that is open are records that broke alone: only others can blame their size.
    pub fn all_broke_alone(&self) -> bool {
        self.records.iter().all(|record| record.broke_alone > 0)
    }

    /// Another request broke as well: it is the network, not a record's size.
    pub fn forgive(&mut self) {
        self.records.iter_mut().for_each(|record| record.broke_alone = 0);
    }

    /// Something was stored: a record that breaks alone from now on is suspect for itself.
    pub fn passed(&mut self) {
        self.records.iter_mut().for_each(|record| record.passed = true);
    }

    fn view(&self, open: &Open) -> Record<'_> {
        let (key, data) = self.buffer[open.start..open.start + open.size].split_at(open.key_size);
        Record { key: std::str::from_utf8(key).expect("push took a str"), data, lines: open.lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(data: &[&str]) -> Batch {
        let mut batch = Batch::new(1000);
        for (i, text) in data.iter().enumerate() {
            batch.push("key", 1, Position(i as u64), |out| out.extend_from_slice(text.as_bytes()));
        }
        batch
    }

    fn data(batch: &Batch) -> Vec<String> {
        (0..batch.len()).map(|i| String::from_utf8_lossy(batch.record(i).data).into_owned()).collect()
    }

    #[test]
    fn records_that_were_not_stored_lead_and_new_ones_follow() {
        let mut batch = batch(&["one", "two", "three", "four"]);
        batch.narrow(usize::MAX, usize::MAX);
        assert_eq!(batch.mark_sent(), 0);
        batch.retain(|index, _| index % 2 == 1);
        batch.push("key", 1, Position(9), |out| out.extend_from_slice(b"five"));
        assert_eq!(data(&batch), ["two", "four", "five"]);
        assert_eq!(batch.first(), Some(Position(1)));
        batch.narrow(usize::MAX, usize::MAX);
        assert_eq!(batch.mark_sent(), 2, "two of them are sent again");
    }

    #[test]
    fn a_request_is_narrowed_by_count_and_by_bytes_but_never_to_nothing() {
        let mut batch = batch(&["one", "two", "three"]);
        batch.narrow(2, usize::MAX);
        assert_eq!((batch.window(), batch.window_size()), (2, 12));
        batch.narrow(usize::MAX, 11);
        assert_eq!(batch.window(), 1);
        batch.narrow(usize::MAX, 1);
        assert_eq!(batch.window(), 1);
    }

    #[test]
    fn a_rotated_batch_keeps_every_record_whole() {
        let mut batch = batch(&["one", "two", "three"]);
        batch.rotate();
        assert_eq!(data(&batch), ["two", "three", "one"]);
        batch.retain(|index, _| index != 0);
        assert_eq!(data(&batch), ["three", "one"]);
        assert_eq!(batch.record(0).key, "key");
    }

    #[test]
    fn a_record_is_halved_between_two_of_its_lines_wherever_their_newlines_are() {
        let mut batch = batch(&["first\n"]);
        let lines = ["m v=1", "m v=\"two\nlines\\\"\n\"", "n v=3", "m v=4", "o v=\"\n\" 5"].map(|line| format!("{line}\n"));
        batch.push("k\u{e9}y", 5, Position(7), |out| out.extend_from_slice(lines.concat().as_bytes()));
        batch.push("last", 1, Position(8), |out| out.extend_from_slice(b"m v=6\n"));
        assert!(batch.halve_all() && batch.halve_all() && batch.halve_all() && !batch.halve_all());
        let [one, two, three, four, five] = &lines;
        assert_eq!(data(&batch), ["first\n", one, two, three, four, five, "m v=6\n"]);
        let keys: Vec<&str> = (0..batch.len()).map(|index| batch.record(index).key).collect();
        assert_eq!(keys, ["key", "k\u{e9}y", "k\u{e9}y", "k\u{e9}y", "k\u{e9}y", "k\u{e9}y", "last"]);
        assert_eq!((batch.lines(), batch.first()), (7, Some(Position(0))));
    }

    #[test]
    fn a_record_of_json_is_halved_at_its_newlines_though_the_inputs_rule_sees_strings_in_it() {
        let objects =
            ["b", "b c=", "b d=", "e f="].map(|value| format!("{{\"fields\":{{\"v\":1}},\"name\":\"m\",\"tags\":{{\"a\":\"{value}\"}}}}\n"));
        let mut batch = batch(&[]);
        batch.push("key", 4, Position(0), |out| out.extend_from_slice(objects.concat().as_bytes()));
        assert!(line_ends(objects.concat().as_bytes()).count() < 4, "the input's rule does not fit");
        assert!(batch.halve_all() && batch.halve_all() && !batch.halve_all());
        assert_eq!(data(&batch), objects);
    }

    #[test]
    fn data_that_is_not_its_lines_is_never_halved() {
        for (data, lines) in [("m v=1\n", 1), ("m v=1\nm v=2", 2), ("m v=1\nm v=2\nm v=3\n", 2), ("\x1f\n\x08", 3), ("", 0), ("m v=\"a\n", 2)] {
            assert_eq!(Record { key: "k", data: data.as_bytes(), lines }.middle(), None, "{data:?}");
        }
    }

    #[test]
    fn room_is_counted_with_the_key_and_ends_at_five_hundred_records() {
        let mut batch = Batch::new(10_000);
        for i in 0..RECORDS_MAX {
            assert_eq!(batch.room(), Some(10_000 - 4 * i));
            batch.push("k", 1, Position(0), |out| out.extend_from_slice(b"abc"));
        }
        assert_eq!(batch.room(), None);
    }
}
