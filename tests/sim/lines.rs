//! Lines are numbers: what the text and the key of a number is, what number a text is, and which numbers stand in the segments of a disk.

use std::collections::{BTreeMap, BTreeSet};

use kinegraf::random::Random;
use kinegraf::spool::block::{self, CODEC_DEFLATE, HEADER_SIZE, Header, entries};
use kinegraf::spool::codec::Unpacking;
use kinegraf::spool::segment::{self, StreamId};

/// How the lines of a simulation look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bytes of a line at most, beside its number.
    pub(crate) size: u64,
    /// Different partition keys; 0 means a random one for each record.
    pub(crate) keys: u64,
}

impl Shape {
    pub(crate) fn text(&self, line: u64) -> String {
        let mut random = Random::from_seed(line);
        let size = random.up_to(self.size) as usize;
        let mut text = format!("m v={line}i ");
        // Every other line packs well.
        if line.is_multiple_of(2) {
            text.extend(std::iter::repeat_n('1', size));
        } else {
            text.extend((0..size).map(|_| char::from(b'0' + (random.up_to(60) as u8))));
        }
        text
    }

    pub(crate) fn key(&self, line: u64) -> String {
        line.checked_rem(self.keys).map_or(String::new(), |key| format!("key-{key}"))
    }

    /// The numbers of the lines in a record; what is not a whole line of ours fails.
    pub(crate) fn numbers(&self, data: &[u8]) -> Vec<u64> {
        let text = std::str::from_utf8(data).expect("a record is text");
        assert!(text.ends_with('\n'), "a record ends with a line");
        text.lines().map(|line| self.number(line)).collect()
    }

    fn number(&self, text: &str) -> u64 {
        let number = text.strip_prefix("m v=").and_then(|rest| rest.split('i').next()).and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("no line of ours: {text:.40}"));
        assert_eq!(text, self.text(number), "a line has changed on its way");
        number
    }
}

/// The blocks of the segments of one stream: their positions and lines.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// The lines of each position.
    pub(crate) lines: BTreeMap<u64, Vec<u64>>,
}

impl Blocks {
    /// Takes in what stands in segments, as far as each can be read from its beginning.
    pub(crate) fn scan(&mut self, shape: &Shape, stream: &StreamId, segments: &[(u64, &[u8])]) {
        let mut unpacking = None;
        for (index, (_, content)) in segments.iter().enumerate() {
            // A tail that was cut may come back with a power cut; the next segment stands in its place.
            let next = segments[index + 1..].iter().find(|(_, content)| content.len() > segment::header(stream).len() + HEADER_SIZE);
            let until = next.map_or(u64::MAX, |(number, _)| *number);
            self.scan_segment(shape, stream, content, (until, false), &mut unpacking);
        }
    }

    /// As much of one segment as anybody could ever read.
    pub(crate) fn scan_loosely(&mut self, shape: &Shape, stream: &StreamId, content: &[u8]) {
        self.scan_segment(shape, stream, content, (u64::MAX, true), &mut None);
    }

    fn scan_segment(&mut self, shape: &Shape, stream: &StreamId, content: &[u8], (until, loosely): (u64, bool), unpacking: &mut Option<Unpacking>) {
        let Ok((of, mut at)) = segment::read_header(&content[..content.len().min(segment::HEADER_SIZE_MAX)]) else { return };
        assert_eq!(of, *stream, "a segment lies among those of another stream");
        while let Some(head) = content.get(at..at + HEADER_SIZE).and_then(|bytes| bytes.first_chunk::<HEADER_SIZE>()) {
            let header = Header::decode(head);
            let data = content.get(at + HEADER_SIZE..at + HEADER_SIZE + header.size);
            let Some(data) = data.filter(|_| header.is_possible()) else { return };
            if !block::covers(head, data) {
                // What is acknowledged already is passed without a look at its data.
                if !loosely {
                    return;
                }
                at += header.block_size();
                continue;
            }
            if header.position.0 >= until {
                return;
            }
            let mut plain = Vec::new();
            if header.codec == CODEC_DEFLATE {
                unpacking
                    .get_or_insert_with(Unpacking::new)
                    .unpack(data, header.plain_size, &mut plain)
                    .expect("what has a checksum can be unpacked");
            } else {
                plain.extend_from_slice(data);
            }
            let line = |entry: block::Entry| {
                shape.number(std::str::from_utf8(&plain[entry.line_start as usize..][..entry.line_size as usize]).expect("a line is text"))
            };
            let lines: Vec<u64> = entries(&plain, 0).map(line).collect();
            let before = self.lines.insert(header.position.0, lines.clone());
            assert!(before.is_none_or(|before| before == lines), "position {} was used twice", header.position.0);
            at += header.block_size();
        }
    }

    /// Every line in them.
    pub(crate) fn all(&self) -> BTreeSet<u64> {
        self.lines.values().flatten().copied().collect()
    }
}
