//! Lines wait: what a block of them is ([`block`]), where blocks are kept ([`disk`]), and the queue over it ([`spool`]).

pub mod block;
mod census;
pub mod codec;
pub mod cold;
pub mod cursor;
pub mod disk;
pub mod os_disk;
pub mod segment;
#[allow(clippy::module_inception)] // the folder is the room, the file is the thing
pub mod spool;
mod store;
