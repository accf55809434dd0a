//! A new configuration for a run that goes on, wholly or not at all: with one mistake in it the old one stays. What cannot change while lines wait is named, and
//! stays as it is until the next start; which keys that are, `config::reload` knows.
//!
//! Credentials and CA files are read again even where nothing differs, and what was left alone for a failure is tried at once: somebody may have mended it.

use std::fmt;

use super::{Output, Shared};
use crate::config::keys::Key;
use crate::config::reload::applies_at_once;
use crate::config::{Config, MissingStream};
use crate::pipeline::Tuning;

/// Gives the configuration anew, or every mistake in it.
type Read = Box<dyn Fn() -> Result<Config, String> + Send>;
/// Makes what requests go to.
type MakeOutput = Box<dyn Fn(&Config) -> Result<Output, String> + Send>;

/// Reads the configuration again.
pub struct Reload {
    /// The configuration that holds.
    config: Config,
    read: Read,
    output: MakeOutput,
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reload")
    }
}

impl Reload {
    /// `config`: what the run began with.
    pub fn new(config: Config, read: Read, output: MakeOutput) -> Reload {
        Reload { config, read, output }
    }

    pub(super) fn run(&mut self, shared: &Shared) {
        let log = &shared.log;
        if let Err(mistakes) = self.try_run(shared) {
            mistakes.lines().filter(|line| !line.is_empty()).for_each(|line| log.error(format_args!("{line}")));
            log.error(format_args!("the configuration was read again and has mistakes: the one from before stays"));
        }
    }

    fn try_run(&mut self, shared: &Shared) -> Result<(), String> {
        let newer = (self.read)()?;
        let (notes, differences) = (newer.notes.clone(), self.config.differences(&newer));
        let mut config = self.config.clone();
        config.adopt(newer);
        let output = if config.dry_run { None } else { Some((self.output)(&config)?) };
        self.config = config;
        self.apply(shared, output);
        let log = &shared.log;
        notes.iter().for_each(|note| log.warn(format_args!("{note}")));
        let (applied, later): (Vec<&Key>, Vec<&Key>) = differences.into_iter().partition(|key| applies_at_once(key.id));
        later.iter().for_each(|key| log.warn(format_args!("{} needs a restart to change: it stays as it was", key.path())));
        let applied: Vec<String> = applied.iter().map(|key| key.path()).collect();
        let changed =
            if applied.is_empty() { "nothing that applies at once has changed".to_owned() } else { format!("changed: {}", applied.join(", ")) };
        log.answer(format_args!("the configuration and credentials were read again; {changed}"));
        Ok(())
    }

    fn apply(&self, shared: &Shared, output: Option<Output>) {
        let config = &self.config;
        shared.log.set_level(config.log.level);
        let mut state = shared.lock();
        // One that was never begun with makes room for the next.
        state.other_output = output;
        state.other_partition = Some(config.partition.clone());
        state.shutdown_timeout = config.delivery.shutdown_timeout;
        state.pipeline.reconfigure(Tuning {
            ordering: config.delivery.ordering,
            exit_when_missing: config.delivery.missing_stream == MissingStream::Exit,
            flush_interval: config.packing.flush_interval,
            sync_after: config.spool.sync_after,
        });
        drop(state);
        shared.work.notify_all();
        shared.sending.notify_one();
        shared.space.notify_all();
    }
}
