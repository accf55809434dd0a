//! The partition key of a line: 1 to 256 UTF-16 units by construction.

use crate::limits::{PARTITION_KEY_SIZE_MAX, PARTITION_KEY_UNITS_MAX};
use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES};
use crate::line::point::Point;

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
        /// For lines without that tag.
        default: PartitionKey,
    },
    /// The measurement.
    Measurement,
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
        (!text.is_empty() && fitting(text, PARTITION_KEY_UNITS_MAX) == text.len()).then(|| PartitionKey(text.to_owned()))
    }

    /// As much of `text` as fits, and whether something did not. An empty `text` gives the default key.
    pub fn cut(text: &str) -> (PartitionKey, bool) {
        if text.is_empty() {
            return (PartitionKey::default(), false);
        }
        let size = fitting(text, PARTITION_KEY_UNITS_MAX);
        (PartitionKey(text[..size].to_owned()), size < text.len())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartitionMethod {
    /// Writes the key of `point` over `out`, which never needs more than `PARTITION_KEY_SIZE_MAX` bytes; true when it had to be cut.
    /// `Random` leaves `out` empty: the packer draws a key for each record. Bytes that are no UTF-8 become U+FFFD.
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
                Some(value) => write_unescaped(value, NAME_ESCAPES, out),
                None => {
                    out.push_str(default.as_str());
                    false
                }
            },
            PartitionMethod::Measurement => write_unescaped(point.measurement(), MEASUREMENT_ESCAPES, out),
        }
    }
}

/// Bytes of the longest beginning of `text` that has at most `units` UTF-16 units and ends between two characters.
fn fitting(text: &str, mut units: usize) -> usize {
    if text.len() <= units {
        return text.len();
    }
    for (at, character) in text.char_indices() {
        match units.checked_sub(character.len_utf16()) {
            Some(left) => units = left,
            None => return at,
        }
    }
    text.len()
}

/// Appends `raw` to the empty `out`, without the backslashes that escape one of `escapes`; true when it did not fit.
fn write_unescaped(raw: &[u8], escapes: &[u8], out: &mut String) -> bool {
    let mut units = PARTITION_KEY_UNITS_MAX;
    for chunk in raw.utf8_chunks() {
        // Pieces between escaping backslashes; each piece but the first starts with the byte that was escaped.
        let mut rest = chunk.valid();
        while !rest.is_empty() {
            let size = escape_in(rest, escapes).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(size);
            if !push(piece, &mut units, out) {
                return true;
            }
            rest = behind.get(1..).unwrap_or_default();
        }
        if !chunk.invalid().is_empty() && !push("\u{fffd}", &mut units, out) {
            return true;
        }
    }
    false
}

/// The first backslash in `text` that escapes.
fn escape_in(text: &str, escapes: &[u8]) -> Option<usize> {
    text.as_bytes().windows(2).position(|pair| pair[0] == b'\\' && escapes.contains(&pair[1]))
}

/// Appends what fits of `piece`; false when not all of it did.
fn push(piece: &str, units: &mut usize, out: &mut String) -> bool {
    let size = fitting(piece, *units);
    let fits = &piece[..size];
    out.push_str(fits);
    *units -= fits.chars().map(char::len_utf16).sum::<usize>();
    size == piece.len()
}
