//! Any bytes, as they are or with true checksums put into them, are walked through without a panic, within bounds and in either way of checking alike; what
//! is given out is whole, and unpacks to what it promised or not at all.
#![no_main]

use std::io;

use kinegraf::spool::block::{HEADER_SIZE, Header, PLAIN_SIZE_MAX, covers, entries};
use kinegraf::spool::codec::Unpacking;
use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::segment::{Check, StreamId, WINDOW_SIZE_MIN, Walk, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, bool, bool, &[u8])| {
    let (window, whole, sealed, bytes) = input;
    let stream = StreamId::new("r", "s", None).expect("it has both names");
    // Most inputs would end at the first checksum; these get past it.
    let mut segment = if whole { header(&stream) } else { Vec::new() };
    match bytes.split_first_chunk() {
        Some((head, data)) if sealed => {
            let said = Header::decode(head);
            let data = &data[..data.len().min(PLAIN_SIZE_MAX)];
            let header = Header { size: data.len(), plain_size: if said.codec == 1 { said.plain_size } else { data.len() }, ..said };
            if header.is_possible() {
                segment.extend(header.seal(data));
            }
            segment.extend(data);
        }
        _ => segment.extend(bytes),
    }
    let mut window = vec![0; WINDOW_SIZE_MIN + usize::from(window)];
    let headers = walk(&segment, &stream, Check::Headers, &mut window);
    let blocks = walk(&segment, &stream, Check::Data, &mut window);
    assert!(headers.starts_with(&blocks));
    let (mut unpacking, mut plain) = (Unpacking::new(), Vec::new());
    for (offset, header) in blocks {
        let (head, data) = segment[offset..].split_first_chunk().expect("a whole block");
        let data = &data[..header.size];
        assert!(covers(head, data) && *head == header.seal(data) || head[41..HEADER_SIZE] != [0; 7]);
        plain.clear();
        match header.codec {
            0 => plain.extend_from_slice(data),
            _ if unpacking.unpack(data, header.plain_size, &mut plain).is_ok() => assert_eq!(plain.len(), header.plain_size),
            _ => assert!(plain.is_empty()),
        }
        assert!(entries(&plain, 0).all(|entry| entry.line_start as usize + entry.line_size as usize <= plain.len()));
    }
    if let Some(slots) = bytes.first_chunk() {
        let _ = Cursor::decode(slots);
    }
});

fn walk(segment: &[u8], stream: &StreamId, check: Check, window: &mut [u8]) -> Vec<(usize, Header)> {
    let read_at = |offset: u64, out: &mut [u8]| {
        let offset = usize::try_from(offset).expect("within the segment");
        out.copy_from_slice(&segment[offset..offset + out.len()]);
        io::Result::Ok(())
    };
    let mut walk = Walk::begin(0, segment.len() as u64, Some(stream), check, window, read_at).expect("memory does not fail");
    let blocks = std::iter::from_fn(|| walk.next_block().expect("memory does not fail"));
    let blocks = blocks.map(|found| (usize::try_from(found.offset).expect("within the segment"), found.header)).collect();
    assert!(walk.stop().is_some() && walk.valid_size() <= segment.len() as u64);
    blocks
}
