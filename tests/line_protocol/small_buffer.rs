//! A reader whose buffer is smaller than a line, as each client of a socket has one: the same lines come out, and a line that does not end can be given up.

use kinegraf::counters::RejectReason::{Stalled, UnterminatedString};
use kinegraf::input::line_reader::{LineReader, Tail};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generator::noise;
use crate::{Found, bad, cases, line, split, take};

fn buffer(size: usize) -> Box<[u8]> {
    vec![0; size].into_boxed_slice()
}

/// As `split`, in `own` bytes, and in as many as a line may need only while one needs them.
fn split_small(bytes: &[u8], line_size: usize, own: usize, pieces: &[usize]) -> (Vec<Found>, u64) {
    let mut reader = LineReader::with_buffer(line_size, buffer(own));
    let (mut other, mut lent) = (buffer(LineReader::window(line_size)), false);
    let (mut found, mut rest) = (Vec::new(), bytes);
    for &size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        if reader.is_cramped() {
            assert!(!lent, "the larger buffer is large enough");
            reader.exchange(&mut other);
            lent = true;
        }
        let space = reader.space();
        let size = size.clamp(1, own - 1).min(space.len()).min(rest.len());
        assert!(size > 0);
        space[..size].copy_from_slice(&rest[..size]);
        reader.filled(size);
        rest = &rest[size..];
        take(&mut reader, &mut found);
        if lent && reader.held().len() < own {
            reader.exchange(&mut other);
            lent = false;
        }
    }
    reader.end(Tail::Reject);
    take(&mut reader, &mut found);
    (found, reader.skipped())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn a_small_buffer_gives_the_same_lines(bytes in noise(200), line_size in 1..100usize, own in 2..40usize, pieces in vec(1..40usize, 1..20)) {
        prop_assert_eq!(split_small(&bytes, line_size, own, &pieces), split(&bytes, line_size, Tail::Reject, &[usize::MAX]));
    }
}

/// A reader that was fed `bytes` and gave what it has.
fn fed(bytes: &[u8]) -> LineReader {
    let mut reader = LineReader::with_buffer(1000, buffer(bytes.len()));
    reader.space().copy_from_slice(bytes);
    reader.filled(bytes.len());
    assert!(reader.next_item().is_none() && reader.is_cramped());
    reader
}

fn feed(reader: &mut LineReader, bytes: &[u8]) -> Vec<Found> {
    reader.space()[..bytes.len()].copy_from_slice(bytes);
    reader.filled(bytes.len());
    taken(reader)
}

fn taken(reader: &mut LineReader) -> Vec<Found> {
    let mut found = Vec::new();
    take(reader, &mut found);
    found
}

#[test]
fn a_line_that_is_given_up_is_skipped_to_its_newline() {
    let mut reader = fed(b"m v=1234567890");
    reader.abandon(4);
    assert_eq!(taken(&mut reader), [bad(b"m v=1234567890", Stalled)]);
    assert!(reader.held().is_empty());
    assert_eq!(feed(&mut reader, b"1 1\nn v=1\n"), [line(b"n v=1")]);
    assert_eq!(feed(&mut reader, b"o v="), []);
}

#[test]
fn a_string_that_is_given_up_costs_its_own_line_and_gives_the_others_back() {
    let mut reader = fed(b"m s=\"cut\nn v=1\no v=2\np v=");
    reader.abandon(4);
    assert_eq!(taken(&mut reader), [bad(b"m s=\"cut", UnterminatedString), line(b"n v=1"), line(b"o v=2")]);
    assert_eq!(reader.held(), b"p v=");
    assert_eq!(feed(&mut reader, b"2\n"), [line(b"p v=2")]);
}
