//! What a run on sockets tells a service manager and takes from it, and that a run on standard input does neither: under Telegraf's unit the manager is
//! Telegraf's.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::common::kinegraf;
use super::sockets_common::{Place, send, stored};
use super::spool_common::wait_until;
use super::support::{ACCESS_KEY, Fault, Options, Plan, REGION, SECRET_KEY, STREAM, Server, TempDir};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

/// In a service manager's place.
pub(crate) struct Manager {
    socket: UnixDatagram,
    pub(crate) path: PathBuf,
    heard: String,
}

impl Manager {
    pub(crate) fn new(directory: &Path) -> Manager {
        let path = directory.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Manager { socket, path, heard: String::new() }
    }

    /// Everything said so far.
    pub(crate) fn heard(&mut self) -> &str {
        let mut bytes = [0; 8192];
        while let Ok(n) = self.socket.recv(&mut bytes) {
            self.heard.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
        }
        &self.heard
    }

    fn wait_for(&mut self, words: &str) {
        let came = wait_until(|| self.heard().contains(words));
        assert!(came, "{words:?} was not said: {}", self.heard);
    }

    fn count(&mut self, words: &str) -> usize {
        self.heard().matches(words).count()
    }
}

fn offline(place: &Place, manager: &Manager) -> super::support::Program {
    let destination = ["--region", REGION, "--stream", STREAM, "--endpoint-url", NOWHERE];
    let program = kinegraf().args(destination).env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    place.with(program, "").args(["--flush-interval", "20ms"]).env("NOTIFY_SOCKET", &manager.path)
}

#[test]
fn a_manager_hears_that_it_is_ready_without_network_what_waits_and_that_it_ends() {
    let place = Place::new();
    let mut manager = Manager::new(&place.path("."));
    let running = offline(&place, &manager).start();
    manager.wait_for("READY=1\n");
    // Ready means that senders can come.
    send(&mut place.connect(), "one v=1i 1\ntwo v=2i 1\n");
    manager.wait_for("STATUS=2 lines wait, trying again: ");
    running.signal("TERM");
    manager.wait_for("STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000\n");
    manager.wait_for("STATUS=stopping; 2 lines wait, trying again: ");
    running.wait().assert_code(75);
    assert_eq!((manager.count("READY=1"), manager.count("STOPPING=1"), manager.count("WATCHDOG=1")), (1, 1, 0), "{}", manager.heard);
    assert!(manager.count("EXTEND_TIMEOUT_USEC") >= 2, "{}", manager.heard);
}

#[test]
fn the_watchdog_is_fed_while_there_is_no_network_and_not_while_the_process_stands_still() {
    let place = Place::new();
    let mut manager = Manager::new(&place.path("."));
    let running = offline(&place, &manager).env("WATCHDOG_USEC", "400000").start();
    manager.wait_for("READY=1\n");
    send(&mut place.connect(), "one v=1i 1\n");
    assert!(wait_until(|| manager.count("WATCHDOG=1") >= 5), "{}", manager.heard);
    running.signal("STOP");
    std::thread::sleep(Duration::from_millis(100));
    let fed = manager.count("WATCHDOG=1");
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(manager.count("WATCHDOG=1"), fed);
    running.signal("CONT");
    assert!(wait_until(|| manager.count("WATCHDOG=1") > fed), "{}", manager.heard);
}

#[test]
fn a_run_on_standard_input_tells_a_manager_nothing() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let mut manager = Manager::new(&place.path("."));
    let program = kinegraf().to(&server, STREAM).stdin("m v=1i 1\n");
    let program = program.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "1000");
    program.run().assert_code(0);
    assert_eq!(stored(&server), ["m v=1i 1"]);
    assert_eq!(manager.heard(), "");
}

/// Started as systemd starts it: with these sockets as files 3 and 4.
struct Activated {
    child: Child,
    _home: TempDir,
}

impl Activated {
    fn start(server: &Server, arguments: &[&str], sockets: (OwnedFd, OwnedFd)) -> Activated {
        let script = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=lines:grams exec \"$0\" \"$@\"";
        Activated::start_by(script, server, arguments, sockets)
    }

    /// Only standard input and output can be handed to a child without unsafe code; the shell moves them, and keeps its number when it becomes the program.
    fn start_by(script: &str, server: &Server, arguments: &[&str], sockets: (OwnedFd, OwnedFd)) -> Activated {
        let home = TempDir::new();
        let binary = std::env::var_os("KINEGRAF_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_kinegraf").into());
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .arg(std::path::absolute(binary).unwrap())
            .args(["--region", REGION, "--stream", STREAM, "--endpoint-url", &server.url(), "--flush-interval", "20ms"])
            .args(arguments)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)])
            .current_dir(home.path())
            .stdin(Stdio::from(sockets.0))
            .stdout(Stdio::from(sockets.1))
            .spawn();
        Activated { child: child.unwrap(), _home: home }
    }

    fn ended(&mut self) -> Option<i32> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end");
    }

    /// Processor time so far, in ticks of 10 ms.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    fn stop(&mut self) -> Option<i32> {
        assert!(Command::new("/bin/kill").arg(self.child.id().to_string()).status().unwrap().success());
        self.ended()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

