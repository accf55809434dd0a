//! Where lines come from: bytes become lines ([`line_reader`]), lines become blocks ([`intake`]), bad ones are kept and shown ([`rejects`]);
//! standard input is [`stdin`].

pub mod composer;
pub mod intake;
pub mod line_reader;
pub mod rejects;
pub mod stdin;
