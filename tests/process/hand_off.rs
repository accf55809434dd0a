//! Batches that a short-lived process gives to a running daemon, and what it may say of them: nothing that is not so.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::common::{assert_reason, input, kinegraf, to};
use super::sockets_common::{Place, stop, stored};
use super::spool_common::wait_until;
use super::support::process::Running;
use super::support::{Fault, Options, Plan, Program, Server, lines};

pub(crate) fn forward(socket: &Path) -> Program {
    kinegraf().args(["--forward", &format!("unix://{}", socket.display())])
}

/// A daemon whose lines wait a minute for others, unless somebody waits for them.
fn daemon(place: &Place, server: &Server, more: &[&str]) -> Running {
    let running = place.with(to(server), "").args(["--flush-interval", "1m", "-v"]).args(more).start();
    place.wait_until_it_listens(&running);
    running
}

fn down() -> Server {
    Server::start(Options::plan(Plan::Always(Fault::ServiceUnavailable)))
}

fn counts(server: &Server) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    stored(server).into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
    counts
}

fn assert_each_once(server: &Server, sent: &[Vec<u8>]) {
    let found = counts(server);
    assert!(found.values().all(|count| *count == 1), "something is stored twice");
    let sent: Vec<&str> = sent.iter().map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert!(sent.iter().all(|line| found.contains_key(*line)) && found.len() == sent.len(), "{} of {}", found.len(), sent.len());
}

#[test]
fn a_batch_is_delivered_at_once_though_the_daemon_waits_for_others_and_the_answer_is_zero() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    let (sent, bytes) = input(2500);
    let finished = forward(&place.stream()).args(["-v"]).stdin(bytes).run().assert_code(0);
    // No sooner than it is so.
    assert_each_once(&server, &sent);
    assert!(finished.stderr.contains("2500 lines delivered"), "{}", finished.stderr);
    assert!(finished.time < Duration::from_secs(4), "{:?}", finished.time);
    stop(running);
}

#[test]
fn what_is_no_line_is_rejected_by_the_daemon_and_does_not_make_the_sender_offer_it_for_ever() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    let finished = forward(&place.stream()).stdin("cpu,host=a v=1 1\nno line\n").run().assert_code(0);
    assert!(finished.stderr.contains("1 lines are no line protocol"), "{}", finished.stderr);
    forward(&place.stream()).stdin("nothing but this\n").run().assert_code(0);
    forward(&place.stream()).run().assert_code(0);
    stop(running);
    assert!(place.rejected().contains("no line") && place.rejected().contains("nothing but this"));
    assert_eq!(stored(&server), ["cpu,host=a v=1 1"]);
}

#[test]
fn what_cannot_be_delivered_is_zero_once_it_is_durable_in_the_daemons_spool() {
    let (server, place) = (down(), Place::new());
    let spool = place.path("spool");
    let running = daemon(&place, &server, &["--spool", spool.to_str().unwrap()]);
    let (sent, bytes) = input(300);
    let finished = forward(&place.stream()).args(["-v"]).stdin(bytes).run().assert_code(0);
    assert!(finished.stderr.contains("300 lines kept in the daemon's spool"), "{}", finished.stderr);
    // Whatever happens to the daemon from here on.
    running.signal("KILL");
    running.wait();
    server.set_plan(Plan::Always(Fault::None));
    to(&server).args(["--spool", spool.to_str().unwrap()]).run().assert_code(0);
    assert_each_once(&server, &sent);
}

#[test]
fn without_a_spool_the_sender_keeps_its_batch_and_one_that_is_offered_again_is_taken_once() {
    let (server, place) = (down(), Place::new());
    let running = daemon(&place, &server, &[]);
    let (sent, bytes) = input(200);
    for _ in 0..3 {
        let finished = forward(&place.stream()).args(["--deadline", "1500ms"]).stdin(bytes.clone()).run().assert_code(75);
        assert_reason(&finished, &["not delivered in time", "503", "the sender keeps its lines"]);
    }
    // Telegraf offers the same lines with newer ones behind them.
    let more = lines::telegraf(99, 50);
    let longer = [bytes.clone(), lines::joined(&more)].concat();
    forward(&place.stream()).args(["--deadline", "1500ms"]).stdin(longer.clone()).run().assert_code(75);
    server.set_plan(Plan::Always(Fault::None));
    forward(&place.stream()).args(["--deadline", "30s"]).stdin(longer).run().assert_code(0);
    assert_each_once(&server, &[sent, more].concat());
    let finished = stop(running);
    assert!(finished.stderr.contains("4 batches offered again"), "{}", finished.stderr);
}

