//! `kinegraf spool list`: what waits for which stream, what was set aside or given up, and how full the directory is; for a person, or as one JSON object.

use std::io;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Failure, Inventory, Waiting, count, end, show_file, show_state, show_stream};
use crate::config::diagnostic::show_path;
use crate::config::value::show_duration;
use crate::config::{Config, Environment};
use crate::spool::os_disk::{FileInfo, State};
use crate::time::{BUILD_TIME, Now, Utc};

/// Prints it; a reader who leaves is a good end.
///
/// # Errors
/// No directory is configured, or it cannot be read; or nothing can be printed.
pub fn run(config: &Config, environment: &Environment, json: bool, now: Now, stdout: &mut dyn Write) -> Result<(), Failure> {
    let inventory = Inventory::look(config, environment)?;
    let text = if json { ascii_json(&as_json(&inventory, config, now)) } else { for_people(&inventory, config, now) };
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::io(format!("writing to standard output failed: {error}"))),
        _ => Ok(()),
    }
}

fn for_people(inventory: &Inventory, config: &Config, now: Now) -> String {
    let mut out = head(inventory, config);
    if !inventory.streams.is_empty() {
        out.push_str(&table(&inventory.streams, now));
    }
    let notes: String = inventory.streams.iter().map(|waiting| notes(waiting, now)).collect();
    if !notes.is_empty() {
        out.push_str(&format!("\n{notes}"));
    }
    for (title, kind) in
        [("set aside, for spool export alone", Kind::SetAside), ("of a later version", Kind::Later), ("not readable", Kind::Unreadable)]
    {
        out.push_str(&files(inventory, title, kind));
    }
    out
}

fn head(inventory: &Inventory, config: &Config) -> String {
    let lines: u64 = inventory.streams.iter().map(Waiting::lines).sum();
    let waits = if lines == 1 { "waits" } else { "wait" };
    let bound = if config.spool.directory.is_some() { format!(" of {}", config.spool.size) } else { String::new() };
    let mut out = format!("{}: {} {waits}, {}{bound} bytes\n", show_path(inventory.path(0)), count(lines, "line"), inventory.size);
    inventory.directories.iter().skip(1).for_each(|path| out.push_str(&format!("{}: in memory, counted with it\n", show_path(path))));
    out
}

/// One row a stream.
fn table(streams: &[Waiting], now: Now) -> String {
    let mut out = format!("\n{:>12} {:>8} {:>12} {:>10}  {:<15} {}\n", "lines", "segments", "bytes", "oldest", "positions", "stream");
    for waiting in streams {
        let size: u64 = waiting.files.iter().map(|(_, file)| file.size).sum();
        let (first, last) = positions(waiting);
        let positions = if first < last { format!("{first}..{}", last - 1) } else { "-".into() };
        let oldest = match oldest(waiting) {
            None => "-".into(),
            Some(at) => age(at, now).map_or("?".into(), show_age),
        };
        let kind = if waiting.is_configured { "configured" } else { "stranded" };
        out.push_str(&format!(
            "{:>12} {:>8} {size:>12} {oldest:>10}  {positions:<15} {} ({kind})\n",
            waiting.lines(),
            waiting.files.len(),
            show_stream(&waiting.stream)
        ));
    }
    out
}

/// What else there is to say of a stream.
fn notes(waiting: &Waiting, now: Now) -> String {
    let (mut out, name) = (String::new(), show_stream(&waiting.stream));
    let cursor = waiting.cursor.unwrap_or_default();
    if let Some(at) = cursor.next_attempt.filter(|at| *at > now.wall) {
        out.push_str(&format!("{name}: the next attempt was put off until {}\n", Utc(at)));
    }
    let dropped = cursor.dropped.iter().fold(0, |sum: u64, lines| sum.saturating_add(*lines));
    if dropped > 0 {
        out.push_str(&format!("{name}: {} given up since the spool was made\n", count(dropped, "line")));
    }
    let shaky = waiting.files.iter().filter(|(_, file)| matches!(file.state, State::Tail(_)));
    shaky.for_each(|(_, file)| {
        out.push_str(&format!("{name}: {} is not whole, or is being written: {}\n", file.name, show_state(file)));
    });
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    SetAside,
    Later,
    Unreadable,
}

impl Kind {
    fn of(file: &FileInfo) -> Kind {
        match file.state {
            State::SetAside(_) => Kind::SetAside,
            State::UnknownVersion(_) => Kind::Later,
            _ => Kind::Unreadable,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::SetAside => "set_aside",
            Kind::Later => "later_version",
            Kind::Unreadable => "unreadable",
        }
    }
}

fn files(inventory: &Inventory, title: &str, kind: Kind) -> String {
    let files: Vec<_> = inventory.others.iter().filter(|(_, file)| Kind::of(file) == kind).collect();
    if files.is_empty() {
        return String::new();
    }
    let size: u64 = files.iter().map(|(_, file)| file.size).sum();
    let mut out = format!("\n{title}: {}, {size} bytes\n", count(files.len() as u64, "file"));
    for (directory, file) in files {
        let lines = if file.lines > 0 { format!(", {}", count(file.lines, "readable line")) } else { String::new() };
        let stream = file.stream.as_ref().map_or(String::new(), |stream| format!(", of {}", show_stream(stream)));
        out.push_str(&format!("{:>12} bytes{lines}{stream}: {}: {}\n", file.size, show_file(inventory.path(*directory), file), show_state(file)));
    }
    out
}

