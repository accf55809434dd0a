//! Lines become records.

pub mod packer;
