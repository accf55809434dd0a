//! Roles, through the chain, from a loopback STS that computes signatures a second time: what is asked, what is made of each answer, and of each way not to
//! get one.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test crate: a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod common;
mod endpoints;
mod refused;
mod tokens;
