//! What a line says: the zero-copy scanner ([`point`]), the partition key ([`partition_key`], [`template`]), the format of record data ([`format`](mod@format))
//! and the arrival time of a line that has none ([`stamp`]).

pub(crate) mod bytes;
mod custom;
mod float;
pub mod format;
mod json;
mod number;
pub mod partition_key;
pub mod point;
mod series;
mod sink;
mod sorted;
pub mod stamp;
pub mod template;
