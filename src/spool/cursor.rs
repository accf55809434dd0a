//! The cursor: how far the spool is acknowledged.

/// Bytes of one of the cursor's two slots.
pub const SLOT_SIZE: usize = 128;
