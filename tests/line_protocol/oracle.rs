//! Long, quoted and broken lines.
