//! What the files of a spool's directory are called. A name that is not ours is foreign: it is left alone and not counted.
//!
//! ```text
//! 00000000000004d2-1a2b3c4d.segment        number of the segment, hash of its stream, both in hexadecimal
//! 00000000000004d2-1a2b3c4d.segment.bad    set aside; .bad2, .bad3 … where there is one already
//! cursor-1a2b3c4d                          the cursor of a stream; what is no file and has its name is set aside as .bad too
//! lock                                     held by the one writer of this directory
//! lock-1a2b3c4d                            held by whoever writes what belongs to this stream
//! ```

use crate::spool::block::Position;

/// A file's name, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Segment { number: u64, hash: u32 },
    SetAside { number: u64, hash: u32 },
    Cursor { hash: u32 },
    Lock,
    Foreign,
}

pub(super) const LOCK: &str = "lock";

pub(super) fn segment(number: u64, hash: u32) -> String {
    format!("{number:016x}-{hash:08x}.segment")
}

/// The names that something may get when it is set aside, the best first.
pub(super) fn aside(name: &str) -> impl Iterator<Item = String> {
    let name = name.to_owned();
    (1..100).map(move |copy| if copy == 1 { format!("{name}.bad") } else { format!("{name}.bad{copy}") })
}

pub(super) fn cursor(hash: u32) -> String {
    format!("cursor-{hash:08x}")
}

pub(super) fn stream_lock(hash: u32) -> String {
    format!("lock-{hash:08x}")
}

impl Name {
    pub(super) fn parse(name: &[u8]) -> Name {
        let Ok(name) = std::str::from_utf8(name) else { return Name::Foreign };
        if let Some(hash) = name.strip_prefix("cursor-").and_then(hex::<8>) {
            return Name::Cursor { hash: hash as u32 };
        }
        if name == LOCK || name.strip_prefix("lock-").and_then(hex::<8>).is_some() {
            return Name::Lock;
        }
        let Some((stem, end)) = name.split_once(".segment") else { return Name::Foreign };
        let Some((Some(number), Some(hash))) = stem.split_once('-').map(|(number, hash)| (hex::<16>(number), hex::<8>(hash))) else {
            return Name::Foreign;
        };
        if !Position(number).is_possible() {
            return Name::Foreign;
        }
        let hash = hash as u32;
        match end.strip_prefix(".bad") {
            None if end.is_empty() => Name::Segment { number, hash },
            Some(copy) if copy.bytes().all(|digit| digit.is_ascii_digit()) => Name::SetAside { number, hash },
            _ => Name::Foreign,
        }
    }
}

/// Exactly so many lower-case digits.
fn hex<const DIGITS: usize>(text: &str) -> Option<u64> {
    let digits = text.len() == DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_ours_says_what_it_is_and_any_other_is_foreign() {
        let (number, hash) = (0x4d2, 0x1a2b_3c4d);
        assert_eq!(Name::parse(segment(number, hash).as_bytes()), Name::Segment { number, hash });
        assert!(aside(&segment(number, hash)).all(|name| Name::parse(name.as_bytes()) == Name::SetAside { number, hash }));
        assert_eq!(Name::parse(cursor(hash).as_bytes()), Name::Cursor { hash });
        assert_eq!((Name::parse(b"lock"), Name::parse(b"lock-1a2b3c4d")), (Name::Lock, Name::Lock));
        for name in [
            "rejected",
            "rejected.1",
            "cursor-1a2b3c4",
            "4d2-1a2b3c4d.segment",
            "00000000000004D2-1a2b3c4d.segment",
            "+0000000000004d2-1a2b3c4d.segment",
            "00000000000004d2-1a2b3c4d.segment.tmp",
            "00000000000004d2-1a2b3c4d.segment.badly",
            "00000000000004d2-1a2b3c4d",
            "lost+found",
            // No spool comes so far, and nothing could be counted on from there.
            "ffffffffffffffff-1a2b3c4d.segment",
            "8000000000000000-1a2b3c4d.segment.bad",
        ] {
            assert_eq!(Name::parse(name.as_bytes()), Name::Foreign, "{name}");
        }
        assert_eq!(Name::parse(&[0xFF]), Name::Foreign);
    }
}
