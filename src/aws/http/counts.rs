//! What the network cost, counted where it happens: at the socket, below TLS.

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A reading of the counters, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// TCP connections that were opened.
    pub connects: u64,
    /// TLS handshakes that succeeded.
    pub handshakes: u64,
    /// Bytes given to sockets, TLS and headers included.
    pub bytes_out: u64,
    /// Bytes taken from sockets.
    pub bytes_in: u64,
    /// Requests sent a second time at once, since a reused connection had died.
    pub reused_retries: u64,
    /// Names that were looked up.
    pub lookups: u64,
}

impl Add for HttpCounts {
    type Output = HttpCounts;

    fn add(self, other: HttpCounts) -> HttpCounts {
        HttpCounts {
            connects: self.connects + other.connects,
            handshakes: self.handshakes + other.handshakes,
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
            reused_retries: self.reused_retries + other.reused_retries,
            lookups: self.lookups + other.lookups,
        }
    }
}

/// Tells another thread whether bytes move while a request is on its way.
#[derive(Clone, Debug)]
pub struct HttpMeter(pub(super) Arc<Counts>);

impl HttpMeter {
    /// Bytes in and out so far.
    pub fn moved(&self) -> u64 {
        let counts = self.0.read();
        counts.bytes_in + counts.bytes_out
    }
}

/// The counters, shared by connector, transports and resolver.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connects: AtomicU64,
    pub(super) handshakes: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) reused_retries: AtomicU64,
    pub(super) lookups: AtomicU64,
    /// Bytes that came out of TLS: whether an answer has begun, which an alert or a session ticket does not say.
    pub(super) decrypted: AtomicU64,
}

impl Counts {
    pub(super) fn read(&self) -> HttpCounts {
        HttpCounts {
            connects: self.connects.load(Ordering::Relaxed),
            handshakes: self.handshakes.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            reused_retries: self.reused_retries.load(Ordering::Relaxed),
            lookups: self.lookups.load(Ordering::Relaxed),
        }
    }
}

pub(super) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}
