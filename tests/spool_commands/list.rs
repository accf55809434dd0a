//! What a person is shown.

use std::time::Duration;

use kinegraf::spool::block::Position;
use kinegraf::spool::cursor::Cursor;
use kinegraf::spool::segment::StreamId;

use super::made::{now, segment_of, stream};
use super::support::{REGION, lines};
use super::{A, B, SpoolDir, broken_server, kinegraf, row, words};

#[test]
fn what_waits_is_listed_by_the_stream_that_it_waits_for_and_the_configured_one_comes_first() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 1500);
    spool.backlog(&server, B, 2, 7);
    let listed = words(&spool.command("list").to(&server, B).run().assert_code(0));
    let bytes: u64 = spool.files(".segment").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(listed.starts_with(&format!("{}: 1507 lines wait, {bytes} of 268435456 bytes\n", spool.shown())), "{listed}");
    let (columns, name) = row(&listed, A);
    assert_eq!((columns[0].as_str(), name), ("1500", format!("{A} in {REGION} at {}/ (stranded)", server.url())));
    let (columns, name) = row(&listed, B);
    assert_eq!((columns[0].as_str(), columns[1].as_str(), columns[4].as_str()), ("7", "1", "0..0"));
    assert_eq!(name, format!("{B} in {REGION} at {}/ (configured)", server.url()));
    assert!(listed.find(B).unwrap() < listed.find(A).unwrap(), "{listed}");
    let unnamed = spool.listed();
    assert!(row(&unnamed, A).1.ends_with("(stranded)") && row(&unnamed, B).1.ends_with("(stranded)"), "{unnamed}");
}

#[test]
fn the_readme_shows_the_table_as_it_is() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, 10, &segment_of(&one, 10, 1, now()));
    let listed = spool.listed();
    let head = listed.lines().nth(2).unwrap();
    assert!(head.ends_with(" stream") && include_str!("../../README.md").contains(&format!("\n{head}\n")), "README.md lacks {head:?}");
    let rows: Vec<&str> = include_str!("../../README.md").lines().filter(|line| line.ends_with("ed)") && line.starts_with("   ")).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.find("telem") == head.find("stream")), "{rows:?}");
}

#[test]
fn list_and_export_change_nothing() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 300);
    spool.put_aside(&stream("other"), 5, 3);
    let before = spool.snapshot();
    spool.listed();
    spool.exported();
    spool.command("export").args(["--all"]).run().assert_code(74);
    assert_eq!(spool.snapshot(), before);
}

#[test]
fn an_empty_directory_is_no_mistake_and_one_that_is_not_there_is() {
    let spool = SpoolDir::new();
    for command in ["list", "export", "drain"] {
        let finished = spool.command(command).run().assert_code(74);
        assert_eq!(finished.first_line(), format!("kinegraf: spool directory {}: there is no such directory", spool.shown()), "{command}");
        assert!(!spool.path.exists());
    }
    std::fs::create_dir(&spool.path).unwrap();
    assert_eq!(spool.listed(), format!("{}: 0 lines wait, 0 of 268435456 bytes\n", spool.shown()));
    assert_eq!(spool.exported(), b"");
    assert_eq!(words(&spool.command("drain").run().assert_code(0)), "nothing waits\n");
    assert_eq!(spool.files("").len(), 0, "nothing is made where nothing is to be done");
}

#[test]
fn without_a_directory_or_with_one_that_cannot_be_one_the_reason_is_said() {
    for command in ["list", "export", "drain"] {
        let finished = kinegraf().args(["spool", command]).run().assert_code(78);
        assert!(finished.first_line().starts_with("kinegraf: no spool directory is named: give --spool DIR"), "{}", finished.stderr);
        let spool = SpoolDir::new();
        std::fs::write(&spool.path, "a file").unwrap();
        let finished = spool.command(command).run().assert_code(74);
        assert!(finished.first_line().contains("it is no directory"), "{}", finished.stderr);
    }
    let finished = kinegraf().args(["spool", "list", "--spool", "/tmp", "--region", "no region"]).run().assert_code(64);
    assert!(finished.stderr.ends_with("kinegraf spool list --help lists the options\n"), "{}", finished.stderr);
}

