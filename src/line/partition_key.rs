//! The partition key of a line: 1 to 256 UTF-16 units by construction.

use crate::limits::{PARTITION_KEY_SIZE_MAX, PARTITION_KEY_UNITS_MAX};
use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES, pieces};
use crate::line::point::Point;
use crate::line::series::series;
use crate::line::template::Template;

const HEX_DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// How the partition key of a record is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartitionMethod {
    /// A fresh UUID (version 4) a record.
    Random,
    /// One key for all.
    Static(PartitionKey),
    /// The value of a tag; `default` where a line lacks it.
    Tag {
        /// The tag's key.
        key: String,
        /// For lines without that tag; `None`: a fresh UUID a record, as with `Random`.
        default: Option<PartitionKey>,
    },
    /// The measurement.
    Measurement,
    /// 16 hexadecimal digits that stand for measurement and tags together; `line/series.rs` says how they are made.
    Series,
    /// Put together from parts of the line.
    Template(Template),
}

/// A key that Kinesis takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionKey(String);

impl Default for PartitionKey {
    /// `telegraf`, what Telegraf writes for a line without the tag when no default is configured.
    fn default() -> PartitionKey {
        PartitionKey("telegraf".to_owned())
    }
}

impl PartitionKey {
    /// None when `text` is empty or longer than 256 UTF-16 units.
    pub fn new(text: &str) -> Option<PartitionKey> {
        (!text.is_empty() && fitting(text, PARTITION_KEY_UNITS_MAX).0 == text.len()).then(|| PartitionKey(text.to_owned()))
    }

