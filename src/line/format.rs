//! The bytes of a line in a record. `influx` is the line and a newline; others come with the Telegraf drop-in.

/// What record data looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The line as it came (with its timestamp), and a newline.
    #[default]
    Influx,
}
