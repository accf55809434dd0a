//! Where lines come from.

pub mod line_reader;
