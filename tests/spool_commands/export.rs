//! Lines on standard output.

use std::io::Read;
use std::process::{Command, Stdio};

use kinegraf::spool::block::Position;
use kinegraf::spool::cursor::Cursor;

use super::made::{flip, lines_of, name, now, segment_of, stream};
use super::support::lines;
use super::{A, B, SpoolDir, broken_server, words};

fn lines_from(positions: impl IntoIterator<Item = u64>) -> String {
    positions.into_iter().map(lines_of).collect()
}

#[test]
fn export_prints_every_line_that_waits_in_the_order_of_its_arrival() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    // Enough for several packed segments.
    let a = spool.backlog(&server, A, 1, 30_000);
    let more = spool.backlog(&server, A, 2, 10);
    let b = spool.backlog(&server, B, 3, 10);
    assert!(spool.files(".segment").len() > 3, "{:?}", spool.files(".segment"));
    let (a, b) = ([lines::joined(&a), lines::joined(&more)].concat(), lines::joined(&b));
    assert!(spool.exported() == [a.clone(), b.clone()].concat());
    let only = |stream: &str| spool.command("export").args(["--destination", stream]).run().assert_code(0).stdout;
    assert!(only(A) == a && only(B) == b);
    assert_eq!(only("stream-c"), b"");
}

#[test]
fn what_the_cursor_calls_delivered_is_left_out_unless_it_is_asked_for() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, 10, &segment_of(&one, 10, 6, now()));
    spool.write_cursor(&one, Cursor { sequence: 1, acknowledged: Position(13), ..Cursor::default() });
    assert_eq!(String::from_utf8(spool.exported()).unwrap(), lines_from(13..16));
    assert_eq!(words(&spool.command("export").args([name(&one, 10)]).run().assert_code(0)), lines_from(13..16));
    assert_eq!(words(&spool.command("export").args(["--all"]).run().assert_code(0)), lines_from(10..16));
}

#[test]
fn a_damaged_block_costs_its_own_lines_and_is_told() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    let path = spool.put(&one, 10, &segment_of(&one, 10, 4, now()));
    spool.put(&one, 14, &segment_of(&one, 14, 1, now()));
    flip(&path, segment_of(&one, 10, 2, now()).len() - 1);
    let finished = spool.command("export").run().assert_code(74);
    assert_eq!(words(&finished), lines_from([10, 12, 13, 14]));
    assert_eq!(finished.first_line(), "kinegraf: 1 file of 2 could not be read whole; 8 lines were printed");
    let warning = format!("kinegraf: warning: {}: 2 lines left out, the checksums of their blocks are wrong", path.display());
    assert_eq!(finished.stderr.lines().nth(1), Some(warning.as_str()));
    // A header that cannot be says nothing about where the next block begins.
    flip(&path, segment_of(&one, 10, 1, now()).len() + 15);
    assert_eq!(words(&spool.command("export").run().assert_code(74)), lines_from([10, 14]));
}

#[test]
fn a_torn_tail_is_told_and_no_failure_since_it_may_be_being_written() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    let whole = segment_of(&one, 10, 3, now());
    spool.put(&one, 10, &whole[..whole.len() - 1]);
    let finished = spool.command("export").run().assert_code(0);
    assert_eq!(words(&finished), lines_from(10..12));
    assert!(finished.stderr.ends_with("it ends within a block\n"), "{}", finished.stderr);
}

#[test]
fn what_was_set_aside_is_printed_when_it_is_named_and_a_later_version_cannot_be() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    let aside = spool.put_aside(&one, 10, 3);
    // The cursor has gone on without it.
    spool.write_cursor(&one, Cursor { sequence: 1, acknowledged: Position(20), ..Cursor::default() });
    assert_eq!(spool.exported(), b"");
    let file = aside.file_name().unwrap();
    for arguments in [[file], ["--all".as_ref()]] {
        assert_eq!(words(&spool.command("export").args(arguments).run().assert_code(74)), lines_from([10, 12]));
    }
    let later = spool.put_version(&one, 30, 2);
    let finished = spool.command("export").run().assert_code(74);
    assert!(finished.stderr.ends_with(&format!("{}: it has version 2, this program knows 1\n", later.display())), "{}", finished.stderr);
}

#[test]
fn a_file_that_is_not_there_is_a_failure_and_a_path_is_no_name() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, 10, &segment_of(&one, 10, 1, now()));
    let finished = spool.command("export").args([name(&one, 10), name(&one, 11)]).run().assert_code(74);
    assert!(finished.stdout.is_empty() && finished.first_line().contains(&name(&one, 11)), "{}", finished.stderr);
    spool.command("export").args(["../spool/lock"]).run().assert_code(64);
    spool.command("export").args(["lock"]).run().assert_code(74);
}

#[test]
fn a_reader_who_leaves_is_a_quiet_end_and_one_who_cannot_take_it_is_not() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 20_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_kinegraf"));
    child.args(["spool", "export", "--spool", &spool.shown()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut first = [0; 20];
    // What was taken is dropped, and the pipe with it.
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kinegraf")).args(["spool", "export", "--spool", &spool.shown()]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("kinegraf: writing the lines to standard output failed: No space left"));
}
