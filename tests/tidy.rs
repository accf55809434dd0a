//! Rules of the house, written once as tests over the source text. Each ban names its replacement; each layer imports only from itself or below.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

/// What must not stand where, and what stands there instead. `allowed`: files or folders in which it may.
struct Ban {
    text: &'static str,
    allowed: &'static [&'static str],
    instead: &'static str,
}

const BANS: &[Ban] = &[
    Ban { text: "Instant::now", allowed: &["src/time.rs"], instead: "time::Clock at the edge, a Now argument in the core" },
    Ban { text: "SystemTime::now", allowed: &["src/time.rs"], instead: "time::Clock at the edge, a Now argument in the core" },
    Ban {
        text: "std::fs",
        allowed: &[
            "src/main.rs",
            "src/input/stdin.rs",
            "src/input/rejects.rs",
            "src/input/unix/bind.rs",
            "src/spool/os_disk/",
            "src/aws/http/",
            "src/aws/credentials/",
            "src/log/journal.rs",
            "src/spool/os_disk/",
            "src/commands/migrate/files.rs",
        ],
        instead: "bytes as an argument, read at an edge",
    },
    Ban {
        text: "rustix::",
        allowed: &[
            "src/main.rs",
            "src/time.rs",
            "src/aws/credentials/cache/",
            "src/aws/credentials/process.rs",
            "src/aws/credentials/asking.rs",
            "src/aws/credentials/trusted.rs",
            "src/spool/os_disk/",
            "src/input/unix/",
        ],
        instead: "std, or OsDisk",
    },
    Ban {
        text: "process::Command",
        allowed: &["src/aws/credentials/process.rs", "src/aws/credentials/asking.rs"],
        instead: "no program of others, but credential_process",
    },
    Ban { text: "ureq::", allowed: &["src/aws/http/"], instead: "aws::http::Http" },
    Ban { text: "rustls::", allowed: &["src/aws/http/"], instead: "aws::http::Http" },
    Ban { text: "aws_sigv4", allowed: &["src/aws/signer.rs"], instead: "aws::signer::sign" },
    Ban { text: "TcpStream", allowed: &["src/aws/http/"], instead: "aws::http::Http" },
    Ban { text: "UdpSocket", allowed: &["src/aws/http/"], instead: "aws::http::Http" },
    Ban { text: "ToSocketAddrs", allowed: &["src/aws/http/resolver.rs"], instead: "aws::http::Http" },
    Ban { text: "HashMap", allowed: &["src/aws/"], instead: "BTreeMap or a Vec: a hash map's order differs from run to run" },
    Ban { text: "eprintln!", allowed: &[], instead: "log::Log, which never panics on a closed stderr" },
    Ban { text: "eprint!", allowed: &[], instead: "log::Log, which never panics on a closed stderr" },
    Ban { text: "println!", allowed: &[], instead: "write to a stdout of main's, and look at the result" },
    Ban { text: "process::exit", allowed: &[], instead: "an ExitCode out of main" },
    Ban { text: "process::abort", allowed: &[], instead: "an ExitCode out of main" },
    Ban { text: "std::env", allowed: &["src/main.rs", "src/config/environment.rs"], instead: "config::Environment" },
    Ban {
        text: "thread::sleep",
        allowed: &["src/daemon/signals.rs", "src/daemon/disks.rs", "src/main.rs", "src/aws/credentials/metadata.rs", "src/aws/credentials/asking.rs"],
        instead: "a Step::Wait, or a Condvar with a timeout",
    },
    Ban { text: "thread::spawn", allowed: &[], instead: "thread::Builder in daemon/: a thread that cannot start is an error, not a panic" },
    Ban { text: "todo!(", allowed: &[], instead: "the thing itself" },
    Ban { text: "unimplemented!(", allowed: &[], instead: "the thing itself" },
    Ban { text: "RandomState", allowed: &[], instead: "random::Random, which a seed repeats" },
    Ban { text: "#[ignore", allowed: &[], instead: "a test that runs, or none" },
    // Ways to write an import that this file would not see through.
    Ban { text: "crate::{", allowed: &[], instead: "one `use crate::…` for each module" },
    Ban { text: "std::{", allowed: &[], instead: "one `use std::…` for each module" },
    Ban { text: "super::super::", allowed: &[], instead: "crate::…" },
];

