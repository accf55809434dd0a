//! systemd's journal: whether it reads stderr, and the priorities of its lines. Sources: systemd.exec(5), `$JOURNAL_STREAM`; sd-daemon(3).

use std::fs::File;
use std::io::{self, Result};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use crate::config::Level;
use crate::config::environment::Environment;

/// Whether stderr is the journal's: a variable that was handed on to a child whose stderr is a pipe does not count.
pub(super) fn reads_stderr(environment: &Environment) -> bool {
    let Some(named) = environment.get("JOURNAL_STREAM") else { return false };
    let ours = || -> Result<(u64, u64)> {
        let metadata = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    };
    let named = named.split_once(':').and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == ours().ok()
}

/// The number that syslog has for it.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug => 7,
    }
}
