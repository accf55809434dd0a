//! Any bytes, in any pieces, give the same items as in one piece, none longer than the bound; and what the scanner takes splits into itself.
#![no_main]

use kinegraf::input::line_reader::{Item, LineReader, Tail};
use kinegraf::line::point::Point;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, bool, &[u8])| {
    let (line_size, piece, file, bytes) = input;
    let line_size = usize::from(line_size) + 1;
    let tail = if file { Tail::Accept } else { Tail::Reject };
    let whole = split(bytes, line_size, tail, usize::MAX);
    assert_eq!(whole, split(bytes, line_size, tail, usize::from(piece) + 1));
    for (line, bad) in whole.0 {
        assert!(!line.is_empty() && line.len() <= line_size);
        if bad.is_empty() && Point::parse(&line).is_ok() {
            let (again, _) = split(&line, line_size, Tail::Accept, usize::MAX);
            assert_eq!(again, [(line, String::new())]);
        }
    }
});

/// Each item with its reason (empty for a line), and the lines skipped.
fn split(bytes: &[u8], line_size: usize, tail: Tail, piece: usize) -> (Vec<(Vec<u8>, String)>, u64) {
    let mut reader = LineReader::new(line_size);
    let mut items = Vec::new();
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let space = reader.space();
            let size = space.len().min(rest.len());
            space[..size].copy_from_slice(&rest[..size]);
            reader.filled(size);
            rest = &rest[size..];
            take(&mut reader, &mut items);
        }
    }
    reader.end(tail);
    take(&mut reader, &mut items);
    (items, reader.skipped())
}

fn take(reader: &mut LineReader, items: &mut Vec<(Vec<u8>, String)>) {
    while let Some(item) = reader.next_item() {
        items.push(match item {
            Item::Line(line) => (line.to_vec(), String::new()),
            Item::Bad { bytes, reason } => (bytes.to_vec(), reason.to_string()),
        });
    }
}