/// Layer 0 knows nothing, 1 is bytes in and bytes out, 2 takes `now` and returns steps, 3 touches the world, 4 puts it together. The longest match counts.
const LAYERS: &[(&str, u8)] = &[
    ("limits", 0),
    ("time", 0),
    ("counters", 0),
    ("random", 0),
    ("planted", 0),
    ("config", 1),
    ("line", 1),
    ("input", 1),
    ("spool", 1),
    ("kinesis", 1),
    ("aws", 1),
    ("aws::message", 1),
    ("aws::partition", 1),
    ("aws::shared_config", 1),
    ("aws::signer", 1),
    ("aws::http", 3),
    ("aws::credentials", 3),
    ("cli", 1),
    ("ending", 1),
    ("kinesis::batch", 2),
    ("kinesis::backoff", 2),
    ("kinesis::bisection", 2),
    ("kinesis::size_limit", 2),
    ("record", 2),
    ("spool::census", 2),
    ("spool::cold", 2),
    ("spool::spool", 2),
    ("spool::store", 2),
    ("spool::os_disk", 3),
    ("input::composer", 2),
    ("input::intake", 2),
    ("input::rejects", 3),
    ("input::stdin", 3),
    ("input::unix", 3),
    ("pipeline", 2),
    ("log", 3),
    ("sender", 3),
    ("commands", 4),
    ("daemon", 4),
    ("memory", 4),
    ("main", 4),
    ("lib", 4),
];

