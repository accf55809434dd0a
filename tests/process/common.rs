//! What the tests of this crate share: the program, the two tempers (quick and full), lines with a key of their own, and who holds whom to account.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use super::support::process::Finished;
use super::support::{Program, STREAM, Server, lines};

/// What a limit of time may be exceeded by where nobody measures: the machine may be building something else.
const GENEROUS: Duration = Duration::from_secs(15);
/// What the design allows beyond a limit.
const TIGHT: Duration = Duration::from_millis(500);

/// The program as it was built, or the one that `KINEGRAF_BIN` names.
pub(crate) fn kinegraf() -> Program {
    Program::new(env!("CARGO_BIN_EXE_kinegraf"))
}

/// The program, pointed at the usual stream of `server` with a good key; each line's key is its `host`.
pub(crate) fn to(server: &Server) -> Program {
    kinegraf().to(server, STREAM).args(["--partition", "tag=host"])
}

/// A limit of time for the program: `natively` with this machine's own build, and as many times longer as the program takes to start that `KINEGRAF_BIN` names.
/// An emulated one does ten times less in a second, and a limit is to fall where it falls natively.
pub(crate) fn at_pace(natively: Duration) -> Duration {
    static PACE: OnceLock<u32> = OnceLock::new();
    let pace = PACE.get_or_init(|| {
        let fastest = |program: fn() -> Program| (0..5).map(|_| program().args(["--version"]).run().assert_code(0).time).min().unwrap();
        let (native, named) = (|| Program::exactly(env!("CARGO_BIN_EXE_kinegraf")), kinegraf);
        if std::env::var_os("KINEGRAF_BIN").is_none() {
            return 1;
        }
        u32::try_from(fastest(named).as_millis() / fastest(native).as_millis().max(1)).unwrap().clamp(1, 50)
    });
    natively * *pace
}

/// The same as an option takes it.
pub(crate) fn ms_at_pace(natively_ms: u64) -> String {
    format!("{}ms", at_pace(Duration::from_millis(natively_ms)).as_millis())
}

/// Whether an emulator runs the program (`KINEGRAF_EMULATED=1`), so that what the process holds is the emulator's for the most part.
pub(crate) fn is_emulated() -> bool {
    std::env::var_os("KINEGRAF_EMULATED").is_some_and(|value| value == "1")
}

/// Whether everything is to be run and timed (`KINEGRAF_FULL=1`).
pub(crate) fn is_full() -> bool {
    std::env::var_os("KINEGRAF_FULL").is_some_and(|value| value == "1")
}

/// Asserts that a run took no longer than `limit` and the half second that the design allows; where nobody measures, much more is let pass.
pub(crate) fn assert_within(finished: &Finished, limit: Duration) {
    let allowed = limit + if is_full() { TIGHT } else { GENEROUS };
    assert!(finished.time <= allowed, "it took {:?}, the limit was {limit:?}; it said:\n{}", finished.time, finished.stderr);
}

/// Asserts that the first line on stderr is the reason: ours, at most 500 bytes of printable ASCII, with each of `words` in it.
pub(crate) fn assert_reason(finished: &Finished, words: &[&str]) {
    let line = finished.first_line();
    assert!(line.len() <= 500 && line.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "no line of 500 bytes of ASCII: {line}");
    assert!(line.starts_with("kinegraf: ") && !line.starts_with("kinegraf: warning"), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in the first line: {}", finished.stderr);
    }
}

/// The `host` tag of a generated line.
pub(crate) fn host_of(line: &[u8]) -> &str {
    let text = std::str::from_utf8(line).unwrap();
    let rest = text.split_once(",host=").map_or("", |(_, rest)| rest);
    &rest[..rest.find([',', ' ']).unwrap_or(rest.len())]
}

/// Asserts that every line is stored byte for byte under the key that `key_of` gives, one line a record, and nothing else is. Answers the duplicates.
pub(crate) fn assert_stored_under_keys<L: AsRef<[u8]>>(server: &Server, sent: &[L], key_of: impl Fn(&[u8]) -> String) -> usize {
    let mut stored: BTreeMap<(String, Vec<u8>), usize> = BTreeMap::new();
    for record in server.records(STREAM) {
        *stored.entry((record.key.to_string(), record.data.to_vec())).or_default() += 1;
    }
    let mut duplicates = 0;
    for line in sent {
        let line = line.as_ref();
        let found = stored.remove(&(key_of(line), [line, b"\n"].concat()));
        let found = found.unwrap_or_else(|| panic!("not stored under {:?}: {}", key_of(line), String::from_utf8_lossy(line)));
        duplicates += found - 1;
    }
    assert!(stored.is_empty(), "{} records nobody sent, the first: {:?}", stored.len(), stored.keys().next());
    duplicates
}

/// A few generated lines, as bytes on stdin.
pub(crate) fn input(count: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let lines = lines::telegraf(7, count);
    let bytes = lines::joined(&lines);
    (lines, bytes)
}

/// A number of the summary that `-v` prints, by the words behind it: `12 lines accepted`.
pub(crate) fn summed(finished: &Finished, words: &str) -> u64 {
    let found = finished.stderr.match_indices(words).find_map(|(at, _)| {
        let before = finished.stderr[..at].trim_end();
        before[before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |i| i + 1)..].parse().ok()
    });
    found.unwrap_or_else(|| panic!("no number of {words:?} in {}", finished.stderr))
}