    /// As much of `text` as fits, and whether something did not. An empty `text` gives the default key.
    pub fn cut(text: &str) -> (PartitionKey, bool) {
        if text.is_empty() {
            return (PartitionKey::default(), false);
        }
        let (size, _) = fitting(text, PARTITION_KEY_UNITS_MAX);
        (PartitionKey(text[..size].to_owned()), size < text.len())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartitionMethod {
    /// Writes the key of `point` over `out`, which never needs more than `PARTITION_KEY_SIZE_MAX` bytes; true when it had to be cut.
    /// It stays empty with `Random`, and with `Tag` for a line without tag and default: the packer draws a key for each record. Each byte that is no UTF-8
    /// becomes U+FFFD, as it does in Telegraf's requests.
    pub fn key_of(&self, point: &Point<'_>, out: &mut String) -> bool {
        out.clear();
        // Once, so that no later line allocates.
        out.reserve(PARTITION_KEY_SIZE_MAX);
        match self {
            PartitionMethod::Random => false,
            PartitionMethod::Static(key) => {
                out.push_str(key.as_str());
                false
            }
            PartitionMethod::Tag { key, default } => match point.tag(key) {
                Some(value) => !push_unescaped(value, NAME_ESCAPES, &mut { PARTITION_KEY_UNITS_MAX }, out),
                None => {
                    out.push_str(default.as_ref().map_or("", PartitionKey::as_str));
                    false
                }
            },
            PartitionMethod::Measurement => !push_unescaped(point.measurement(), MEASUREMENT_ESCAPES, &mut { PARTITION_KEY_UNITS_MAX }, out),
            PartitionMethod::Series => {
                let series = series(point);
                out.extend((0..16).rev().map(|digit| HEX_DIGITS[(series >> (4 * digit)) as usize & 15]));
                false
            }
            PartitionMethod::Template(template) => template.key_of(point, out),
        }
    }
}

/// The longest beginning of `text` that has at most `units` UTF-16 units and ends between two characters: its bytes, and the units left.
fn fitting(text: &str, mut units: usize) -> (usize, usize) {
    if text.is_ascii() {
        let size = text.len().min(units);
        return (size, units - size);
    }
    for (at, character) in text.char_indices() {
        match units.checked_sub(character.len_utf16()) {
            Some(left) => units = left,
            None => return (at, units),
        }
    }
    (text.len(), units)
}

/// Appends what fits `units` of `raw` without the backslashes that escape one of `escapes`; false when not all of it did.
pub(super) fn push_unescaped(raw: &[u8], escapes: &[u8], units: &mut usize, out: &mut String) -> bool {
    pieces(raw, escapes)
        .flat_map(<[u8]>::utf8_chunks)
        .all(|chunk| push(chunk.valid(), units, out) && chunk.invalid().iter().all(|_| push("\u{fffd}", units, out)))
}

/// Appends what fits `units` of `piece`; false when not all of it did.
pub(super) fn push(piece: &str, units: &mut usize, out: &mut String) -> bool {
    let (size, left) = fitting(piece, *units);
    out.push_str(&piece[..size]);
    *units = left;
    size == piece.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(method: &PartitionMethod, line: &[u8]) -> (String, bool) {
        let mut key = "what was there".to_owned();
        let cut = method.key_of(&Point::parse(line).expect("a line"), &mut key);
        (key, cut)
    }

    fn tag(key: &str) -> PartitionMethod {
        PartitionMethod::Tag { key: key.to_owned(), default: Some(PartitionKey::default()) }
    }

    fn whole(key: &str) -> (String, bool) {
        (key.to_owned(), false)
    }

    #[test]
    fn each_method_finds_its_key() {
        let line = b"cpu,host=a,region=b v=1";
        assert_eq!(key_of(&PartitionMethod::Random, line), whole(""));
        assert_eq!(key_of(&PartitionMethod::Static(PartitionKey::cut("all").0), line), whole("all"));
        assert_eq!(key_of(&PartitionMethod::Measurement, line), whole("cpu"));
        assert_eq!(key_of(&tag("region"), line), whole("b"));
    }

    #[test]
    fn a_line_without_the_tag_gets_the_default() {
        assert_eq!(key_of(&tag("host"), b"cpu,hosts=a,hos=t v=1"), whole("telegraf"));
        assert_eq!(key_of(&tag(""), b"cpu,host=a v=1"), whole("telegraf"));
        // A field is no tag.
        assert_eq!(key_of(&tag("host"), b"cpu host=1"), whole("telegraf"));
    }

    #[test]
    fn keys_are_unescaped_as_telegrafs_parser_does() {
        assert_eq!(key_of(&PartitionMethod::Measurement, br"c\,p\ u\=\x\\ y v=1"), whole(r"c,p u\=\x\ y"));
        assert_eq!(key_of(&tag("a b"), br"m,a\ b=x\ y\,z\=\\=\q v=1"), whole(r"x y,z=\=\q"));
        assert_eq!(key_of(&tag(r"a\ b"), br"m,a\ b=x v=1"), whole("telegraf"));
        assert_eq!(key_of(&tag(r"a\b"), br"m,a\b=x v=1"), whole("x"));
    }

    #[test]
    fn the_first_of_two_tags_with_one_key_counts() {
        assert_eq!(key_of(&tag("a"), b"m,a=1,a=2 v=1"), whole("1"));
    }

    #[test]
    fn each_byte_that_is_no_utf_8_is_replaced_as_in_telegrafs_requests() {
        assert_eq!(key_of(&tag("a"), b"m,a=\xff\\ \xe2\x82x v=1"), whole("\u{fffd} \u{fffd}\u{fffd}x"));
    }

    #[test]
    fn a_key_is_cut_between_two_characters_and_never_longer_than_256_units() {
        let line = |value: &str| format!("m,a={value} v=1").into_bytes();
        assert_eq!(key_of(&tag("a"), &line(&"x".repeat(256))), whole(&"x".repeat(256)));
        assert_eq!(key_of(&tag("a"), &line(&"x".repeat(257))), ("x".repeat(256), true));
        assert_eq!(key_of(&tag("a"), &line(&"\u{20ac}".repeat(300))), ("\u{20ac}".repeat(256), true));
        // A character of two units does not fit the last one.
        assert_eq!(key_of(&tag("a"), &line(&("x".repeat(255) + "\u{1f600}"))), ("x".repeat(255), true));
        // An escape is no unit.
        assert_eq!(key_of(&tag("a"), &line(&(r"\ ".repeat(256)))), whole(&" ".repeat(256)));
        assert_eq!(key_of(&tag("a"), &line(&(r"\ ".repeat(257)))), (" ".repeat(256), true));
    }

    #[test]
    fn a_key_never_outgrows_the_string_that_was_reserved_for_it() {
        let mut key = String::new();
        let short = Point::parse(b"m,a=b v=1").expect("a line");
        tag("a").key_of(&short, &mut key);
        let capacity = key.capacity();
        let line = ["m,a=".as_bytes(), &b"\xff".repeat(1000), b" v=1"].concat();
        tag("a").key_of(&Point::parse(&line).expect("a line"), &mut key);
        assert_eq!((key.len(), key.capacity()), (PARTITION_KEY_SIZE_MAX, capacity));
    }

    #[test]
    fn a_configured_key_is_refused_or_cut_when_it_does_not_fit() {
        assert_eq!(PartitionKey::new(""), None);
        assert_eq!(PartitionKey::new(&"x".repeat(257)), None);
        assert_eq!(PartitionKey::new(&"\u{1f600}".repeat(129)), None);
        assert!(PartitionKey::new(&"\u{1f600}".repeat(128)).is_some());
        assert_eq!(PartitionKey::cut(&"\u{1f600}".repeat(129)), (PartitionKey("\u{1f600}".repeat(128)), true));
        assert_eq!(PartitionKey::cut("short"), (PartitionKey("short".to_owned()), false));
        assert_eq!(PartitionKey::cut(""), (PartitionKey::default(), false));
    }
}
