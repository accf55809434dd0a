//! Nasty lines: delivered byte for byte, or rejected one by one with the reason and kept in a file that only the owner reads.

use std::os::unix::fs::PermissionsExt;

use super::common::{summed, to};
use super::support::{Options, Program, STREAM, Server, TempDir, lines};

/// The program with a `rejected` file.
fn with_rejected(program: Program, dir: &TempDir, more: &str) -> Program {
    let text = format!("[input]\nrejected = \"{}\"\n{more}", dir.path().join("rejected").display());
    program.args(["--config"]).args([dir.file("kinegraf.toml", text)])
}

/// The entries of the rejected file: reason and column, and the line.
fn rejected(dir: &TempDir) -> Vec<(String, String)> {
    let Ok(text) = std::fs::read(dir.path().join("rejected")) else { return Vec::new() };
    let text = String::from_utf8(text).unwrap();
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        match words.as_slice() {
            ["#", time, reason, "column", column] if time.ends_with('Z') => entries.push((format!("{reason} {column}"), String::new())),
            _ => entries.last_mut().unwrap().1.push_str(line),
        }
    }
    entries.into_iter().map(|(reason, line)| (reason, line.strip_suffix('\n').unwrap().to_owned())).collect()
}

#[test]
fn nasty_lines_are_delivered_byte_for_byte_or_rejected_one_by_one_with_the_reason() {
    let (good, bad) = (lines::nasty_good(), lines::nasty_bad());
    // A bad one behind every good one, with blank lines, comments and CRLF between them.
    let mut text = b"\n\r\n  \n# a comment with \"quotes and = signs\n\t# another\n".to_vec();
    for (i, line) in good.iter().enumerate() {
        text.extend_from_slice(line);
        text.extend_from_slice(if i % 2 == 0 { b"\r\n" } else { b"\n" });
        text.extend_from_slice(&bad[i % bad.len()]);
        text.push(b'\n');
    }
    for pack in ["metric", "lines"] {
        let (server, dir) = (Server::start(Options::default()), TempDir::new());
        let program = with_rejected(to(&server).args(["-v", "--pack", pack]), &dir, "");
        let finished = program.stdin(text.clone()).run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &good), 0);
        let kept = rejected(&dir);
        let lines: Vec<&[u8]> = kept.iter().map(|(_, line)| line.as_bytes()).collect();
        assert_eq!(lines, (0..good.len()).map(|i| bad[i % bad.len()].as_slice()).collect::<Vec<_>>(), "as they came, in their order");
        let reasons: Vec<&str> = kept.iter().take(bad.len()).map(|(reason, _)| reason.as_str()).collect();
        let expected = [
            "missing_fields 9",
            "missing_fields 16",
            "missing_field_value 18",
            "missing_tag_value 12",
            "invalid_field_value 21",
            "invalid_timestamp 22",
            "missing_measurement 1",
            "trailing_text 13",
            "invalid_field_value 8",
        ];
        assert_eq!(reasons, expected);
        assert_eq!(std::fs::metadata(dir.path().join("rejected")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!((summed(&finished, "lines accepted"), summed(&finished, "lines rejected")), (good.len() as u64, good.len() as u64));
        assert_eq!(summed(&finished, "blank lines and comments"), 5);
        assert_eq!(finished.stderr.matches("warning: line rejected").count(), 1, "one sample a minute: {}", finished.stderr);
    }
}

#[test]
fn an_over_long_line_is_skipped_to_its_end_and_its_beginning_kept() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let good = [lines::of_size(1, 131_072), lines::of_size(2, 100), b"after,host=a v=1 3".to_vec()];
    let long = lines::of_size(4, 131_073);
    let endless = [b"endless,host=a v=".as_slice(), &b"9".repeat(3 << 20)].concat();
    let text = lines::joined(&[&good[0], &long, &good[1], &endless, &good[2]]);
    let finished = with_rejected(to(&server).args(["-v"]), &dir, "").stdin(text).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &good), 0);
    let kept = rejected(&dir);
    assert_eq!(
        kept.iter().map(|(reason, line)| (reason.as_str(), line.len())).collect::<Vec<_>>(),
        [("too_long 1", 131_072), ("too_long 1", 131_072)]
    );
    assert!(long.starts_with(kept[0].1.as_bytes()) && finished.stderr.contains("too_long 2"), "{}", finished.stderr);
}

#[test]
fn an_unterminated_string_costs_its_own_line_and_no_other() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    // Lines without quotes behind it, so that nothing closes the string; no field of theirs is a string.
    let numbers: Vec<Vec<u8>> = (0..3000).map(|i| format!("n,host=a v={i}i {i}").into_bytes()).collect();
    let text = [b"open,host=a text=\"never closed 1\n".to_vec(), lines::joined(&numbers)].concat();
    with_rejected(to(&server), &dir, "").stdin(text).run().assert_code(0);
    server.assert_stored(STREAM, &numbers);
    assert_eq!(rejected(&dir), [("unterminated_string 1".to_owned(), "open,host=a text=\"never closed 1".to_owned())]);
}

