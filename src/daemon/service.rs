//! What a run on sockets does beside: it talks to systemd, and takes a new configuration. A run on standard input does neither.

use super::reload::Reload;
use super::systemd::{Systemd, View};
use super::{Shared, State};
use crate::time::{Deadline, Now};

/// A run as a service.
#[derive(Debug)]
pub struct Service {
    /// Who is to be told, if anybody.
    pub systemd: Option<Systemd>,
    /// How to read the configuration again.
    pub reload: Reload,
}

impl Service {
    /// The input is bound and the spool is open.
    pub(super) fn ready(&mut self) {
        if let Some(systemd) = &mut self.systemd {
            systemd.ready();
        }
    }

    /// SIGHUP: the configuration is read again, wholly or not at all.
    pub(super) fn reload(&mut self, shared: &Shared) {
        if let Some(systemd) = &mut self.systemd {
            systemd.reloading();
        }
        self.reload.run(shared);
        self.ready();
    }

    /// Says what is new; when to look again.
    pub(super) fn look(&mut self, now: Now, state: &State) -> Option<Deadline> {
        let systemd = self.systemd.as_mut()?;
        let pipeline = &state.pipeline;
        let view = View {
            waiting: pipeline.waiting(),
            failure: pipeline.failure(),
            cold: pipeline.spool().cold().map(|cold| cold.state()),
            dropped: pipeline.spool().counters().dropped_full,
            stopping: state.asked_to_end,
        };
        systemd.look(now, &view, state.doing, state.meter.as_ref().map_or(0, |meter| meter.moved()));
        Some(systemd.due())
    }
}
