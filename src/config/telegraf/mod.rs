//! Telegraf's own configuration: its one `[[outputs.kinesis]]`, with every option that any version of it ever had, read where it stands.
//!
//! All else in the file belongs to Telegraf and is not even parsed: it may be what only Telegraf's parser takes. What the options mean is in
//! `docs/migrating-from-telegraf.md`, each with the test that shows it.

pub(crate) mod directory;
pub(crate) mod duration;
pub(crate) mod names;
pub(crate) mod section;
pub(crate) mod tables;

pub(crate) use section::section;

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be obeyed: what only Telegraf could do is refused.
    Run,
    /// To be rewritten: what only Telegraf can do is kept for it, and variables may be unknown.
    Migrate,
}