#[test]
fn a_batch_that_was_answered_and_comes_again_is_another_one() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    for _ in 0..2 {
        forward(&place.stream()).stdin("cpu,host=a v=1 1\n").run().assert_code(0);
    }
    assert_eq!(stored(&server).len(), 2);
    stop(running);
}

#[test]
fn without_a_daemon_it_is_75_at_once_and_says_what_to_look_at() {
    let place = Place::new();
    let finished = forward(&place.stream()).stdin("cpu v=1 1\n").run().assert_code(75);
    assert_reason(&finished, &["cannot connect", "is the daemon running"]);
    drop(UnixListener::bind(place.stream()).unwrap());
    let finished = forward(&place.stream()).stdin("cpu v=1 1\n").run().assert_code(75);
    assert_reason(&finished, &["nobody listens"]);
    assert!(finished.time < Duration::from_secs(3), "{:?}", finished.time);
}

#[test]
fn a_server_that_is_no_daemon_is_given_no_line_and_a_silent_one_ends_at_the_deadline() {
    let place = Place::new();
    let listener = UnixListener::bind(place.stream()).unwrap();
    let server = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
            let mut client = listener.accept().unwrap().0;
            client.write_all(answer).unwrap();
            _ = client.read_to_end(&mut seen);
        }
        String::from_utf8(seen).unwrap()
    });
    let finished = forward(&place.stream()).stdin("cpu v=1 1\n").run().assert_code(78);
    assert_reason(&finished, &["is not the stream socket of a kinegraf"]);
    let finished = forward(&place.stream()).args(["--deadline", "300ms"]).stdin("cpu v=1 1\n").run().assert_code(75);
    assert_reason(&finished, &["not delivered in time", "input.clients"]);
    assert!(finished.time >= Duration::from_millis(300));
    assert_eq!(server.join().unwrap(), "#kinegraf-forward 1\n".repeat(2));
}

#[test]
fn a_sender_that_never_ends_its_input_ends_at_the_deadline() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    let mut sender = forward(&place.stream()).args(["--deadline", "300ms"]).stdin_open().start();
    assert!(wait_until(|| sender.has_ended()));
    assert_reason(&sender.wait().assert_code(75), &["not delivered in time", "standard input has not ended"]);
    stop(running);
}

#[test]
fn a_daemon_that_dies_before_its_answer_is_75() {
    let (server, place) = (down(), Place::new());
    let running = daemon(&place, &server, &[]);
    let sender = forward(&place.stream()).args(["--deadline", "30s"]).stdin(input(10).1).start();
    assert!(wait_until(|| running.stderr().contains("503") || running.stderr().contains("a client came: pid")));
    std::thread::sleep(Duration::from_millis(300));
    running.signal("KILL");
    running.wait();
    assert_reason(&sender.wait().assert_code(75), &["went away", "the sender keeps its lines"]);
}

#[test]
fn a_daemon_that_stops_answers_those_who_wait_once_their_lines_are_durable() {
    let (server, place) = (down(), Place::new());
    let spool = place.path("spool");
    let running = daemon(&place, &server, &["--spool", spool.to_str().unwrap()]);
    let started = Instant::now();
    let sender = forward(&place.stream()).args(["--deadline", "30s"]).stdin(input(10).1).start();
    assert!(wait_until(|| server.counts().requests > 0));
    running.signal("TERM");
    sender.wait().assert_code(0);
    running.wait().assert_code(0);
    assert!(started.elapsed() < Duration::from_secs(25));
}

