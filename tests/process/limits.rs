//! At the bounds: the smallest spool, the largest request, an input byte by byte, a thousand broken connections, a long idle time.

use std::time::Duration;

use super::common::{assert_stored_under_keys, host_of, input, is_full, kinegraf, summed, to};
use super::support::fault::RecordError;
use super::support::process::Running;
use super::support::{Fault, Options, Pick, Plan, Program, STREAM, Server, TempDir, lines};

fn with_config(program: Program, dir: &TempDir, text: &str) -> Program {
    program.args(["--config"]).args([dir.file("kinegraf.toml", text)])
}

/// Open file descriptors.
fn descriptors(running: &Running) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", running.pid())).map_or(0, Iterator::count)
}

/// Processor time so far, in ticks of 10 ms.
fn ticks(running: &Running) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_full_spool_does_not_wait_for_the_flush_interval() {
    // Everything that could hold lines back is as large as it may be, and the spool as small; the pipe stays open.
    let text = "[spool]\nhot_size = \"128KiB\"\n[packing]\nbuffer = \"16MiB\"\nflush_interval = \"1h\"\n[input]\nline_size = 4096\n";
    for pack in ["metric", "lines"] {
        let (server, dir) = (Server::start(Options::default()), TempDir::new());
        let lines = lines::telegraf(1, 20_000);
        let mut running = with_config(to(&server).args(["--pack", pack]), &dir, text).stdin_open().start();
        running.write(&lines::joined(&lines));
        running.close_stdin();
        running.wait().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
    }
}

#[test]
fn the_largest_requests_are_taken() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let text = "[spool]\nhot_size = \"32MiB\"\n[packing]\nbuffer = \"16MiB\"\n[input]\nline_size = \"1MiB\"\n[delivery]\nrequest_size = \"10MiB\"\n";
    let lines: Vec<Vec<u8>> = (0..24).map(|i| lines::of_size(i, (1 << 20) - "edge-00".len() - 1)).collect();
    let program = with_config(to(&server).args(["-v", "--shutdown-timeout", "60s"]), &dir, text);
    let finished = program.stdin(lines::joined(&lines)).run().assert_code(0);
    assert_eq!(assert_stored_under_keys(&server, &lines, |line| host_of(line).to_owned()), 0);
    assert_eq!((server.counts().refused.len(), summed(&finished, "requests failed")), (0, 0), "{}", finished.stderr);
    let sizes = server.exchanges().into_iter().map(|e| e.records.iter().map(|r| r.data.len() + r.key.len()).sum::<usize>());
    assert!(sizes.max().unwrap() <= 10 << 20);
}

#[test]
fn an_input_byte_by_byte_is_the_same_input() {
    let server = Server::start(Options::default());
    let lines = lines::nasty_good();
    let short: Vec<Vec<u8>> = lines.into_iter().filter(|line| line.len() < 1000).collect();
    let bytes = [b"# comment\r\n\r\n".to_vec(), lines::joined(&short)].concat();
    let program = to(&server).stdin_by(move |pipe| {
        use std::io::Write;
        bytes.iter().try_for_each(|byte| pipe.write_all(&[*byte]))
    });
    program.run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &short), 0);
}

#[test]
fn broken_connections_leave_no_descriptor_and_no_memory_behind() {
    let dir = TempDir::new();
    let plan = Plan::by(|coming| match coming.number % 3 {
        0 => Fault::CloseIdle,
        1 => Fault::FailRecords(Pick::Every(2), RecordError::Internal),
        _ => Fault::TruncateAnswer { stored: true },
    });
    let server = Server::start(Options::plan(plan));
    let text = "[delivery]\nrequest_size = \"4KiB\"\nrecord_size = \"2KiB\"\n[input]\nline_size = 1024\n";
    let lines = lines::telegraf(3, if is_full() { 40_000 } else { 2_000 });
    let file = dir.file("lines", lines::joined(&lines));
    let mut running = with_config(to(&server), &dir, text).stdin_file(file).limit(Duration::from_secs(300)).start();
    assert!(server.wait_until(Duration::from_secs(60), |counts| counts.connections >= 15));
    let (most, early) = (descriptors(&running), running.peak_rss());
    assert!(server.wait_until(Duration::from_secs(60), |counts| counts.connections >= 40));
    let (later, late) = (descriptors(&running), running.peak_rss());
    assert!(most <= 16 && later <= 16, "{most}, then {later} descriptors");
    assert!(late <= early + (256 << 10), "{early}, then {late} bytes");
    running.wait().assert_code(0);
    server.assert_stored(STREAM, &lines);
}

