//! What the input thread waits for while the spool is full: a `Condvar`, and where it sleeps in `poll`, a socket that wakes it.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use super::State;
use super::signals::Waker;

/// Room in the spool, or the end.
#[derive(Debug)]
pub(super) struct Space {
    condvar: Condvar,
    waker: Option<Waker>,
    /// Somebody sleeps in `poll` and wants to know.
    wanted: AtomicBool,
}

impl Space {
    /// `waker`: of a thread that sleeps in `poll`.
    pub(super) fn new(waker: Option<UnixStream>) -> Space {
        Space { condvar: Condvar::new(), waker: waker.map(Waker::new), wanted: AtomicBool::new(false) }
    }

    /// There may be room again.
    pub(super) fn notify_one(&self) {
        self.condvar.notify_one();
        if self.wanted.swap(false, Ordering::Relaxed) {
            self.wake();
        }
    }

    /// There is something else to see as well: a stop, the end.
    pub(super) fn notify_all(&self) {
        self.condvar.notify_all();
        self.wake();
    }

    /// From now on `notify_one` wakes whoever sleeps in `poll`, once. Called with the state locked, so that no room comes to be unseen.
    pub(super) fn want(&self, _locked: &MutexGuard<'_, State>) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    pub(super) fn wait_timeout<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        self.condvar.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}
