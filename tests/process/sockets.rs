//! Lines from Unix sockets: many senders at once, none of whom holds up another.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::common::summed;
use super::sockets_common::{Place, assert_comes, send, stop, stored};
use super::spool_common::wait_until;
use super::support::{Options, STREAM, Server};

fn server() -> Server {
    Server::start(Options::default())
}

#[test]
fn two_clients_and_a_datagram_sender_are_served_at_once() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let (mut one, mut two, datagrams) = (place.connect(), place.connect(), place.sender());
    send(&mut one, "one,host=a v=1i 1\n");
    send(&mut two, "two,host=b v=1i 1\n");
    datagrams.send(b"three,host=c v=1i 1\nfour,host=d v=1i 1").unwrap();
    for line in ["one,host=a v=1i 1", "two,host=b v=1i 1", "three,host=c v=1i 1", "four,host=d v=1i 1"] {
        assert_comes(&server, &running, line);
    }
    let finished = stop(running);
    assert_eq!(stored(&server).len(), 4);
    assert_eq!((summed(&finished, "lines accepted"), summed(&finished, "lines rejected,")), (4, 0));
    let me = format!("a client came: pid {} uid ", std::process::id());
    assert!(finished.stderr.contains(&me), "{}", finished.stderr);
}

#[test]
fn one_client_too_many_waits_and_is_served_when_another_leaves() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "clients = 3\n");
    let mut clients: Vec<UnixStream> = (0..4).map(|_| place.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        send(client, &format!("m,host=h{n} v={n}i 1\n"));
    }
    for n in 0..3 {
        assert_comes(&server, &running, &format!("m,host=h{n} v={n}i 1"));
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(stored(&server).len(), 3, "the fourth waits");
    drop(clients.remove(1));
    assert_comes(&server, &running, "m,host=h3 v=3i 1");
    let finished = stop(running);
    let said = "warning: 3 clients are connected, further ones wait until one leaves";
    assert_eq!(finished.stderr.matches(said).count(), 1, "{}", finished.stderr);
}

#[test]
fn a_client_that_stays_silent_after_half_a_line_holds_nobody_up_and_its_line_is_whole_when_it_goes_on() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let (mut slow, mut quick) = (place.connect(), place.connect());
    send(&mut slow, "slow,host=a v=");
    for n in 0..100 {
        send(&mut quick, &format!("quick,host=b v={n}i 1\n"));
    }
    assert_comes(&server, &running, "quick,host=b v=99i 1");
    send(&mut slow, "7i 1\n");
    assert_comes(&server, &running, "slow,host=a v=7i 1");
    stop(running);
}

#[test]
fn half_a_line_of_a_client_that_leaves_is_set_aside_with_its_peer() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let mut client = place.connect();
    send(&mut client, "whole,host=a v=1i 1\nhalf,host=a v=12");
    drop(client);
    assert_comes(&server, &running, "whole,host=a v=1i 1");
    assert!(wait_until(|| place.rejected().contains("half,host=a v=12\n")), "{}", running.stderr());
    let finished = stop(running);
    let (rejected, me) = (place.rejected(), std::process::id());
    assert!(rejected.contains(&format!(" unterminated column 1 from pid {me} uid ")), "{rejected}");
    assert!(finished.stderr.contains(&format!("line rejected: unterminated at column 1 from pid {me} uid ")), "{}", finished.stderr);
    assert!(finished.stderr.contains("; 1 lines, 36 bytes, 1 lines rejected"), "{}", finished.stderr);
    assert_eq!(stored(&server).len(), 1);
}

