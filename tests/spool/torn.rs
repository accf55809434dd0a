//! What a kill, a power cut and a bad card leave of a segment: whole blocks are found, and nothing else is taken for one.

use kinegraf::spool::block::Position;
use kinegraf::spool::codec::Packing;
use kinegraf::spool::segment::{self, Check, Stop, StreamId, read_header};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Lines, block, lines, read, segment_of, settled, stream, walk};

/// Where each of the first blocks ends, the header before them.
fn ends(blocks: u64) -> Vec<u64> {
    (0..=blocks).map(|count| segment_of(0, count).len() as u64).collect()
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_rest_is_whole() {
    let (bytes, ends) = (segment_of(0, 4), ends(4));
    for end in 0..=bytes.len() {
        let whole = ends.iter().filter(|block| **block <= end as u64).count();
        for check in [Check::Data, Check::Headers] {
            let (found, valid, stop) = walk(0, &bytes[..end], check);
            assert_eq!(found.len(), whole.saturating_sub(1), "cut at {end}");
            assert_eq!(valid, if whole == 0 { 0 } else { ends[whole - 1] });
            assert_eq!(stop, if whole > 0 && ends[whole - 1] == end as u64 { Stop::End } else { Stop::Torn }, "cut at {end}");
        }
    }
}

#[test]
fn a_tail_that_the_file_system_filled_with_zeros_or_left_over_bytes_is_cut() {
    let (bytes, ends) = (segment_of(0, 4), ends(4));
    for end in ends[0] as usize..bytes.len() {
        for fill in [0, 0xFF] {
            let mut torn = bytes.clone();
            torn[end..].fill(fill);
            let whole = ends.iter().rposition(|block| *block <= end as u64).unwrap();
            let (found, valid, stop) = walk(0, &torn, Check::Data);
            // A block that ends in the very bytes it was filled with is whole all the same.
            if torn == bytes {
                continue;
            }
            assert!(found.len() == whole || torn[..ends[whole + 1] as usize] == bytes[..ends[whole + 1] as usize], "{end} {fill}");
            assert_eq!(valid, ends[found.len()]);
            assert!(matches!(stop, Stop::Damaged | Stop::Torn), "{end} {fill} {stop:?}");
        }
    }
}

#[test]
fn a_bit_that_flipped_anywhere_is_found() {
    let (bytes, ends) = (segment_of(0, 3), ends(3));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (found, valid, stop) = walk(0, &flipped, Check::Data);
        let before = ends.iter().filter(|end| **end <= (bit / 8) as u64).count();
        assert_eq!(found.len(), before.saturating_sub(1), "bit {bit}");
        assert_eq!(valid, if before == 0 { 0 } else { ends[before - 1] });
        // A header size that grew beyond the file looks like a tear.
        assert!(
            if before == 0 { matches!(stop, Stop::BadHeader | Stop::Torn) } else { matches!(stop, Stop::Damaged | Stop::Torn) },
            "bit {bit} {stop:?}"
        );
    }
}

#[test]
fn a_block_out_of_its_place_ends_the_walk() {
    let mut bytes = segment::header(&stream());
    [7, 8, 10].into_iter().for_each(|position| bytes.extend(block(position, &lines(0))));
    let (found, _, stop) = walk(7, &bytes, Check::Data);
    assert_eq!((found.len(), stop), (2, Stop::Position { expected: Position(9), found: Position(10) }));
    let (found, _, stop) = walk(6, &bytes, Check::Data);
    assert_eq!((found.len(), stop), (0, Stop::Position { expected: Position(6), found: Position(7) }), "a file with another's name");
}

#[test]
fn a_segment_of_another_stream_is_never_walked_through() {
    for other in [
        StreamId::new("eu-central-1", "metric", None),
        StreamId::new("eu-central-2", "metrics", None),
        StreamId::new("eu-central-1", "metrics", Some("http://127.0.0.1:4566/")),
    ] {
        let other = other.unwrap();
        let mut bytes = segment::header(&other);
        bytes.extend(block(0, &lines(0)));
        assert_eq!((walk(0, &bytes, Check::Data).2, read_header(&bytes).unwrap().0), (Stop::OtherStream, other));
    }
}

#[test]
fn a_version_to_come_is_told_from_a_damaged_one() {
    let mut bytes = segment_of(0, 1);
    bytes[8] = 2;
    assert_eq!(walk(0, &bytes, Check::Data).2, Stop::BadHeader, "a bit that flipped is no version");
    let header = segment::header(&stream()).len();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..16]), &bytes[20..header]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(walk(0, &bytes, Check::Data).2, Stop::UnknownVersion(2));
}

#[test]
fn a_stream_has_a_region_and_a_name_and_no_line_breaks() {
    assert!(StreamId::new("r", "s", None).is_ok_and(|id| id.endpoint_url().is_none() && (id.region(), id.stream()) == ("r", "s")));
    assert!(StreamId::new("r", "s", Some("http://h/")).is_ok_and(|id| id.endpoint_url() == Some("http://h/")));
    assert_eq!(StreamId::new("r", "s", Some("http://h/")).unwrap().to_string(), "s in r at http://h/");
    for (region, stream, url) in
        [("", "s", None), ("r", "", None), ("r\n", "s", None), ("r", "s", Some("a\nb")), ("r", "s", Some(&*"u".repeat(2048)))]
    {
        assert!(StreamId::new(region, stream, url).is_err());
    }
}

/// Keys and lines of any text, some of it such that a block packs well.
fn any_lines() -> impl Strategy<Value = Lines> {
    let line = prop_oneof![".{0,80}", "[a-c]{0,30}".prop_map(|text| text.repeat(20))];
    vec((".{0,8}", line), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read_back_up_to_where_it_was_hurt(
        blocks in vec((any_lines(), any::<bool>()), 0..6), first in 0..u64::MAX / 2, cut in any::<prop::sample::Index>(), flip in any::<Option<prop::sample::Index>>(),
    ) {
        let (mut packing, mut bytes, mut ends) = (Packing::new(), segment::header(&stream()), Vec::new());
        for ((lines, packed), position) in blocks.iter().zip(first..) {
            let plain = block(position, lines);
            bytes.extend(if *packed { settled(&plain, &mut packing) } else { plain });
            ends.push(bytes.len());
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        let mut hurt = bytes.len();
        if let Some(flip) = flip.filter(|_| !bytes.is_empty()) {
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            hurt = bit / 8;
        }
        let (found, valid, _) = walk(first, &bytes, Check::Data);
        let want = if hurt < segment::header(&stream()).len() { 0 } else { ends.iter().filter(|end| **end <= hurt).count() };
        prop_assert_eq!(found.len(), want);
        prop_assert!(valid as usize <= hurt);
        for (found, (lines, _)) in found.iter().zip(&blocks) {
            prop_assert_eq!(&read(&bytes, found), lines);
        }
    }

    #[test]
    fn any_bytes_are_walked_through_without_a_panic(mut bytes in vec(any::<u8>(), 0..400), header in any::<bool>(), check in any::<bool>()) {
        if header {
            bytes.splice(0..0, segment::header(&stream()));
        }
        let (found, valid, _) = walk(0, &bytes, if check { Check::Data } else { Check::Headers });
        prop_assert!(valid <= bytes.len() as u64);
        prop_assert!(!check || found.is_empty());
    }
}
