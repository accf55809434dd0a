//! SIGHUP reads the configuration of a run on sockets again, wholly or not at all; SIGUSR1 says the counters of any run.

use std::time::Duration;

use super::common::{kinegraf, to};
use super::sockets_common::{Place, assert_comes, listens, send, stop, stored};
use super::spool_common::wait_until;
use super::support::metadata::{CONTAINER_PATH, Metadata};
use super::support::process::Running;
use super::support::{ACCESS_KEY, Key, Options, REGION, SECRET_KEY, STREAM, Server};

/// A file that says everything but what `top` and `sections` do.
fn write(place: &Place, server: &Server, top: &str, sections: &str) {
    let (url, socket) = (server.url(), place.stream());
    let text = format!(
        "region = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{url}\"\n{top}\n[input]\nlisten = \"unix://{}\"\n\
         [packing]\nflush_interval = \"20ms\"\n{sections}\n",
        socket.display()
    );
    std::fs::write(place.path("kinegraf.toml"), text).unwrap();
}

fn keys(access_key: &str) -> String {
    format!("access_key = \"{access_key}\"\nsecret_key = \"{SECRET_KEY}\"")
}

fn start(place: &Place) -> Running {
    let running = kinegraf().args(["--config".as_ref(), place.path("kinegraf.toml").as_os_str()]).start();
    assert!(wait_until(|| listens(&place.stream())), "{}", running.stderr());
    running
}

fn wait_for(running: &Running, words: &str) {
    assert!(wait_until(|| running.stderr().contains(words)), "{words:?} was not said: {}", running.stderr());
}

#[test]
fn credentials_that_are_mended_are_used_at_once() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    write(&place, &server, &keys("AKIAWRONG"), "");
    let running = start(&place);
    send(&mut place.connect(), "waits v=1i 1\n");
    wait_for(&running, "not delivered yet");
    write(&place, &server, &keys(ACCESS_KEY), "");
    running.signal("HUP");
    // The next attempt would be up to 15 minutes away.
    assert_comes(&server, &running, "waits v=1i 1");
    wait_for(&running, "the configuration and credentials were read again; changed: access_key\n");
    stop(running);
}

#[test]
fn a_source_is_asked_again_though_what_it_gave_was_kept_for_the_next_process() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let service = Metadata::start(Key::new(ACCESS_KEY, SECRET_KEY, None));
    write(&place, &server, "", "");
    let program = kinegraf().args(["--config".as_ref(), place.path("kinegraf.toml").as_os_str()]).env("XDG_RUNTIME_DIR", place.path(""));
    let running = program.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}{CONTAINER_PATH}", service.url())).start();
    assert!(wait_until(|| listens(&place.stream())), "{}", running.stderr());
    send(&mut place.connect(), "first v=1i 1\n");
    assert_comes(&server, &running, "first v=1i 1");
    running.signal("HUP");
    wait_for(&running, "were read again");
    send(&mut place.connect(), "second v=1i 1\n");
    assert_comes(&server, &running, "second v=1i 1");
    assert_eq!(service.asked().len(), 2);
    stop(running);
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_is_explained() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    write(&place, &server, &keys(ACCESS_KEY), "");
    let running = start(&place);
    write(&place, &server, &keys("AKIAWRONG"), "[partition]\nmethod = \"measurement\"\n[spool]\nsiz = 1\n");
    running.signal("HUP");
    wait_for(&running, "unknown key 'siz'");
    wait_for(&running, "the one from before stays");
    std::fs::remove_file(place.path("kinegraf.toml")).unwrap();
    running.signal("HUP");
    wait_for(&running, "there is no such file");
    send(&mut place.connect(), "goes_on v=1i 1\n");
    assert_comes(&server, &running, "goes_on v=1i 1");
    assert_ne!(server.records(STREAM)[0].key.to_string(), "goes_on");
    stop(running);
}

#[test]
fn what_can_change_does_and_what_cannot_is_named() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    write(&place, &server, &keys(ACCESS_KEY), "");
    let running = start(&place);
    let mut client = place.connect();
    send(&mut client, "before v=1i 1\n");
    assert_comes(&server, &running, "before v=1i 1");
    write(
        &place,
        &server,
        &keys(ACCESS_KEY),
        "[partition]\nmethod = \"measurement\"\n[delivery]\nrequest_size = \"64KiB\"\n[log]\nlevel = \"info\"\n",
    );
    running.signal("HUP");
    wait_for(&running, "warning: delivery.request_size needs a restart to change");
    wait_for(&running, "changed: partition.method, log.level\n");
    // The client that was there before stays, and its lines get their keys in the new way.
    send(&mut client, "after v=1i 1\n");
    assert_comes(&server, &running, "after v=1i 1");
    let key = |line: &str| server.records(STREAM).iter().find(|record| record.data.starts_with(line.as_bytes())).unwrap().key.to_string();
    assert_eq!((key("before").len(), key("after").as_str()), (36, "after"));
    send(&mut place.connect(), "again v=1i 1\n");
    wait_for(&running, "a client came");
    stop(running);
}

/// Asks until the answer of the service has been counted.
fn assert_says_its_counters(running: &Running) {
    let says = || {
        running.signal("USR1");
        std::thread::sleep(Duration::from_millis(20));
        running.stderr().contains("1 lines accepted, 1 delivered in 1 records")
    };
    assert!(wait_until(says), "it does not say that it delivered: {}", running.stderr());
}

#[test]
fn sigusr1_says_the_counters_however_quiet_the_run_is() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    write(&place, &server, &keys(ACCESS_KEY), "[log]\nlevel = \"error\"\n");
    let running = start(&place);
    send(&mut place.connect(), "one v=1i 1\n");
    assert_comes(&server, &running, "one v=1i 1");
    assert_says_its_counters(&running);
    stop(running);
    let mut running = to(&server).args(["-q", "--flush-interval", "0s"]).stdin_open().start();
    running.write(b"two,host=a v=1i 1\n");
    assert!(wait_until(|| stored(&server).len() == 2), "{}", running.stderr());
    assert_says_its_counters(&running);
    running.close_stdin();
    running.wait().assert_code(0);
}
