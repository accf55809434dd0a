//! How a run ends: its exit code, and the one line that tells the person at 3 a.m. why.
//!
//! 0 every line is in Kinesis · 1 the stream does not exist · 64 usage · 74 input or output error · 75 some lines are not, or the end of the input was
//! not seen · 77 access refused · 78 configuration. Codes of sysexits.h where it has one.

use std::fmt;

use crate::config::Destination;
use crate::kinesis::outcome::{Class, Failure};
use crate::limits::{FIRST_LINE_SIZE_MAX, MESSAGE_SIZE_MAX};

/// Wrong arguments.
pub const USAGE: u8 = 64;
/// Reading the input or writing the output failed.
pub const IO: u8 = 74;
/// Not delivered in time; try again.
pub const TEMPORARY: u8 = 75;
/// Access refused.
pub const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;
/// The stream does not exist.
pub const NO_STREAM: u8 = 1;

/// Why a run ended.
#[derive(Clone, Debug)]
pub enum Cause {
    /// The end of the input was seen and every line is in Kinesis, or was given up by itself.
    Delivered,
    /// The end of the input was seen and every line is in Kinesis or durable in the spool.
    Kept,
    /// Only a person can mend it.
    Refused(Failure),
    /// Lines are left, or the end of the input was not seen.
    Undelivered {
        /// The end of the input was seen.
        eof: bool,
        /// What the last request came back with.
        failure: Option<Failure>,
        /// A request was still waiting for its answer.
        in_flight: bool,
    },
    /// Reading the input or writing the output failed.
    Io(String),
    /// Whoever read the records of a dry run has left, as `head` does: no more of them are wanted.
    Unwanted,
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// Lines accepted and neither delivered nor given up by themselves.
    pub waiting: u64,
    /// Lines that stay in the spool, durable.
    pub kept: u64,
    /// They are left to the sender, which offers them again.
    pub handed_back: bool,
    /// What is wrong with the spool.
    pub spool: Option<String>,
}

impl Ending {
    /// The answer that the run did not wait for was not the stream's: `whom` was asked for credentials, and had not given any.
    pub fn was_asking(&mut self, whom: &str) {
        if let Cause::Undelivered { failure: failure @ None, in_flight: true, .. } = &mut self.cause {
            let (code, message) = ("no_answer_yet".to_owned(), ascii(whom, MESSAGE_SIZE_MAX));
            *failure = Some(Failure { class: Class::CredentialsUnavailable, status: None, code, message, retry_after: None, date: None });
        }
    }

    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match &self.cause {
            Cause::Delivered | Cause::Kept | Cause::Unwanted => 0,
            Cause::Refused(failure) => match failure.class {
                Class::StreamMissing => NO_STREAM,
                Class::Misconfigured | Class::CredentialsMisconfigured | Class::Invalid | Class::TooLarge => CONFIG,
                _ => NO_PERMISSION,
            },
            Cause::Undelivered { .. } => TEMPORARY,
            Cause::Io(_) => IO,
        }
    }

    /// The whole reason in one line of printable ASCII, at most `FIRST_LINE_SIZE_MAX` bytes. Empty when all went well.
    pub fn reason(&self, destination: Option<&Destination>) -> String {
        let mut text = match &self.cause {
            Cause::Delivered | Cause::Kept | Cause::Unwanted => return String::new(),
            Cause::Refused(failure) => refused(failure, destination),
            Cause::Undelivered { eof, failure, in_flight } => {
                let mut left = self.undelivered(*eof);
                if let Some(spool) = self.spool.as_ref().filter(|_| self.waiting > 0) {
                    left = format!("{left}; {spool}");
                }
                match failure {
                    Some(failure) if failure.class == Class::CredentialsUnavailable => format!("{left}; {}: {failure}", no_credentials(destination)),
                    Some(failure) => format!("{left}; last answer of {}: {failure}", place(destination)),
                    None if *in_flight => format!("{left}; no answer yet of {}", place(destination)),
                    None => format!("{left}; destination: {}", place(destination)),
                }
            }
            Cause::Io(text) => text.clone(),
        };
        if self.waiting > 0 && !matches!(self.cause, Cause::Undelivered { .. }) {
            text = format!("{text}; {}", self.left());
        }
        ascii(&text, FIRST_LINE_SIZE_MAX)
    }

    fn undelivered(&self, eof: bool) -> String {
        let left = match (self.waiting, self.kept) {
            (0, 0) => "every line accepted was delivered".into(),
            (0, kept) => format!("{} kept in the spool", lines(kept)),
            _ => self.left(),
        };
        let end = if eof { "" } else { "the end of the input was not seen; " };
        format!("not delivered in time: {end}{left}")
    }

    fn left(&self) -> String {
        let what = if self.handed_back { "handed back to the sender" } else { "not delivered" };
        format!("{} {what}", lines(self.waiting))
    }
}

fn lines(count: u64) -> String {
    format!("{count} {}", if count == 1 { "line" } else { "lines" })
}

fn refused(failure: &Failure, destination: Option<&Destination>) -> String {
    let (stream, region) = destination.map_or(("", ""), |d| (d.stream.as_str(), d.region.as_str()));
    match failure.class {
        Class::StreamMissing => {
            format!("stream '{stream}' does not exist in region '{region}' ({failure}); create it, or mend 'streamname' and 'region'")
        }
        Class::Misconfigured | Class::Invalid | Class::TooLarge => format!("stream '{stream}' in region '{region}' refuses every request: {failure}"),
        Class::NoCredentials | Class::CredentialsMisconfigured => format!("{}: {failure}", no_credentials(destination)),
        _ => format!("access to stream '{stream}' in region '{region}' refused: {failure}"),
    }
}

fn no_credentials(destination: Option<&Destination>) -> String {
    let (stream, region) = destination.map_or(("", ""), |d| (d.stream.as_str(), d.region.as_str()));
    format!("no credentials for stream '{stream}' in region '{region}'")
}

fn place(destination: Option<&Destination>) -> String {
    destination.map_or_else(|| "the output".into(), |d| format!("stream '{}' in region '{}' ({})", d.stream, d.region, d.url))
}

/// `text` with everything but printable ASCII replaced, cut to `size` bytes.
pub fn ascii(text: &str, size: usize) -> String {
    let mut out: String = text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect();
    if out.len() > size {
        out.truncate(size - 3);
        out.push_str("...");
    }
    out
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        if let Some(status) = self.status {
            write!(f, " (status {status})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
