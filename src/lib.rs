//! kinegraf reads InfluxDB line protocol and writes it to Amazon Kinesis Data Streams. Every line that it accepted reaches the stream at least once,
//! or is still in the spool, or is counted by the reason for which it was given up; in memory that does not grow.
//!
//! ```text
//! input ── bytes ─▶ line ─▶ Point, PartitionKey ─▶ Spool ═▶ Packer ─▶ records ─▶ Batch ─▶ body ─▶ signed request ─▶ reply ─▶ ack
//! input/            line/                          spool/   record/              kinesis/         aws/
//! └──────────── input thread ────────────────────────┘└──────────────── delivery thread ─────────────────────────────────────┘
//! ```

pub mod aws;
pub mod cli;
pub mod config;
pub mod counters;
pub mod daemon;
pub mod ending;
pub mod input;
pub mod kinesis;
pub mod limits;
pub mod line;
pub mod log;
pub mod memory;
pub mod pipeline;
pub mod random;
pub mod record;
pub mod sender;
pub mod spool;
pub mod time;
