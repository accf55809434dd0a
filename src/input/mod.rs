//! Where lines come from: bytes become lines ([`line_reader`]), lines become blocks ([`intake`]), bad ones are kept and shown ([`rejects`]).

pub mod intake;
pub mod line_reader;
pub mod rejects;
