//! Lines from Unix sockets: many senders at once, none of whom holds up another, and a stop that takes what was written.

use super::sockets_common::{Place, assert_comes, send, stop, stored};
use super::support::{Options, Server};

#[test]
fn two_clients_and_a_datagram_sender_are_served_at_once() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
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
    assert!(finished.stderr.contains("a client came: pid"), "{}", finished.stderr);
    assert!(!place.stream().exists() && !place.datagrams().exists());
}