#[test]
fn an_idle_program_does_nothing_and_finds_its_connection_closed_without_losing_time() {
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.idle_close = Some(Duration::from_millis(200)));
    let (lines, bytes) = input(2);
    let half = lines[0].len() + 1;
    let mut running = to(&server).args(["-v", "--flush-interval", "0s"]).stdin_open().start();
    running.write(&bytes[..half]);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored == 1));
    let before = ticks(&running);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(ticks(&running) <= before + 2, "an idle program uses no processor");
    running.write(&bytes[half..]);
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.stored == 2));
    running.close_stdin();
    let finished = running.wait().assert_code(0);
    assert_eq!((server.counts().connections, summed(&finished, "requests failed"), summed(&finished, "with an unknown result")), (2, 0, 0));
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn strict_ordering_keeps_the_order_of_each_key_whatever_fails() {
    let plan = Plan::by(|coming| match coming.number % 4 {
        3 => Fault::InternalFailure,
        seed => Fault::FailRecords(Pick::Random { per_mille: 300, seed }, RecordError::Throughput),
    });
    let (server, dir) = (Server::start(Options::plan(plan)), TempDir::new());
    let lines = lines::telegraf(6, 1_500);
    let program = with_config(to(&server).args(["--shutdown-timeout", "60s"]), &dir, "[delivery]\nordering = \"strict\"\n");
    program.stdin(lines::joined(&lines)).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    server.assert_no_resend_after_ack();
    // Failed records are alone in their request: nothing newer overtakes them by more than the request they were in.
    for pair in server.exchanges().windows(2).filter(|pair| pair[0].status == 200) {
        let failed: Vec<_> = pair[0].records.iter().filter(|r| r.fate == super::support::log::Fate::Failed).map(|r| r.data.clone()).collect();
        let next: Vec<_> = pair[1].records.iter().map(|r| r.data.clone()).collect();
        assert!(failed.is_empty() || failed == next, "{} failed, {} in the next request", failed.len(), next.len());
    }
}

#[test]
fn a_program_that_was_stopped_and_continued_goes_on() {
    let server = Server::start(Options::default());
    let lines = lines::telegraf(6, 20_000);
    let running = to(&server).args(["--shutdown-timeout", "60s"]).stdin(lines::joined(&lines)).start();
    assert!(server.wait_until(Duration::from_secs(20), |counts| counts.requests >= 3));
    running.signal("STOP");
    std::thread::sleep(Duration::from_millis(700));
    running.signal("CONT");
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn keys_of_any_characters_arrive_as_they_are() {
    let server = Server::start(Options::default());
    let hosts: [(&[u8], &str); 6] = [
        (b"quote\"back\\slash", "quote\"back\\slash"),
        (b"control\x01\x1f\x7f", "control\u{1}\u{1f}\u{7f}"),
        ("\u{2028}\u{feff}\u{10ffff}".as_bytes(), "\u{2028}\u{feff}\u{10ffff}"),
        (b"no\xff\xc3utf8", "no\u{fffd}\u{fffd}utf8"),
        (b"escaped\\ \\,\\=", "escaped ,="),
        (b"nul\0inside", "nul\0inside"),
    ];
    let input: Vec<u8> = hosts.iter().flat_map(|(host, _)| [b"m,host=".as_slice(), host, b" v=1 1\n"].concat()).collect();
    kinegraf().to(&server, STREAM).args(["--partition", "tag=host"]).stdin(input.clone()).run().assert_code(0);
    let records = server.records(STREAM);
    assert_eq!(records.iter().map(|record| &*record.key).collect::<Vec<_>>(), hosts.map(|(_, key)| key));
    assert_eq!(records.iter().flat_map(|record| record.data.to_vec()).collect::<Vec<u8>>(), input);
}

#[test]
fn a_request_without_an_answer_is_given_up_after_twenty_seconds_and_sent_again_smaller() {
    if !is_full() {
        return println!("SKIPPED: takes 20 s, runs with KINEGRAF_FULL=1");
    }
    let script = vec![Fault::SilentBlackHole { read_body: true, stored: true }];
    let (server, dir) = (Server::start(Options::plan(Plan::Script(script))), TempDir::new());
    let lines = lines::telegraf(6, 500);
    let finished = to(&server).args(["-v"]).stdin_file(dir.file("lines", lines::joined(&lines))).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 500, "it was stored, which nobody said");
    assert!((20..25).contains(&finished.time.as_secs()), "{:?}", finished.time);
    let exchanges = server.exchanges();
    assert!(exchanges[1].body_size < exchanges[0].body_size * 2 / 3 && finished.stderr.contains("no progress"), "{}", finished.stderr);
}
