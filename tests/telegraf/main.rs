//! A real Telegraf as judge: it drives the program through `outputs.exec`, and writes the same metrics through its own `outputs.kinesis`, both into the
//! loopback Kinesis.
//!
//! Telegraf is the one that `KINEGRAF_TELEGRAF` names (then it has to be there), else the one that `tests/telegraf/setup` built, else the one on PATH;
//! without any the tests say so on stderr and pass. `KINEGRAF_BIN` names another kinegraf, such as a release build.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod configuration;
mod document;
mod exec;
mod execd;
mod gathered;
mod identical;
mod json;
mod loss_table;
mod lost;
mod metrics;
mod migrate;
mod order;
mod pairing;
mod read_back;
mod telegraf;
mod unlike;
