//! The account of truth: what came, what was stored, what was answered, and whether the answer got out. Tests compare what the program believes with it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What became of one received record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// In the stream, and the answer says so.
    Stored,
    /// In the stream, but the answer does not say so.
    StoredUnsaid,
    /// Not in the stream, and the answer says so.
    Failed,
    /// Not in the stream; the request failed as a whole.
    Ignored,
}

/// One record of a request.
#[derive(Clone, Debug)]
pub struct Received {
    pub key: Arc<str>,
    pub data: Arc<[u8]>,
    pub fate: Fate,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Of all requests, from 0.
    pub number: u64,
    pub connection: u64,
    /// When its first byte came, as time since the server started and as a place in the order of events.
    pub arrived: Duration,
    pub arrived_order: u64,
    /// When the answer's last byte was handed to the kernel, or the connection was given up.
    pub finished: Duration,
    pub finished_order: u64,
    /// The fault that the plan chose, in words.
    pub fault: String,
    pub stream: String,
    pub body_size: usize,
    pub records: Vec<Received>,
    /// Zero when nothing was answered.
    pub status: u16,
    /// The error code answered, if any.
    pub code: String,
    /// A true answer was written wholly while the client was there: an acknowledgement has reached it.
    pub acknowledged: bool,
}

/// A record in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub key: Arc<str>,
    pub data: Arc<[u8]>,
    pub shard: usize,
    pub sequence: u64,
    /// The request that brought it.
    pub request: u64,
}

/// Sums over the server's life; kept in every mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub connections: u64,
    pub requests: u64,
    /// Requests refused by their signature, form or limits, by code.
    pub refused: BTreeMap<String, u64>,
    /// Records received, stored (an unsaid one too), and failed one by one.
    pub records: u64,
    pub stored: u64,
    pub failed: u64,
    /// Largest body and sum of the bodies, in bytes.
    pub body_size_max: usize,
    pub body_bytes: u64,
    /// Most records in a request.
    pub records_max: usize,
    /// Connections turned away because there were too many.
    pub turned_away: u64,
}

/// The whole account.
#[derive(Debug, Default)]
pub struct Log {
    pub counts: Counts,
    pub exchanges: Vec<Exchange>,
    pub streams: BTreeMap<String, Vec<Stored>>,
    order: u64,
    sequence: u64,
}

impl Log {
    /// The next place in the order of events.
    pub fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// The next sequence number.
    pub fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Records that were sent again although an acknowledgement of them had reached the client before, as `(first request, later request, data)`.
    /// Records are told apart by their data, with `parts` cutting data into what is compared; tests make every line unique.
    pub fn resent_after_ack<'a>(&'a self, parts: impl Fn(&'a [u8]) -> Vec<&'a [u8]>) -> Vec<(u64, u64, &'a [u8])> {
        let mut acknowledged: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        let mut found = Vec::new();
        // An answer is in the order of its finish, a request in that of its arrival: merge the two.
        let mut events: Vec<(u64, bool, &Exchange)> = Vec::new();
        for exchange in &self.exchanges {
            events.push((exchange.arrived_order, false, exchange));
            if exchange.acknowledged {
                events.push((exchange.finished_order, true, exchange));
            }
        }
        events.sort_by_key(|(order, ..)| *order);
        for (order, is_answer, exchange) in events {
            for record in &exchange.records {
                for part in parts(&record.data) {
                    if is_answer && record.fate == Fate::Stored {
                        acknowledged.entry(part).or_insert((order, exchange.number));
                    } else if !is_answer && let Some((_, first)) = acknowledged.get(part) {
                        found.push((*first, exchange.number, part));
                    }
                }
            }
        }
        found
    }
}