#[test]
fn the_directory_and_the_stream_of_a_configuration_are_the_ones_that_are_meant() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 3);
    let temp = super::TempDir::new();
    let text = format!("streamname = \"{A}\"\nendpoint_url = \"{}\"\n[spool]\ndirectory = \"{}\"\nsize = \"2MiB\"\n", server.url(), spool.shown());
    let config = temp.file("kinegraf.toml", text);
    let finished = kinegraf().args(["spool", "list"]).env("KINEGRAF_CONFIG", &config).env("AWS_REGION", REGION).run().assert_code(0);
    let listed = words(&finished);
    assert!(listed.contains(" of 2097152 bytes\n") && row(&listed, A).1.ends_with("(configured)"), "{listed}");
    let config = temp.file("bad.toml", format!("[spool]\ndirectory = \"{}\"\nsise = 1\n", spool.shown()));
    let finished = kinegraf().args(["spool", "list", "-c"]).args([&config]).run().assert_code(78);
    assert!(finished.stderr.contains("unknown key 'sise' in [spool]"), "{}", finished.stderr);
}

#[test]
fn what_was_set_aside_and_what_a_later_version_wrote_is_listed_by_itself_and_not_counted_as_waiting() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, 100, &segment_of(&one, 100, 3, now()));
    let aside = spool.put_aside(&one, 50, 4);
    let later = spool.put_version(&one, 200, 9);
    let listed = spool.listed();
    assert_eq!(row(&listed, "one").0[..2], ["6", "1"]);
    let size = |path: &std::path::Path| path.metadata().unwrap().len();
    assert!(listed.contains(&format!("\nset aside, for spool export alone: 1 file, {} bytes\n", size(&aside))), "{listed}");
    let why = "2 readable lines, of one in us-east-1:";
    assert!(listed.contains(&format!("bytes, {why} {}: a block's checksum is wrong\n", aside.display())), "{listed}");
    assert!(listed.contains(&format!("\nof a later version: 1 file, {} bytes\n", size(&later))), "{listed}");
    assert!(listed.contains(&format!("bytes: {}: it has version 9, this program knows 1\n", later.display())), "{listed}");
    let all: u64 = spool.files("").iter().filter(|path| path.to_string_lossy().contains(".segment")).map(|path| size(path)).sum();
    assert!(listed.contains(&format!(" {all} of ")), "everything counts against the size: {listed}");
}

#[test]
fn a_cursor_says_what_was_delivered_what_was_given_up_and_when_the_next_attempt_is() {
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, 10, &segment_of(&one, 10, 6, now()));
    let next_attempt = Some(now() + Duration::from_secs(600));
    spool.write_cursor(&one, Cursor { sequence: 1, acknowledged: Position(12), next_attempt, away: false, dropped: [40, 0, 2, 0, 0, 0, 0, 0] });
    let listed = spool.listed();
    let (columns, _) = row(&listed, "one");
    assert_eq!((columns[0].as_str(), columns[4].as_str()), ("8", "12..15"), "{listed}");
    assert!(listed.contains("\none in us-east-1: the next attempt was put off until 20"), "{listed}");
    assert!(listed.contains("\none in us-east-1: 42 lines given up since the spool was made\n"), "{listed}");
}

#[test]
fn lines_of_a_clock_that_was_wrong_have_no_age() {
    for wall in [Duration::ZERO, Duration::from_secs(86_400), now() + Duration::from_secs(86_400 * 4000), Duration::from_millis(u64::MAX)] {
        let (spool, one) = (SpoolDir::new(), stream("one"));
        spool.put(&one, 0, &segment_of(&one, 0, 1, wall));
        let cursor = Cursor { sequence: u64::MAX, acknowledged: Position(0), next_attempt: Some(wall), away: false, dropped: [u64::MAX; 8] };
        spool.write_cursor(&one, cursor);
        assert_eq!(row(&spool.listed(), "one").0[3], "?", "{wall:?}");
        let json = words(&spool.command("list").args(["--json"]).run().assert_code(0));
        assert!(json.contains("\"oldest_s\":null"), "{json}");
    }
    let (spool, one) = (SpoolDir::new(), stream("one"));
    spool.put(&one, u64::MAX - 1, &segment_of(&one, u64::MAX - 1, 1, now() - Duration::from_secs(90_061)));
    let (columns, _) = row(&spool.listed(), "one");
    assert_eq!((columns[3].as_str(), columns[4].as_str()), ("1d1h", "18446744073709551614..18446744073709551614"));
}

