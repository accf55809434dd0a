//! Streams that cannot be delivered to, and how the drain ends.

use kinegraf::spool::segment::StreamId;

use super::made::{now, segment_of};
use super::support::{Fault, Plan, Program, lines};
use super::{A, B, SpoolDir, broken_server, row, words};

#[test]
fn a_stream_that_fails_does_not_stop_the_next_and_its_lines_wait_on() {
    let cases = [
        (Fault::ServiceUnavailable, 75, "not delivered in time: 70 lines not delivered; last answer of stream 'stream-a'"),
        (Fault::AccessDenied, 77, "access to stream 'stream-a' in region 'us-east-1' refused: "),
    ];
    for (fault, code, reason) in cases {
        let (failing, good, spool) = (broken_server(), broken_server(), SpoolDir::new());
        let a = spool.backlog(&failing, A, 1, 70);
        let b = spool.backlog(&good, B, 2, 30);
        failing.set_plan(Plan::Always(fault));
        good.set_plan(Plan::Good);
        let finished = spool.drain(&failing, A).args(["--give-up-after", "300ms"]).run().assert_code(code);
        assert!(finished.first_line().starts_with(&format!("kinegraf: {reason}")), "{}", finished.stderr);
        let said = words(&finished);
        assert!(said.contains("0 lines delivered, 70 left\n") && said.contains(": 30 lines delivered\n"), "{said}");
        assert_eq!(good.assert_stored(B, &b), 0);
        assert_eq!((row(&spool.listed(), A).0[0].as_str(), spool.files(".segment").len()), ("70", 1));
        failing.set_plan(Plan::Good);
        spool.drain(&failing, A).run().assert_code(0);
        assert_eq!(failing.assert_stored(A, &a), 0);
    }
}

#[test]
fn a_stream_that_does_not_exist_is_named_and_the_rest_is_delivered() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, "mistyped", 1, 10);
    spool.backlog(&server, "misspelt", 2, 10);
    let sent = spool.backlog(&server, B, 3, 10);
    server.set_plan(Plan::Good);
    let finished = spool.drain(&server, A).run().assert_code(1);
    assert!(finished.first_line().contains("stream 'mis") && finished.first_line().contains("does not exist"), "{}", finished.stderr);
    assert!(finished.first_line().ends_with("; and 1 more stream failed"), "{}", finished.stderr);
    assert_eq!(server.assert_stored(B, &sent), 0);
    assert_eq!(row(&spool.listed(), "mistyped").0[0], "10");
}

#[test]
fn on_a_read_only_file_system_list_and_export_work_and_drain_says_why_it_cannot() {
    if std::env::var_os("KINEGRAF_ROOT_TESTS").is_none_or(|value| value != "1") {
        return eprintln!("skipped: as root, KINEGRAF_ROOT_TESTS=1 mounts a directory read-only");
    }
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 10);
    server.set_plan(Plan::Good);
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let read_only = |command: &str| {
        let program = Program::exactly("unshare").args(["-m", "sh", "-c", script, &spool.shown(), env!("CARGO_BIN_EXE_kinegraf"), "spool", command]);
        program.args(["--spool", &spool.shown()]).to(&server, A)
    };
    assert_eq!(row(&words(&read_only("list").run().assert_code(0)), A).0[0], "10");
    let export = Program::exactly("unshare").args(["-m", "sh", "-c", script, &spool.shown(), env!("CARGO_BIN_EXE_kinegraf"), "spool", "export"]);
    assert_eq!(export.args(["--spool", &spool.shown()]).run().assert_code(0).stdout, lines::joined(&sent));
    // What cannot be removed would be sent again by whoever comes next: nothing is sent.
    let finished = read_only("drain").run().assert_code(74);
    assert!(finished.first_line().contains("ead-only file system"), "{}", finished.stderr);
    assert!(server.records(A).is_empty());
}

#[test]
fn a_deadline_limits_all_of_it() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 10);
    spool.backlog(&server, B, 2, 10);
    let finished = spool.drain(&server, A).args(["--deadline", "700ms"]).run().assert_code(75);
    assert!(finished.time.as_secs() < 10, "{:?}", finished.time);
    assert_eq!(words(&finished).matches("0 lines delivered, 10 left").count(), 2, "{}", words(&finished));
    assert_eq!(row(&spool.listed(), B).0[0], "10");
}

#[test]
fn a_header_that_names_no_place_to_send_to_is_told_with_what_to_do() {
    let server = broken_server();
    server.set_plan(Plan::Good);
    let exposed = "http://192.0.2.1/";
    for (region, url, reason) in [
        ("nowhere", None, "a region that there is not"),
        ("us-east-1", Some(exposed), "plain http on another host, which needs network.allow_plain_http"),
        ("us-east-1", Some("ftp://host/"), "has no scheme"),
    ] {
        let spool = SpoolDir::new();
        let stream = StreamId::new(region, "old", url).unwrap();
        spool.put(&stream, 0, &segment_of(&stream, 0, 2, now()));
        let finished = spool.drain(&server, A).run().assert_code(78);
        let line = finished.first_line();
        assert!(line.contains(reason) && line.ends_with("--to-configured sends its lines to the configured stream"), "{line}");
        assert_eq!(row(&spool.listed(), "old").0[0], "4");
        spool.drain(&server, A).args(["--to-configured"]).run().assert_code(0);
    }
    assert_eq!(server.stored_lines(A).len(), 12);
}

#[test]
fn without_credentials_nothing_is_lost_and_the_code_is_77() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    spool.backlog(&server, A, 1, 5);
    server.set_plan(Plan::Good);
    let finished = spool.command("drain").run().assert_code(77);
    assert!(finished.first_line().starts_with("kinegraf: no credentials for stream 'stream-a'"), "{}", finished.stderr);
    assert_eq!(row(&spool.listed(), A).0[0], "5");
}

#[test]
fn files_of_a_later_version_and_files_set_aside_stay_where_they_are() {
    let (server, spool) = (broken_server(), SpoolDir::new());
    let sent = spool.backlog(&server, A, 1, 5);
    server.set_plan(Plan::Good);
    let stream = StreamId::new("us-east-1", A, Some(&format!("{}/", server.url()))).unwrap();
    let kept = [spool.put_version(&stream, 0x1000, 7), spool.put_aside(&stream, 0x2000, 3)];
    spool.drain(&server, A).run().assert_code(0);
    assert_eq!(server.assert_stored(A, &sent), 0);
    assert!(kept.iter().all(|path| path.exists()));
    assert_eq!(words(&spool.drain(&server, A).run().assert_code(0)), "nothing waits\n");
}