#[test]
fn what_is_banned_stands_nowhere_but_where_it_belongs() {
    let mut found = Vec::new();
    for (path, text) in sources(&["src"]) {
        for ban in BANS {
            if ban.allowed.iter().any(|allowed| path.starts_with(allowed)) {
                continue;
            }
            for (number, line) in product_lines(&text).filter(|(_, line)| line.contains(ban.text)) {
                found.push(format!("{path}:{number}: {} is banned here; instead: {}\n    {}", ban.text, ban.instead, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_file_imports_from_its_own_layer_or_below() {
    let mut found = Vec::new();
    for (path, text) in sources(&["src"]) {
        let module = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let own = layer(&module).unwrap_or_else(|| panic!("{path} has no layer: add it to LAYERS in tests/tidy.rs"));
        for (number, line) in product_lines(&text) {
            if line.trim_start().starts_with("use ") && !line.contains(';') {
                found.push(format!("{path}:{number}: an import goes on in the next line; instead: two of them"));
            }
            for import in imports(line) {
                if layer(&import).is_some_and(|layer| layer > own) {
                    found.push(format!("{path}:{number}: layer {own} imports {import} of layer {}", layer(&import).unwrap()));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_layer_rule_sees_every_way_to_write_an_import_that_is_not_banned() {
    assert_eq!(imports("use crate::aws::http::Http;"), ["aws::http::Http"]);
    assert_eq!(imports("use crate::sender::{Sender, Other};"), ["sender::Sender", "sender::Other"]);
    assert_eq!(imports("    let x: crate::log::Log = crate::daemon::run();"), ["log::Log", "daemon::run"]);
    assert_eq!((layer("aws::http::agent"), layer("aws::signer"), layer("spool::spool"), layer("spool::block")), (Some(3), Some(1), Some(2), Some(1)));
}

#[test]
fn every_file_opens_with_what_it_is_for_and_stays_small() {
    let mut found = Vec::new();
    for (path, text) in sources(&["src", "tests", "examples", "benches"]) {
        if !text.trim_start_matches("#![allow(dead_code)]").trim_start().starts_with("//!") {
            found.push(format!("{path}: no //! at its head"));
        }
        if text.lines().count() > 500 {
            found.push(format!("{path}: {} lines; has it still one job?", text.lines().count()));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn nothing_names_the_machine_that_it_was_written_on() {
    let root = root();
    let banned = [["/wor", "k/"].concat(), ["/roo", "t/"].concat(), ["../shar", "ed"].concat()];
    let mut found = Vec::new();
    for path in tracked(&root) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        found.extend(banned.iter().filter(|name| text.contains(*name)).map(|name| format!("{}: {name}", path.display())));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (mut inside, mut before, mut bare) = (false, "", Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && !line.trim().is_empty() && !line.starts_with('#') && !before.starts_with('#') {
            bare.push(line);
        }
        before = line;
    }
    assert!(bare.is_empty(), "a comment above each says why it is there: {bare:?}");
}

#[test]
fn the_readmes_table_of_keys_is_the_programs() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let table = kinegraf::config::keys::markdown_table();
    assert!(readme.contains(table.trim()), "README.md lacks this table:\n{table}");
}

#[test]
fn the_readmes_limits_are_the_programs() {
    use kinegraf::limits::*;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let kib = |bytes: usize| if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) };
    for (what, limit) in [
        ("records a request", RECORDS_MAX.to_string()),
        ("bytes a request", format!("{} (at most {})", kib(REQUEST_SIZE), kib(REQUEST_SIZE_MAX))),
        ("bytes a record", format!("{} (at most {})", kib(RECORD_SIZE), kib(RECORD_SIZE_MAX))),
        ("a line", format!("{} (at most {})", kib(LINE_SIZE), kib(LINE_SIZE_MAX))),
        ("a partition key", format!("{PARTITION_KEY_UNITS_MAX} UTF-16 units")),
        ("lines waiting in memory", kib(HOT_SIZE)),
        ("an answer", kib(REPLY_SIZE_MAX)),
        ("the `rejected` file", kib(REJECTED_SIZE as usize)),
    ] {
        let row = format!("| {what} | {limit} |");
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
}

fn layer(module: &str) -> Option<u8> {
    let matches = |name: &str| module == name || module.starts_with(&format!("{name}::"));
    LAYERS.iter().filter(|(name, _)| matches(name)).max_by_key(|(name, _)| name.len()).map(|(_, layer)| *layer)
}

/// `crate::a::b` and `crate::a::{b, c}` in a line, as `a::b`, `a::c`.
fn imports(line: &str) -> Vec<String> {
    let mut imports = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let (path, group) = (rest[..end].trim_end_matches(':'), rest[end..].strip_prefix('{'));
        match group {
            Some(names) => imports.extend(names.split('}').next().unwrap().split(',').map(|name| format!("{path}::{}", name.trim()))),
            None => imports.push(path.to_owned()),
        }
    }
    imports
}

/// Lines before the tests of a file, without comments, numbered from 1.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines());
    numbered.take_while(|(_, line)| !line.starts_with("#[cfg(test)]")).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut files = Vec::new();
    folders.iter().for_each(|folder| walk(&root.join(folder), &mut files));
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut sources: Vec<_> =
        rust.map(|path| (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())).collect();
    sources.sort();
    assert!(!sources.is_empty());
    sources
}

/// Every file of the project that is text, whatever built or fetched things lie beside them.
fn tracked(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !["target", ".git", "dist"].contains(&name.as_str()) => walk(&entry.path(), &mut files),
            // In a work tree .git is a file that names its repository.
            kind if kind.is_file() && name != ".git" => files.push(entry.path()),
            _ => {}
        }
    }
    files.retain(|path| !path.to_string_lossy().contains("/fuzz/target/") && !path.to_string_lossy().contains("/fuzz/corpus/"));
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() { walk(&entry.path(), files) } else { files.push(entry.path()) }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
