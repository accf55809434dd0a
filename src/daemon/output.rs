//! Where requests go: to Kinesis, or (with `--dry-run`) to standard output as one JSON object a record.

use std::fmt;
use std::io::{ErrorKind, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aws::http::{HttpCounts, HttpMeter};
use crate::ending::Cause;
use crate::kinesis::batch::Batch;
use crate::kinesis::outcome::{Outcome, Reply};
use crate::sender::Sender;
use crate::time::{Clock, Deadline, Now};

/// Takes requests.
pub enum Output {
    /// `PutRecords`.
    Kinesis(Box<Sender>),
    /// `{"PartitionKey":…,"Data":<base64>,"Lines":<count>}`, one a line.
    DryRun(Box<dyn Write + Send>),
}

impl Output {
    /// Sends the batch's window. An error is one of writing the output, which ends the run; the network's are replies.
    pub(super) fn send(&mut self, batch: &mut Batch, clock: &Clock) -> Result<Reply, Cause> {
        match self {
            Output::Kinesis(sender) => Ok(sender.send(batch, clock)),
            Output::DryRun(out) => {
                print(batch, out).map_err(|error| match error.kind() {
                    ErrorKind::BrokenPipe => Cause::Unwanted,
                    _ => Cause::Io(format!("writing the records to standard output failed: {error}")),
                })?;
                batch.outcomes.clear();
                batch.outcomes.resize(batch.window(), Outcome::Stored);
                Ok(Reply::Answered)
            }
        }
    }

    /// When a spare moment is to be used for [`Output::maintain`].
    pub(super) fn next_maintenance(&self, now: Now) -> Option<Deadline> {
        match self {
            Output::Kinesis(sender) => sender.next_maintenance(now),
            Output::DryRun(_) => None,
        }
    }

    /// Uses a spare moment. `now.wall` is the service's time.
    pub(super) fn maintain(&mut self, now: Now) {
        match self {
            Output::Kinesis(sender) => sender.maintain(now),
            Output::DryRun(_) => {}
        }
    }

    pub(super) fn counts(&self) -> HttpCounts {
        match self {
            Output::Kinesis(sender) => sender.counts(),
            Output::DryRun(_) => HttpCounts::default(),
        }
    }

    pub(super) fn meter(&self) -> Option<HttpMeter> {
        match self {
            Output::Kinesis(sender) => Some(sender.meter()),
            Output::DryRun(_) => None,
        }
    }
}

fn print(batch: &Batch, out: &mut dyn Write) -> std::io::Result<()> {
    let mut text = Vec::with_capacity(batch.window_size() * 2);
    for record in batch.records() {
        text.extend_from_slice(b"{\"PartitionKey\":");
        serde_json::to_writer(&mut text, record.key)?;
        text.extend_from_slice(b",\"Data\":\"");
        text.extend_from_slice(STANDARD.encode(record.data).as_bytes());
        writeln!(text, "\",\"Lines\":{}}}", record.lines)?;
    }
    out.write_all(&text)?;
    out.flush()
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Output::Kinesis(_) => "Kinesis",
            Output::DryRun(_) => "DryRun",
        })
    }
}