#[test]
fn a_tail_without_a_newline_is_taken_from_a_regular_file_and_rejected_from_a_pipe() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let text = "m,host=a v=1 1\nm,host=a v=2 2";
    to(&server).stdin_file(dir.file("lines", text)).run().assert_code(0);
    assert_eq!(server.stored_lines(STREAM), [b"m,host=a v=1 1".to_vec(), b"m,host=a v=2 2".to_vec()]);
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let finished = with_rejected(to(&server), &dir, "").stdin(text).run().assert_code(0);
    assert_eq!(server.stored_lines(STREAM), [b"m,host=a v=1 1".to_vec()]);
    assert_eq!(rejected(&dir), [("unterminated 1".to_owned(), "m,host=a v=2 2".to_owned())]);
    assert!(finished.stderr.contains("unterminated at column 1"), "{}", finished.stderr);
    // An open string at the end of a file is no line, wherever it comes from.
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let file = dir.file("lines", "m,host=a v=1 1\nm,host=a t=\"open\nn,host=a v=3 3\n");
    with_rejected(to(&server), &dir, "").stdin_file(file).run().assert_code(0);
    assert_eq!(server.stored_lines(STREAM), [b"m,host=a v=1 1".to_vec(), b"n,host=a v=3 3".to_vec()]);
    assert_eq!(rejected(&dir), [("unterminated_string 1".to_owned(), "m,host=a t=\"open".to_owned())]);
}

#[test]
fn a_line_that_cannot_fit_a_record_is_rejected_as_too_large_to_the_byte() {
    // The key `edge-00` and the newline count.
    for (pack, size) in [("metric", 2048), ("lines", 2048)] {
        let (server, dir) = (Server::start(Options::default()), TempDir::new());
        let fits = lines::of_size(1, size - "edge-00".len() - 1);
        let large = lines::of_size(2, size - "edge-00".len());
        let last = lines::of_size(3, 200);
        let program = with_rejected(to(&server).args(["--pack", pack]), &dir, &format!("[delivery]\nrecord_size = {size}\n"));
        program.stdin(lines::joined(&[&fits, &large, &last])).run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &[&fits, &last]), 0);
        assert_eq!(rejected(&dir), [("too_large 1".to_owned(), String::from_utf8(large).unwrap())]);
        assert!(server.records(STREAM).iter().all(|record| record.data.len() + record.key.len() <= size));
    }
}

#[test]
fn requests_are_filled_to_the_byte_and_never_over() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let lines: Vec<Vec<u8>> = (0..40).map(|i| lines::of_size(i, 1_024 - "edge-00".len() - 1)).collect();
    let config = dir.file("kinegraf.toml", "[delivery]\nrequest_size = \"8KiB\"\n[input]\nline_size = 4096\n");
    to(&server).args(["--config"]).args([config]).stdin(lines::joined(&lines)).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    let sizes: Vec<usize> = server.exchanges().iter().map(|e| e.records.iter().map(|r| r.data.len() + r.key.len()).sum()).collect();
    assert_eq!(sizes, [8192; 5]);
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let mut text = b"m,host=a v=1 1\n".to_vec();
    // Every byte, then a pseudo-random heap of them, then NULs as a file has after a power cut, then a good line.
    text.extend(0..=255u8);
    text.push(b'\n');
    text.extend((0..300_000u64).map(|i| (super::support::mix(i) & 0xff) as u8).map(|byte| if byte == b'"' { b'x' } else { byte }));
    text.push(b'\n');
    text.extend(vec![0; 200_000]);
    text.extend_from_slice(b"m,host=a v=2 2\n");
    let finished = with_rejected(to(&server).args(["-v"]), &dir, "").stdin(text).run().assert_code(0);
    let stored = server.stored_lines(STREAM);
    // What of the NULs stands before the good line goes with it; what stands before that was let go.
    assert!(stored.first().unwrap() == b"m,host=a v=1 1" && stored.last().unwrap().ends_with(b"\0m,host=a v=2 2"));
    assert!(finished.stderr.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b) || b >= 0x80), "{:?}", finished.stderr);
}

#[test]
fn the_rejected_file_is_bounded_and_one_that_cannot_be_written_stops_nothing() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let text = [b"no fields here\n".repeat(5000), b"m,host=a v=1 1\n".to_vec()].concat();
    with_rejected(to(&server), &dir, "rejected_size = \"64KiB\"\n").stdin(text.clone()).run().assert_code(0);
    for name in ["rejected", "rejected.1"] {
        let found = std::fs::metadata(dir.path().join(name)).unwrap();
        assert!(found.len() <= 65_536 && found.permissions().mode() & 0o777 == 0o600);
    }
    let dir = TempDir::new();
    std::fs::create_dir(dir.path().join("rejected")).unwrap();
    let finished = with_rejected(to(&server), &dir, "").stdin(text).run().assert_code(0);
    assert_eq!(finished.stderr.matches("rejected lines cannot be kept").count(), 1, "{}", finished.stderr);
    assert_eq!(server.records(STREAM).len(), 2);
}
