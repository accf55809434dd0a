//! What a line says: the zero-copy scanner ([`point`]), the partition key ([`partition_key`]), the format of record data ([`format`](mod@format)) and the
//! arrival time of a line that has none ([`stamp`]).

pub(crate) mod bytes;
pub mod format;
mod number;
pub mod partition_key;
pub mod point;
pub mod stamp;
