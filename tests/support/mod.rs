//! What integration tests, benches and the quickstart share: a loopback Kinesis, a way to run the program as a person does, and lines to feed it.
//!
//! Nothing here uses the product's code: the signature, the limits and the texts are computed a second time, so that one mistake cannot agree with itself.
//! The server listens on 127.0.0.1 only, in threads of its own, and stops when it is dropped.
//!
//! ```ignore
//! mod support;
//! let kinesis = support::Server::start(support::Options::default());
//! // … run something against kinesis.url() …
//! kinesis.assert_no_resend_after_ack();
//! ```
#![allow(dead_code, unused_imports, reason = "each test crate uses its own part")]
#![allow(unreachable_pub, missing_docs, reason = "a module of test crates: nothing is published")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "in a test a panic is the report")]

pub mod calendar;
mod connection;
mod describe;
pub mod fault;
pub mod http;
pub mod limits;
pub mod lines;
pub mod log;
pub mod metadata;
pub mod process;
pub mod raw_client;
pub mod secrets;
pub mod server;
pub mod service;
pub mod signature;
pub mod sts;
pub mod temp_dir;
pub mod tls;

pub use fault::{Fault, Pick, Plan};
pub use process::Program;
pub use server::{Options, Server, Store};
pub use signature::Key;
pub use temp_dir::TempDir;
pub use tls::Certificate;

/// The region the server signs for unless told otherwise.
pub const REGION: &str = "us-east-1";
/// The stream that exists unless told otherwise, with four shards.
pub const STREAM: &str = "telemetry";
/// The account in the service's texts.
pub const ACCOUNT: &str = "123456789012";
/// The key that the server knows unless told otherwise.
pub const ACCESS_KEY: &str = "AKIALOOPBACK00000001";
/// Its secret.
pub const SECRET_KEY: &str = "loopback/secret+key/of/forty/characters/";

/// SplitMix64: one step of it also serves as a hash of numbers.
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