/// The first position that waits, and the one behind the last.
fn positions(waiting: &Waiting) -> (u64, u64) {
    let first = waiting.files.iter().filter(|(_, file)| file.waiting > 0).map(|(_, file)| file.segment.max(file.acknowledged.0)).min();
    let last = waiting.files.iter().map(|(_, file)| end(file).0).max();
    (first.unwrap_or(0), if first.is_some() { last.unwrap_or(0) } else { 0 })
}

/// When the first line that waits was accepted.
fn oldest(waiting: &Waiting) -> Option<Duration> {
    waiting.files.iter().find_map(|(_, file)| file.oldest)
}

/// How long ago that was; None where one of the two clocks cannot have been right.
fn age(at: Duration, now: Now) -> Option<Duration> {
    now.wall.checked_sub(at).filter(|_| at >= BUILD_TIME.saturating_sub(CLOCK_BEFORE_BUILD))
}

/// A spool may be read by a later build than the one that wrote it: only a clock that is years before this one was surely wrong.
const CLOCK_BEFORE_BUILD: Duration = Duration::from_secs(10 * 365 * 86_400);

/// `3d4h`, `2h13m`, `40s`: the two largest units.
fn show_age(age: Duration) -> String {
    let seconds = age.as_secs();
    let whole = match seconds {
        86_400.. => seconds / 3600 * 3600,
        3600.. => seconds / 60 * 60,
        _ => seconds,
    };
    show_duration(Duration::from_secs(whole))
}

fn as_json(inventory: &Inventory, config: &Config, now: Now) -> Value {
    let stream = |waiting: &Waiting| {
        let (first, last) = positions(waiting);
        let cursor = waiting.cursor.unwrap_or_default();
        let seconds = |at: Duration| at.as_secs();
        json!({
            "stream": waiting.stream.stream(),
            "region": waiting.stream.region(),
            "endpoint_url": waiting.stream.endpoint_url().and_then(|url| crate::kinesis::endpoint::check_url(url).ok()),
            "configured": waiting.is_configured,
            "lines": waiting.lines(),
            "segments": waiting.files.len(),
            "bytes": waiting.files.iter().map(|(_, file)| file.size).sum::<u64>(),
            "oldest_s": oldest(waiting).and_then(|at| age(at, now)).map(seconds),
            "first_position": (first < last).then_some(first),
            "last_position": (first < last).then(|| last - 1),
            "next_attempt_s": cursor.next_attempt.map(seconds),
            "given_up": cursor.dropped.iter().fold(0, |sum: u64, lines| sum.saturating_add(*lines)),
        })
    };
    let file = |(directory, file): &(usize, FileInfo)| {
        json!({
            "path": inventory.path(*directory).join(&file.name).to_string_lossy(),
            "kind": Kind::of(file).word(),
            "bytes": file.size,
            "lines": file.lines,
            "why": show_state(file),
        })
    };
    json!({
        "directories": inventory.directories.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
        "bytes": inventory.size,
        "bytes_max": config.spool.directory.as_ref().map(|_| config.spool.size),
        "lines": inventory.streams.iter().map(Waiting::lines).sum::<u64>(),
        "streams": inventory.streams.iter().map(stream).collect::<Vec<_>>(),
        "files": inventory.others.iter().map(file).collect::<Vec<_>>(),
    })
}

/// One line. Everything but ASCII is written as JSON's `\uXXXX`: a name may hold what a terminal obeys.
fn ascii_json(value: &Value) -> String {
    let (mut out, mut units) = (String::new(), [0; 2]);
    for c in value.to_string().chars() {
        match c {
            '\x7f'.. => c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_known_only_where_both_clocks_can_have_been_right() {
        let now = Now { mono: Duration::ZERO, wall: BUILD_TIME + Duration::from_secs(100) };
        assert_eq!(age(BUILD_TIME, now), Some(Duration::from_secs(100)));
        for at in [Duration::ZERO, Duration::from_secs(86_400 * 400), now.wall + Duration::from_millis(1), Duration::from_millis(u64::MAX)] {
            assert_eq!(age(at, now), None, "{at:?}");
        }
        assert_eq!(age(BUILD_TIME, Now { wall: Duration::ZERO, ..now }), None, "our own clock is wrong");
        assert_eq!(age(BUILD_TIME - Duration::from_secs(86_400), now), Some(Duration::from_secs(86_500)));
    }

    #[test]
    fn an_age_has_its_two_largest_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m1s"), (3_661, "1h1m"), (90_061, "1d1h"), (864_000, "10d")] {
            assert_eq!(show_age(Duration::from_secs(seconds)), text);
        }
    }
}
