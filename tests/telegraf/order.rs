//! Which of the two starts first.

use std::time::Duration;

use super::pairing::{Pairing, Rig};
use super::telegraf::find;

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
