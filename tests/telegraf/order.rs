//! Which of the two starts first, and what stops an output that writes to a socket.

use std::time::Duration;

use super::document;
use super::exec::wait_for;
use super::pairing::{Pairing, Rig};
use super::telegraf::{Agent, find, quoted};

const AGENT: &str = "flush_interval = \"1s\"\nround_interval = false";

/// Telegraf first, the daemon three seconds later.
fn telegraf_first(pairing: Pairing) -> Option<String> {
    let mut rig = Rig::new(find()?, pairing, AGENT, "");
    rig.start_telegraf();
    rig.produce(200, Duration::from_secs(3));
    rig.wait_until_gathered();
    assert!(rig.delivered().0.is_empty());
    rig.start_daemon();
    rig.produce(200, Duration::from_secs(1));
    rig.wait_until_gathered();
    rig.settle(Duration::from_secs(60));
    let said = rig.end();
    let (produced, (delivered, twice)) = (rig.produced(), rig.delivered());
    assert!(produced.is_subset(&delivered) && twice == 0, "{} of {}, {twice} twice: {said}", delivered.len(), produced.len());
    Some(said)
}

#[test]
fn telegraf_may_start_before_the_daemon_when_systemd_has_the_socket() {
    for pairing in [Pairing::Stream, Pairing::Datagrams] {
        let Some(said) = telegraf_first(pairing) else { return };
        assert!(!said.contains("E! [outputs.socket_writer]"), "{said}");
    }
}

#[test]
fn telegraf_may_start_before_the_daemon_under_exec_with_hand_off() {
    telegraf_first(Pairing::HandOff);
}

#[test]
fn a_telegraf_that_finds_no_socket_tries_once_more_after_fifteen_seconds_and_ends() {
    let Some(telegraf) = find() else { return };
    let agent = Agent::new(telegraf, AGENT).input(b"m v=1i 1\n", "data_format = \"influx\"");
    let section = document::here(document::snippet(Pairing::Stream.name()), agent.dir.path());
    let finished = agent.section(&section).once_anyhow();
    assert!(finished.code == Some(1) && finished.time > Duration::from_secs(15), "{:?} {:?}: {}", finished.code, finished.time, finished.stderr);
    assert!(finished.stderr.contains("error connecting to output \"outputs.socket_writer\""), "{}", finished.stderr);
}

#[test]
fn a_metric_larger_than_a_datagram_stops_the_output_and_a_stream_takes_or_rejects_it() {
    let Some(telegraf) = find() else { return };
    for pairing in [Pairing::Datagrams, Pairing::Stream] {
        let file = super::support::TempDir::new();
        let large = file.file("large", [b"large,host=a text=\"".as_slice(), &vec![b'x'; 400 << 10], b"\" 1\n"].concat());
        let input = format!("[[inputs.file]]\nfiles = [{}]\ninterval = \"1s\"\ndata_format = \"influx\"", quoted(large));
        let mut rig = Rig::with_inputs(telegraf, pairing, AGENT, "", &input);
        rig.start();
        let telegraf = rig.telegraf.as_mut().expect("it was started");
        if pairing == Pairing::Datagrams {
            wait_for(telegraf, "message too long");
        }
        rig.produce(100, Duration::from_secs(1));
        let sent = rig.sent;
        std::thread::sleep(Duration::from_secs(5));
        let delivered = rig.delivered().0.len();
        assert_eq!(delivered, if pairing == Pairing::Datagrams { 0 } else { sent }, "{pairing:?}");
    }
}