#[test]
fn senders_that_hand_over_and_senders_that_only_write_share_one_socket() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = place.start(&server, "clients = 3");
    let mut plain = place.connect();
    let batches: Vec<Vec<Vec<u8>>> = (0..6).map(|seed| lines::telegraf(seed, 700)).collect();
    let senders: Vec<Running> =
        batches.iter().map(|batch| forward(&place.stream()).args(["--deadline", "30s"]).stdin(lines::joined(batch)).start()).collect();
    for n in 0..100 {
        writeln!(plain, "plain,host=p v={n}i {n}").unwrap();
    }
    drop(plain);
    senders.into_iter().for_each(|sender| drop(sender.wait().assert_code(0)));
    stop(running);
    let plain: Vec<Vec<u8>> = (0..100).map(|n| format!("plain,host=p v={n}i {n}").into_bytes()).collect();
    assert_each_once(&server, &[batches.concat(), plain].concat());
}

#[test]
fn a_large_batch_is_streamed() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    let sent = lines::telegraf(3, 40_000);
    let bytes = lines::joined(&sent);
    assert!(bytes.len() > 4 << 20, "{}", bytes.len());
    forward(&place.stream()).args(["--deadline", "60s"]).stdin(bytes).run().assert_code(0);
    assert_eq!(stored(&server).len(), sent.len());
    stop(running);
}

#[test]
fn words_out_of_place_close_the_connection_and_cost_nobody_else_anything() {
    let (server, place) = (Server::start(Options::default()), Place::new());
    let running = daemon(&place, &server, &[]);
    for words in ["#kinegraf-forward 2\n", "#kinegraf-forward 1\ncpu v=1 1\n", "#kinegraf-forward 1 and more of it\n"] {
        let mut client = UnixStream::connect(place.stream()).unwrap();
        client.write_all(words.as_bytes()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "", "{words:?}");
    }
    forward(&place.stream()).stdin("cpu,host=a v=1 1\n").run().assert_code(0);
    stop(running);
    assert_eq!(stored(&server), ["cpu,host=a v=1 1"]);
}

#[test]
fn options_that_are_the_daemons_business_are_64() {
    for (arguments, words) in [
        (&["--forward", "unix:///run/k.sock", "--region", "eu-west-1"][..], "--region does not go with --forward"),
        (&["--forward", "unix:///run/k.sock", "--config", "x"], "--config does not go with --forward"),
        (&["--forward", "unix:///run/k.sock", "--dry-run"], "--dry-run does not go with --forward"),
        (&["--forward", "unixgram:///run/k.sock"], "needs the daemon's stream socket"),
        (&["--forward", "/run/k.sock"], "must be unix:///PATH"),
        (&["spool", "list", "--forward", "unix:///run/k.sock"], "--forward"),
    ] {
        assert_reason(&kinegraf().args(arguments).run().assert_code(64), &[words]);
    }
}

#[test]
fn a_full_spool_that_gives_up_its_oldest_keeps_a_batch_that_fits_and_does_not_vouch_for_one_that_does_not() {
    let (server, place) = (down(), Place::new());
    let spool = place.path("spool");
    let text = "[spool]\nsize = \"1MiB\"\nsegment_size = \"32KiB\"\nhot_size = \"128KiB\"\nmin_free = \"0%\"\n[delivery]\nrecord_size = \"8KiB\"\n";
    let text = format!("line_size = \"1KiB\"\n{text}");
    let arguments = ["--flush-interval", "1s", "-v", "--spool", spool.to_str().unwrap()];
    let running = place.with(to(&server), &text).args(arguments).start();
    place.wait_until_it_listens(&running);
    // More than there is room for, and so that packing does not help.
    let (_, much) = input(40_000);
    let finished = forward(&place.stream()).args(["--deadline", "30s"]).stdin(much).run().assert_code(75);
    assert_reason(&finished, &["asks for the batch again", "given up"]);
    let sent = lines::telegraf(77, 20);
    for _ in 0..3 {
        forward(&place.stream()).args(["--deadline", "30s"]).stdin(lines::joined(&sent)).run().assert_code(0);
    }
    running.signal("KILL");
    running.wait();
    server.set_plan(Plan::Always(Fault::None));
    to(&server).args(["--spool", spool.to_str().unwrap()]).run().assert_code(0);
    let found = counts(&server);
    assert!(sent.iter().all(|line| found.get(std::str::from_utf8(line).unwrap()) == Some(&3)), "{} lines", found.len());
}
