//! Lines from Unix sockets: any number of listeners and clients in one thread, which sleeps in one `poll`.
//!
//! ```text
//! loop { sockets.wait(now, timeout, may_read)?; while sockets.next_block(now, …) { pipeline.accept(now, sockets.block()); sockets.taken() } }
//! ```
//!
//! | | |
//! |---|---|
//! | [`listener`], `bind` | sockets, their files, modes and groups |
//! | `client`, [`peer`] | one connection each |
//! | `datagrams` | lines without a connection |
//! | `feed`, [`unpacker`] | bytes become lines, unpacked where they are packed |
//! | [`hand_off`] | a sender that waits for an answer |
//! | `long_lines` | two buffers for what is longer than a client's own |
//! | [`sockets`] | who is read when |
//!
//! What always holds: a slow, silent or flooding client never keeps another from being read; memory, threads and files do not grow with what comes.

mod bind;
mod client;
mod datagrams;
mod feed;
pub mod hand_off;
pub mod listener;
mod long_lines;
pub mod peer;
pub mod sockets;
pub mod unpacker;

pub use bind::BindError;
pub use listener::Listener;
pub use peer::Peer;
pub use sockets::{Sockets, SocketsOptions};