#[test]
fn sockets_that_systemd_passes_are_the_input_and_what_came_before_the_start_is_read() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let (listener, datagrams) = (UnixListener::bind(place.stream()).unwrap(), UnixDatagram::bind(place.datagrams()).unwrap());
    send(&mut place.connect(), "early,by=stream v=1i 1\n");
    place.sender().send(b"early,by=datagram v=1i 1").unwrap();
    let mut activated = Activated::start(&server, &[], (listener.into(), datagrams.into()));
    assert!(wait_until(|| stored(&server).len() == 2), "{:?}", stored(&server));
    send(&mut place.connect(), "late,by=stream v=1i 1\n");
    assert!(wait_until(|| stored(&server).len() == 3), "{:?}", stored(&server));
    for number in [3, 4] {
        let info = std::fs::read_to_string(format!("/proc/{}/fdinfo/{number}", activated.child.id())).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        assert!(u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 != 0, "a child would inherit file {number}: {flags}");
    }
    assert_eq!(activated.stop(), Some(0));
    // They are systemd's, which goes on listening.
    assert!(place.stream().exists() && place.datagrams().exists());
}

#[test]
fn a_stop_that_waits_for_a_delivery_leaves_what_comes_later_on_passed_sockets_alone_and_sleeps() {
    let (place, server) = (Place::new(), Server::start(Options::plan(Plan::Always(Fault::ServiceUnavailable))));
    let (listener, datagrams) = (UnixListener::bind(place.stream()).unwrap(), UnixDatagram::bind(place.datagrams()).unwrap());
    let successor = datagrams.try_clone().unwrap();
    let mut activated = Activated::start(&server, &["--shutdown-timeout", "4s"], (listener.into(), datagrams.into()));
    let listen = format!("unix://{}", place.stream().display());
    let sender = kinegraf().args(["--forward", &listen, "--deadline", "30s"]).stdin("waits v=1i 1\n").start();
    assert!(wait_until(|| server.counts().requests > 0));
    let kill = Command::new("/bin/kill").arg(activated.child.id().to_string()).status();
    assert!(kill.unwrap().success());
    std::thread::sleep(Duration::from_millis(500));
    place.sender().send(b"late v=1i 1").unwrap();
    let before = activated.ticks();
    std::thread::sleep(Duration::from_secs(2));
    let spent = activated.ticks() - before;
    assert!(spent < 20, "it spends {spent} of 200 ticks on nothing");
    assert_eq!(activated.ended(), Some(75));
    sender.wait().assert_code(75);
    let mut bytes = [0; 100];
    let size = successor.recv(&mut bytes).unwrap();
    assert_eq!(&bytes[..size], b"late v=1i 1", "it is its successor's");
}

#[test]
fn an_address_that_systemd_passes_is_not_bound_again_and_others_are() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let (listener, datagrams) = (UnixListener::bind(place.stream()).unwrap(), UnixDatagram::bind(place.datagrams()).unwrap());
    let other = place.path("other.sock");
    let listen = [format!("unix://{}", place.stream().display()), format!("unix://{}", other.display())];
    let arguments = ["--listen", &listen[0], "--listen", &listen[1]];
    let mut activated = Activated::start(&server, &arguments, (listener.into(), datagrams.into()));
    assert!(wait_until(|| UnixStream::connect(&other).is_ok()));
    send(&mut place.connect(), "passed v=1i 1\n");
    send(&mut UnixStream::connect(&other).unwrap(), "bound v=1i 1\n");
    place.sender().send(b"passed_and_not_named v=1i 1").unwrap();
    assert!(wait_until(|| stored(&server).len() == 3), "{:?}", stored(&server));
    assert_eq!(activated.stop(), Some(0));
    assert!(place.stream().exists() && !other.exists());
}

#[test]
fn a_run_that_is_told_to_read_standard_input_leaves_passed_sockets_alone() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let (listener, datagrams) = (UnixListener::bind(place.stream()).unwrap(), UnixDatagram::bind(place.datagrams()).unwrap());
    send(&mut place.connect(), "early v=1i 1\n");
    let mut activated = Activated::start(&server, &["--listen", "stdin"], (listener.into(), datagrams.into()));
    // Its standard input is empty.
    assert_eq!(activated.ended(), Some(0));
    assert!(stored(&server).is_empty());
}

#[test]
fn a_connection_that_systemd_accepted_is_standard_input() {
    let server = Server::start(Options::default());
    let (mut sender, connection) = UnixStream::pair().unwrap();
    let script = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=connection exec \"$0\" \"$@\"";
    let output = std::fs::File::create("/dev/null").unwrap();
    let mut activated = Activated::start_by(script, &server, &[], (connection.into(), output.into()));
    send(&mut sender, "m v=1i 1\n");
    assert!(wait_until(|| stored(&server).len() == 1), "{:?}", stored(&server));
    sender.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(activated.ended(), Some(0));
}

#[test]
fn what_is_passed_and_is_no_unix_socket_is_a_mistake_of_the_configuration() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let datagrams = UnixDatagram::bind(place.datagrams()).unwrap();
    assert_eq!(Activated::start(&server, &[], (tcp.into(), datagrams.into())).ended(), Some(78));
}
