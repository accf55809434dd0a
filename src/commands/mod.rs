//! What kinegraf does beside a run. Each command has arguments of its own in [`crate::cli`], and ends with words and an exit code.

pub mod forward;
pub mod migrate;
pub mod spool;
