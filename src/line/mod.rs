//! What a line says: the zero-copy scanner ([`point`]), the partition key ([`partition_key`]) and the format of record data ([`format`]).

pub mod format;
pub mod partition_key;
pub mod point;
