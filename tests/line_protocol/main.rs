//! What lines are, tried as the input thread uses it: bytes in pieces into [`LineReader`], its lines into [`Point`].
//!
//! - `splitter`: where lines end, against a second, byte-by-byte splitter of one page;
//! - `scanner`: what a line says, against lines whose content is known;
//! - `settled`: single lines that were settled by asking InfluxDB and Telegraf's parser;
//! - `nasty`: long, quoted, broken lines, with exact column and reason;
//! - `oracle`: the crate `influxdb-line-protocol` as a second opinion, each difference with its reason.

mod generator;
mod nasty;
mod oracle;
mod scanner;
mod settled;
mod small_buffer;
mod splitter;

use kinegraf::counters::RejectReason;
use kinegraf::input::line_reader::{Item, LineReader, Tail};
use proptest::test_runner::Config;

/// An [`Item`] that outlives the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Line(Vec<u8>),
    Bad(Vec<u8>, RejectReason),
}

/// What a reader gives for `bytes` that come in pieces of the given sizes, again and again; and the lines it skipped.
fn split(bytes: &[u8], line_size: usize, tail: Tail, pieces: &[usize]) -> (Vec<Found>, u64) {
    let mut reader = LineReader::new(line_size);
    let mut found = Vec::new();
    let mut rest = bytes;
    for &size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let space = reader.space();
        let size = size.max(1).min(space.len()).min(rest.len());
        space[..size].copy_from_slice(&rest[..size]);
        reader.filled(size);
        rest = &rest[size..];
        take(&mut reader, &mut found);
    }
    reader.end(tail);
    take(&mut reader, &mut found);
    assert_eq!(reader.next_item(), None, "after None there is nothing more");
    (found, reader.skipped())
}

fn take(reader: &mut LineReader, found: &mut Vec<Found>) {
    while let Some(item) = reader.next_item() {
        found.push(match item {
            Item::Line(line) => Found::Line(line.to_vec()),
            Item::Bad { bytes, reason } => Found::Bad(bytes.to_vec(), reason),
        });
    }
}

fn line(text: impl AsRef<[u8]>) -> Found {
    Found::Line(text.as_ref().to_vec())
}

fn bad(text: impl AsRef<[u8]>, reason: RejectReason) -> Found {
    Found::Bad(text.as_ref().to_vec(), reason)
}

/// The whole of `bytes` at once, lines of the default size.
fn split_file(bytes: &[u8]) -> Vec<Found> {
    split(bytes, kinegraf::limits::LINE_SIZE, Tail::Accept, &[usize::MAX]).0
}

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
