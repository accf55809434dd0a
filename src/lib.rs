//! kinegraf reads InfluxDB line protocol and writes it to Amazon Kinesis Data Streams. Every line that it accepted reaches the stream at least once,
//! or is still in the spool, or is counted by the reason for which it was given up; in memory that does not grow.
//!
//! ```text
//! input ── bytes ─▶ line ─▶ Point, PartitionKey ─▶ Spool ═▶ Packer ─▶ records ─▶ Batch ─▶ body ─▶ signed request ─▶ reply ─▶ ack
//! input/            line/                          spool/   record/              kinesis/         aws/
//! └──────────── input thread ────────────────────────┘└──────────────── delivery thread ─────────────────────────────────────┘
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`input`], [`line`](mod@line) | bytes become lines, lines become points with partition keys; bad ones are told apart |
//! | [`spool`] | lines wait, in blocks |
//! | [`record`], [`kinesis`] | lines become records, records leave in requests; what an answer means, when to try again |
//! | [`aws`] | credentials, signature, HTTP |
//! | [`pipeline`] | the core state machine between them: no clock, no file, no socket |
//! | [`sender`], [`daemon`] | one request from batch to answer; the threads around the core |
//! | [`config`], [`cli`] | what a person may say |
//! | [`commands`] | what there is beside a run |
//! | [`limits`], [`memory`], [`time`], [`random`], [`counters`], [`ending`], [`log`] | bounds, clocks, randomness, books, exit codes, diagnostics |

pub mod aws;
pub mod cli;
pub mod commands;
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
pub mod planted;
pub mod random;
pub mod record;
pub mod sender;
pub mod spool;
pub mod time;