#[test]
fn names_out_of_headers_do_nothing_to_a_terminal_and_show_no_password() {
    let spool = SpoolDir::new();
    let hostile = StreamId::new("eu\u{1b}[2J", "s\u{202e}\r\u{7}", Some("http://user:hunter2@host/")).unwrap();
    spool.put(&hostile, 0, &segment_of(&hostile, 0, 1, now()));
    let aside = StreamId::new("us-east-1", "bad\u{1b}]0;x", None).unwrap();
    spool.put_aside(&aside, 0, 3);
    for arguments in [&["list"][..], &["list", "--json"], &["drain"], &["export", "--all"], &["export", "no\u{1b}such"]] {
        let finished = spool.command(arguments[0]).args(&arguments[1..]).run();
        let said = format!("{}{}", words(&finished), finished.stderr);
        let strange = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!said.contains("hunter2") && !said.contains(strange) && !said.is_empty(), "{arguments:?}: {said:?}");
    }
    assert!(spool.listed().contains("s\\u{202e}\\u{d}\\u{7} in eu\\u{1b}[2J at *** (stranded)"), "{}", spool.listed());
}

#[test]
fn as_json_it_is_one_object_with_the_same_numbers() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 12);
    spool.put_aside(&stream("other"), 5, 3);
    let finished = spool.command("list").args(["--json"]).to(&server, A).run().assert_code(0);
    let json: serde_json::Value = serde_json::from_slice(&finished.stdout).unwrap();
    assert_eq!((&json["lines"], &json["bytes_max"]), (&12.into(), &268_435_456.into()));
    let waiting = &json["streams"][0];
    assert_eq!((&waiting["stream"], &waiting["configured"], &waiting["lines"]), (&A.into(), &true.into(), &12.into()));
    assert_eq!(waiting["endpoint_url"], format!("{}/", server.url()));
    assert!(waiting["oldest_s"].as_u64().unwrap() < 60);
    assert_eq!((&json["files"][0]["kind"], &json["files"][0]["lines"]), (&"set_aside".into(), &2.into()));
}

#[test]
fn a_directory_in_memory_is_looked_at_too_and_nothing_is_counted_twice() {
    let (spool, hot) = (SpoolDir::new(), SpoolDir::new());
    let one = stream("one");
    // Killed between settling and letting go: block 11 is in both, block 12 in memory alone, and memory's cursor is the newer one.
    spool.put(&one, 10, &segment_of(&one, 10, 2, now()));
    hot.put(&one, 11, &segment_of(&one, 11, 2, now()));
    hot.write_cursor(&one, Cursor { sequence: 1, acknowledged: Position(11), ..Cursor::default() });
    let temp = super::TempDir::new();
    let config = temp.file("kinegraf.toml", format!("[spool]\ndirectory = \"{}\"\nhot = \"{}\"\n", spool.shown(), hot.shown()));
    let command = |command: &str| kinegraf().args(["spool", command, "-c"]).args([&config]);
    let listed = words(&command("list").run().assert_code(0));
    let (columns, _) = row(&listed, "one");
    assert_eq!((columns[0].as_str(), columns[4].as_str()), ("4", "11..12"), "{listed}");
    assert!(listed.contains(&format!("\n{}: in memory", hot.shown())), "{listed}");
    let exported = words(&command("export").run().assert_code(0));
    assert_eq!(exported, [super::made::lines_of(11), super::made::lines_of(12)].concat());
    std::fs::remove_dir_all(&hot.path).unwrap();
    assert_eq!(row(&words(&command("list").run().assert_code(0)), "one").0[0], "4", "after a reboot there is none, and its cursor is gone");
    assert!(!hot.path.exists());
    assert!(!lines::split(exported.as_bytes()).is_empty());
}
