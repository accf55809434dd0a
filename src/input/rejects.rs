//! Bad lines: kept in the `rejected` file when there is one, and one of them shown at most once a minute. Counting is the intake's.
//!
//! The file holds, for each, a comment with time, reason, column and sender where one is known, then the line as it came; so that a mended copy can be fed in again as it is. Mode
//! 0600. Before it grows beyond its bound it becomes `NAME.1`, which replaces an older one: at most twice the bound on disk.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::PathBuf;
use std::time::Duration;

use crate::input::intake::Rejection;
use crate::limits::SAMPLE_SIZE;
use crate::log::Log;
use crate::time::{Now, Utc};

const SHOWN_EVERY: Duration = Duration::from_secs(60);

/// Keeps and shows bad lines.
#[derive(Debug)]
pub struct Rejects {
    log: Log,
    file: Option<RejectedFile>,
    shown: Option<Duration>,
    since_shown: u64,
    failing: bool,
}

impl Rejects {
    /// `file`: path and bound in bytes.
    pub fn new(log: Log, file: Option<(PathBuf, u64)>) -> Rejects {
        let file = file.map(|(path, size_max)| RejectedFile { path, size_max, open: None });
        Rejects { log, file, shown: None, since_shown: 0, failing: false }
    }

    /// Takes a bad line.
    pub fn add(&mut self, now: Now, rejection: &Rejection<'_>) {
        self.add_from(now, rejection, None);
    }

    /// Takes a bad line of this peer.
    pub fn add_from(&mut self, now: Now, rejection: &Rejection<'_>, peer: Option<&dyn fmt::Display>) {
        let from = peer.map_or(String::new(), |peer| format!(" from {peer}"));
        self.show(now, rejection, &from);
        if let Some(file) = &mut self.file {
            match file.append(now, rejection, &from) {
                Ok(()) => self.failing = false,
                // Said once: a card that turned read-only must not fill the journal.
                Err(error) if !self.failing => {
                    self.failing = true;
                    self.log.error(format_args!("rejected lines cannot be kept in {}: {error}; they are only counted", file.path.display()));
                }
                Err(_) => {}
            }
        }
    }

    fn show(&mut self, now: Now, rejection: &Rejection<'_>, from: &str) {
        if self.shown.is_some_and(|at| now.mono.saturating_sub(at) < SHOWN_EVERY) {
            self.since_shown += 1;
            return;
        }
        let Rejection { reason, column, line } = rejection;
        let sample = &line[..line.len().min(SAMPLE_SIZE)];
        let more = if line.len() > SAMPLE_SIZE { " …" } else { "" };
        let since = match self.since_shown {
            0 => String::new(),
            n => format!(" ({n} more since the last one shown)"),
        };
        self.log.warn(format_args!("line rejected: {reason} at column {column}{from}: \"{}\"{more}{since}", sample.escape_ascii()));
        (self.shown, self.since_shown) = (Some(now.mono), 0);
    }
}

#[derive(Debug)]
struct RejectedFile {
    path: PathBuf,
    size_max: u64,
    open: Option<(File, u64)>,
}

impl RejectedFile {
    fn append(&mut self, now: Now, rejection: &Rejection<'_>, from: &str) -> io::Result<()> {
        let head = format!("# {} {} column {}{from}\n", Utc(now.wall), rejection.reason, rejection.column);
        let room = usize::try_from(self.size_max).unwrap_or(usize::MAX).saturating_sub(head.len() + 1);
        let line = &rejection.line[..rejection.line.len().min(room)];
        let size = (head.len() + line.len() + 1) as u64;
        let result = self.append_entry(&[head.as_bytes(), line, b"\n"].concat(), size);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn append_entry(&mut self, entry: &[u8], size: u64) -> io::Result<()> {
        let (file, used) = match self.open.take() {
            Some(open) => open,
            None => self.open_file()?,
        };
        let (mut file, used) = if used > 0 && used + size > self.size_max { self.rotate(file)? } else { (file, used) };
        file.write_all(entry)?;
        self.open = Some((file, used + size));
        Ok(())
    }

    fn open_file(&self) -> io::Result<(File, u64)> {
        if self.path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is there and is no regular file"));
        }
        let mut options = OpenOptions::new();
        options.append(true).mode(0o600);
        let file = match options.clone().create_new(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.create(true).open(&self.path)?,
            made => made.inspect(|file| self.give_away(file))?,
        };
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    /// What root made in a directory of somebody else (`spool drain`) must be theirs: they go on writing to it.
    fn give_away(&self, file: &File) {
        let directory = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()).and_then(|directory| directory.metadata().ok());
        let by_root = file.metadata().is_ok_and(|file| file.uid() == 0);
        if let Some(directory) = directory.filter(|directory| by_root && directory.uid() != 0) {
            // Root of a container may lack the right; then it is root's.
            _ = fchown(file, Some(directory.uid()), Some(directory.gid()));
        }
    }

    fn rotate(&self, file: File) -> io::Result<(File, u64)> {
        drop(file);
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        std::fs::rename(&self.path, old)?;
        self.open_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Level;
    use crate::counters::RejectReason;
    use crate::log::Hold;
    use crate::log::tests::Sink;
    use std::os::unix::fs::PermissionsExt;

    fn now(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), wall: Duration::from_secs(1_800_000_000) }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("kinegraf-rejects-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn rejection(line: &[u8]) -> Rejection<'_> {
        Rejection { reason: RejectReason::MissingFields, column: 5, line }
    }

    #[test]
    fn one_bad_line_a_minute_is_shown_escaped_and_cut_and_the_others_counted() {
        let sink = Sink::default();
        let mut rejects = Rejects::new(Log::new(Level::Warn, Hold::No, Box::new(sink.clone())), None);
        let long = [b"cpu\x1b\n".as_slice(), &[b'x'; 5000]].concat();
        for second in 0..=60 {
            rejects.add(now(second), &rejection(&long));
        }
        let lines: Vec<String> = sink.text().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("kinegraf: warning: line rejected: missing_fields at column 5: \"cpu\\x1b\\nxxx"), "{}", lines[0]);
        assert!(lines[0].len() < 350);
        assert!(lines[1].ends_with("(59 more since the last one shown)"), "{}", lines[1]);
    }

    #[test]
    fn the_rejected_file_is_private_bounded_and_rotated_once() {
        let folder = folder("file");
        let path = folder.join("rejected");
        let log = Log::new(Level::Error, Hold::No, Box::new(Sink::default()));
        let mut rejects = Rejects::new(log, Some((path.clone(), 1000)));
        for i in 0..100 {
            rejects.add(now(0), &rejection(format!("bad line {i}").as_bytes()));
        }
        rejects.add(now(0), &rejection(&[b'y'; 5000]));
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        for name in ["rejected", "rejected.1"] {
            let found = std::fs::metadata(folder.join(name)).unwrap();
            assert!(found.len() <= 1000);
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
        }
        let old = std::fs::read_to_string(folder.join("rejected.1")).unwrap();
        assert!(old.contains("# 2027-01-15T08:00:00Z missing_fields column 5\nbad line 99\n"), "{old}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_said_once_and_stops_nothing() {
        let sink = Sink::default();
        let log = Log::new(Level::Error, Hold::No, Box::new(sink.clone()));
        let mut rejects = Rejects::new(log, Some((PathBuf::from("/nowhere/rejected"), 1000)));
        (0..10).for_each(|_| rejects.add(now(0), &rejection(b"bad")));
        assert_eq!(sink.text().lines().count(), 1);
        assert!(sink.text().contains("/nowhere/rejected"));
    }
}
