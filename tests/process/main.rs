//! The real binary, run as a person or Telegraf runs it: bytes on stdin, an exit code, words on stderr, and a loopback Kinesis that keeps the account.
//!
//! `KINEGRAF_BIN` names another binary, such as a release build. `KINEGRAF_FULL=1` asserts the tight limits of time and runs the long versions; without it
//! the whole crate is done in about a minute on two busy cores, and limits of time are generous.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod boards;
mod boards_narrow;
mod clock;
mod common;
mod configuration;
mod connections;
mod credentials;
mod dry_run;
mod endings;
mod faults;
mod four_failures;
mod hand_off;
mod invalid;
mod iot;
#[path = "../aws_iot/service.rs"]
mod iot_service;
mod limits;
mod log_to;
mod metadata;
mod nasty;
mod notify;
mod refresh;
mod refusals;
mod reload;
mod roles;
mod secrecy;
mod signals;
mod sockets;
mod sockets_common;
mod sockets_ends;
mod sockets_files;
mod sockets_packed;
mod sockets_stress;
mod spool_backlog;
mod spool_common;
mod spool_disk;
mod spool_down;
mod spool_ends;
mod spool_found;
mod spool_kill;
mod spool_root;
mod spool_settle;
mod telegraf;
mod tls;
mod unreachable;
mod words;
