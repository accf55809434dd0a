//! The files of sockets: made with their mode and group, over a dead one only, gone at the end.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use super::common::assert_reason;
use super::sockets_common::{Place, alone, assert_comes, send, stop};
use super::spool_common::wait_until;
use super::support::{Options, Server};

#[test]
fn a_socket_file_that_nobody_listens_on_is_replaced_and_gone_after_the_end() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    drop(UnixListener::bind(place.stream()).unwrap());
    drop(std::os::unix::net::UnixDatagram::bind(place.datagrams()).unwrap());
    assert!(place.stream().exists() && place.datagrams().exists());
    let running = place.start(&server, "");
    send(&mut place.connect(), "m,host=a v=1i 1\n");
    assert_comes(&server, &running, "m,host=a v=1i 1");
    stop(running);
    assert!(!place.stream().exists() && !place.datagrams().exists());
}

#[test]
fn a_socket_that_somebody_listens_on_is_left_to_him() {
    let place = Place::new();
    let theirs = UnixListener::bind(place.stream()).unwrap();
    let finished = place.with(alone(), "").run().assert_code(74);
    assert_reason(&finished, &[&format!("unix://{}", place.stream().display()), "another process listens there", "stop it"]);
    drop(theirs);
    std::fs::remove_file(place.stream()).unwrap();
    let _theirs = std::os::unix::net::UnixDatagram::bind(place.datagrams()).unwrap();
    let finished = place.with(alone(), "").run().assert_code(74);
    assert_reason(&finished, &["unixgram://", "another process listens there"]);
    assert!(!place.stream().exists(), "the socket that was made before goes again");
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let place = Place::new();
    std::fs::write(place.stream(), "precious").unwrap();
    let finished = place.with(alone(), "").run().assert_code(74);
    assert_reason(&finished, &["what is there is no socket", "remove it, or mend 'input.listen'"]);
    assert_eq!(std::fs::read_to_string(place.stream()).unwrap(), "precious");
}

#[test]
fn a_directory_that_is_missing_is_named() {
    let place = Place::new();
    let gone = place.path("gone");
    let finished = alone().args(["--listen", &format!("unix://{}/k.sock", gone.display())]).run().assert_code(74);
    assert_reason(&finished, &[&format!("the directory {} does not exist", gone.display()), "create it"]);
}

#[test]
fn mode_and_group_are_what_the_configuration_says() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let running = place.start(&server, "");
    // The second socket comes after the first.
    assert!(wait_until(|| place.datagrams().exists()), "{}", running.stderr());
    assert_eq!(std::fs::metadata(place.stream()).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(std::fs::metadata(place.datagrams()).unwrap().permissions().mode() & 0o777, 0o660);
    stop(running);
    let group = std::fs::metadata(place.path("kinegraf.toml")).unwrap().gid();
    let running = place.start(&server, &format!("socket_mode = \"0622\"\nsocket_group = \"{group}\"\n"));
    let found = std::fs::metadata(place.stream()).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.gid()), (0o622, group));
    stop(running);
}

#[test]
fn a_group_that_does_not_exist_is_a_reason_not_to_listen() {
    let place = Place::new();
    for group in ["no-such-group", "4294967295", "-1"] {
        let finished = place.with(alone(), &format!("socket_group = \"{group}\"\n")).run().assert_code(74);
        assert_reason(&finished, &[&format!("there is no group '{group}'"), "input.socket_group"]);
        assert!(!place.stream().exists());
    }
}

#[test]
fn the_file_of_whoever_listens_now_is_not_removed_at_the_end() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let running = place.start(&server, "");
    std::fs::remove_file(place.stream()).unwrap();
    let _theirs = UnixListener::bind(place.stream()).unwrap();
    stop(running);
    assert!(place.stream().exists());
}
