//! The AWS IoT credential provider as a device meets it: a server that demands the device's certificate, every form of key, and every refusal in words.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod certificates;
mod chain;
mod files;
mod service;
mod waits;
