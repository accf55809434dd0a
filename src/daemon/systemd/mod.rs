//! What a run on sockets has to do with systemd: it says when it is ready, how it is and that it ends, feeds a watchdog, and takes over sockets that were
//! opened for it. Sources: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).
//!
//! A run on standard input has nothing to do with it: under Telegraf's unit the variables are Telegraf's, and a child that says STOPPING would say it of
//! Telegraf. So nothing here is made for such a run.

mod inherited;
mod notify;
mod status;
mod watchdog;

use std::time::Duration;

use crate::config::Environment;
use crate::time::{Deadline, Now, monotonic_usec};
use notify::Notifier;
use status::Status;
use watchdog::Watchdog;

pub use inherited::{Inherited, inherit};
pub(crate) use status::View;
pub(crate) use watchdog::Doing;

/// While a run ends, the manager is asked for this much time from now,
const EXTENSION: Duration = Duration::from_secs(10);
/// so often.
const EXTEND_EVERY: Duration = Duration::from_secs(2);

/// Talks to the service manager, if there is one.
#[derive(Debug)]
pub struct Systemd {
    notifier: Notifier,
    watchdog: Watchdog,
    status: Status,
    stopping: Option<Deadline>,
}

impl Systemd {
    /// As the environment of the process `pid` says; none where nobody wants to be told.
    pub fn from_environment(environment: &Environment, pid: u32) -> Option<Systemd> {
        let notifier = Notifier::from_environment(environment)?;
        let (watchdog, status) = (Watchdog::from_environment(environment, pid), Status::new());
        Some(Systemd { notifier, watchdog, status, stopping: None })
    }

    /// The input is bound and the spool is open, whether there is a network or not; also after a reload.
    pub(super) fn ready(&mut self) {
        self.notifier.say("READY=1\n");
    }

    /// The configuration is being read again; `ready` makes an end of it.
    pub(super) fn reloading(&mut self) {
        self.notifier.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", monotonic_usec()));
    }

    /// Says what is new. `moved`: bytes to and from the service so far.
    pub(super) fn look(&mut self, now: Now, view: &View<'_>, doing: Doing, moved: u64) {
        let mut text = String::new();
        if view.stopping && self.stopping.is_none_or(|due| due.passed(now)) {
            if self.stopping.is_none() {
                text.push_str("STOPPING=1\n");
            }
            text.push_str(&format!("EXTEND_TIMEOUT_USEC={}\n", EXTENSION.as_micros()));
            self.stopping = Some(Deadline(now.mono + EXTEND_EVERY));
        }
        if self.watchdog.feed(now, doing, moved) {
            text.push_str("WATCHDOG=1\n");
        }
        if let Some(line) = self.status.news(now, view) {
            text.push_str(&format!("STATUS={line}\n"));
        }
        if !text.is_empty() {
            self.notifier.say(&text);
        }
    }

    /// When `look` may have something to say.
    pub(super) fn due(&self) -> Deadline {
        [self.watchdog.due(), self.stopping].into_iter().flatten().fold(self.status.due(), Deadline::min)
    }
}
