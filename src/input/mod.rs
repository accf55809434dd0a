//! Where lines come from: bytes become lines ([`line_reader`]), lines become blocks ([`composer`], and for a single input [`intake`]), bad ones are kept and
//! shown ([`rejects`]); standard input is [`stdin`], sockets are [`unix`], a sender that waits for an answer says [`hand_off`]'s words.

pub mod composer;
pub mod hand_off;
pub mod intake;
pub mod line_reader;
pub mod rejects;
pub mod stdin;
pub mod unix;