#[test]
fn strings_with_newlines_arrive_as_they_were_in_whatever_pieces() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let (mut client, datagrams) = (place.connect(), place.sender());
    let text = "log,host=a text=\"one\ntwo, \\\"three\\\"\n\" 1\n";
    for piece in text.as_bytes().chunks(5) {
        send(&mut client, std::str::from_utf8(piece).unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    datagrams.send(text.replace("log", "gram").as_bytes()).unwrap();
    assert_comes(&server, &running, text.trim_end());
    assert_comes(&server, &running, &text.trim_end().replace("log", "gram"));
    stop(running);
}

#[test]
fn long_lines_of_three_clients_share_two_buffers() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let long = |n: usize, i: usize| format!("m{n},host=h{n} i={i}i,s=\"{}\" 1", "x".repeat(100 << 10));
    let senders: Vec<_> = (0..3)
        .map(|n| {
            let mut client = place.connect();
            std::thread::spawn(move || (0..5).for_each(|i| send(&mut client, &(long(n, i) + "\n"))))
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert!(wait_until(|| stored(&server).len() == 15), "{} came: {}", stored(&server).len(), running.stderr());
    let found = stored(&server);
    for n in 0..3 {
        let own: Vec<&String> = found.iter().filter(|line| line.starts_with(&format!("m{n},"))).collect();
        assert!(own.iter().enumerate().all(|(i, line)| **line == long(n, i)), "in their order");
    }
    let finished = stop(running);
    assert_eq!(summed(&finished, "lines rejected,"), 0);
}

#[test]
fn whoever_holds_a_buffer_for_a_long_line_and_stays_silent_loses_that_line_when_another_needs_it() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "");
    let begun = format!("m,host=bad s=\"{}", "x".repeat(50 << 10));
    let mut silent: Vec<UnixStream> = (0..2).map(|_| place.connect()).collect();
    silent.iter_mut().for_each(|client| send(client, &begun));
    std::thread::sleep(Duration::from_millis(300));
    let (mut third, started) = (place.connect(), Instant::now());
    let line = format!("m,host=good s=\"{}\" 1", "y".repeat(60 << 10));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&mut third, &(line.clone() + "\n")));
        assert_comes(&server, &running, &line);
    });
    assert!(started.elapsed() >= Duration::from_secs(5), "they had their time: {:?}", started.elapsed());
    // What ends the line that was given up is no line; the next one is.
    send(&mut silent[0], "\" 1\nm,host=bad v=1i 1\n");
    assert_comes(&server, &running, "m,host=bad v=1i 1");
    assert!(place.rejected().contains(" stalled column 1 from pid "), "{}", running.stderr());
    stop(running);
}

#[test]
fn a_flood_from_one_client_does_not_keep_another_from_being_heard() {
    let (place, server) = (Place::new(), server());
    let running = place.listening(&server, "").args(["--pack", "lines"]).start();
    place.wait_until_it_listens(&running);
    let over = Arc::new(AtomicBool::new(false));
    let flooding = {
        let (over, mut flood) = (over.clone(), place.connect());
        std::thread::spawn(move || {
            let lines = "flood,host=f v=1i 1\n".repeat(5000);
            let mut sent = 0;
            while !over.load(Ordering::SeqCst) {
                send(&mut flood, &lines);
                sent += 5000;
            }
            sent
        })
    };
    let mut quiet = place.connect();
    let mut waited = Vec::new();
    for n in 0..3 {
        let asked = Instant::now();
        let line = format!("quiet,host=q v={n}i 1\n");
        send(&mut quiet, &line);
        let came = || server.records(STREAM).iter().any(|record| *record.key == *"q" && record.data.ends_with(line.as_bytes()));
        assert!(wait_until(came), "it does not come: {}", running.stderr());
        waited.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    }
    over.store(true, Ordering::SeqCst);
    let sent: u64 = flooding.join().unwrap();
    assert!(waited.iter().all(|time| *time < Duration::from_secs(10)), "{waited:?}");
    let finished = stop(running);
    assert_eq!(summed(&finished, "lines accepted"), sent + 3);
}

#[test]
fn a_datagram_that_is_cut_is_rejected_whole_and_the_next_one_counts() {
    let (place, server) = (Place::new(), server());
    let running = place.start(&server, "line_size = \"1KiB\"\n");
    let datagrams = place.sender();
    // 64 KiB of room for reading, and what a line of this size needs.
    let large = "m,host=a v=1i 1\n".repeat(5000);
    datagrams.send(large.as_bytes()).unwrap();
    datagrams.send(b"m,host=b v=1i 1").unwrap();
    assert_comes(&server, &running, "m,host=b v=1i 1");
    let finished = stop(running);
    assert_eq!(stored(&server).len(), 1);
    assert!(finished.stderr.contains("1 lines rejected (cut_datagram 1)"), "{}", finished.stderr);
    assert!(place.rejected().contains(" cut_datagram column 1 from a datagram\n"), "{}", finished.stderr);
}

#[test]
fn standard_input_can_be_one_of_several_inputs_and_its_end_ends_nothing() {
    let (place, server) = (Place::new(), server());
    let mut running = place.listening(&server, "").args(["--listen", "stdin"]).stdin_open().start();
    place.wait_until_it_listens(&running);
    running.write(b"stdin,host=a v=1i 1\n");
    assert_comes(&server, &running, "stdin,host=a v=1i 1");
    running.close_stdin();
    let mut client = place.connect();
    send(&mut client, "socket,host=b v=1i 1\n");
    assert_comes(&server, &running, "socket,host=b v=1i 1");
    stop(running);
}
