//! Sockets: no line allocates, and whatever clients send, packed or not, long or short, no more is held than the sum says.

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

use allocation_counter::measure;
use flate2::Compression;
use flate2::write::GzEncoder;
use kinegraf::config::{Config, Level, Listen, Pack};
use kinegraf::daemon;
use kinegraf::input::unix::{Listener, Sockets, SocketsOptions};
use kinegraf::log::{Hold, Log};
use kinegraf::memory;
use kinegraf::pipeline::Mark;
use kinegraf::time::Clock;

use crate::harness::config;
use crate::support::{TempDir, lines};

/// Every test of this file by its name, for who has no harness.
#[cfg(not(test))]
pub(crate) const ALL: [(&str, fn()); 2] = [
    ("no_line_that_comes_through_a_socket_allocates", no_line_that_comes_through_a_socket_allocates),
    ("whatever_clients_send_no_more_is_held_than_the_sum_says", whatever_clients_send_no_more_is_held_than_the_sum_says),
];

struct Listening {
    sockets: Sockets,
    clock: Clock,
    taken: u64,
}

fn listens(dir: &TempDir) -> (Config, [PathBuf; 2]) {
    let mut config = config(Pack::Metric, None);
    let paths = [dir.path().join("stream"), dir.path().join("datagrams")];
    config.input.listen = vec![Listen::Unix(paths[0].clone()), Listen::Unixgram(paths[1].clone())];
    (config, paths)
}

impl Listening {
    fn new(config: &Config) -> Listening {
        let bind = |listen| Listener::bind(listen, 0o600, None).unwrap().unwrap();
        let options = SocketsOptions { clients: config.input.clients, intake: daemon::intake_options(config) };
        let log = Log::new(Level::Error, Hold::No, Box::new(std::io::sink()));
        let sockets = Sockets::new(options, config.input.listen.iter().map(bind).collect(), log).unwrap();
        Listening { sockets, clock: Clock::new(), taken: 0 }
    }

    /// Takes what there is.
    fn turn(&mut self) {
        let now = self.clock.now();
        self.sockets.wait(now, Some(Duration::ZERO), true).unwrap();
        while self.sockets.next_block(now, &mut |rejection, peer| panic!("{rejection:?} of {peer}")) {
            self.taken += u64::from(self.sockets.block().lines());
            self.sockets.taken(Mark::default());
        }
    }

    /// Takes until so many lines came.
    fn take(&mut self, lines: u64) {
        let until = self.taken + lines;
        for _ in 0..10_000 {
            if self.taken >= until {
                return;
            }
            self.turn();
        }
        panic!("{} of {until} lines came", self.taken);
    }
}

fn some_lines(count: usize) -> Vec<u8> {
    let (mut bytes, mut generator) = (Vec::new(), lines::Generator::new(3));
    for _ in 0..count {
        generator.write(&mut bytes);
        bytes.push(b'\n');
    }
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[cfg_attr(test, test)]
fn no_line_that_comes_through_a_socket_allocates() {
    let dir = TempDir::new();
    let (config, [stream, datagrams]) = listens(&dir);
    let mut listening = Listening::new(&config);
    let (mut plain, mut packed, sender) =
        (UnixStream::connect(&stream).unwrap(), UnixStream::connect(&stream).unwrap(), UnixDatagram::unbound().unwrap());
    sender.connect(&datagrams).unwrap();
    let (lines, long) = (some_lines(20), [lines::of_size(1, 100 << 10), b"\n".to_vec()].concat());
    let (members, gram) = (gzip(&lines), gzip(&some_lines(3)));
    let mut round = |listening: &mut Listening| {
        plain.write_all(&lines).unwrap();
        packed.write_all(&members).unwrap();
        sender.send(&lines).unwrap();
        sender.send(&gram).unwrap();
        listening.take(63);
        plain.write_all(&long).unwrap();
        listening.take(1);
    };
    // Buffers that are needed at all are allocated by whoever needs them first.
    round(&mut listening);
    let info = measure(|| (0..50).for_each(|_| round(&mut listening)));
    assert_eq!(info.count_total, 0);
}

#[cfg_attr(test, test)]
fn whatever_clients_send_no_more_is_held_than_the_sum_says() {
    let dir = TempDir::new();
    let (config, [stream, datagrams]) = listens(&dir);
    let clients = config.input.clients;
    let mut held = 0;
    let info = measure(|| {
        let mut listening = Listening::new(&config);
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(&datagrams).unwrap();
        let mut streams: Vec<UnixStream> = (0..clients).map(|_| UnixStream::connect(&stream).unwrap()).collect();
        let outside = measure(|| {
            for client in &mut streams {
                client.write_all(&gzip(b"m v=1 1\nm s=\"begun")).unwrap();
                client.set_nonblocking(true).unwrap();
                // A second member goes on with the same line, and is longer than the client's own buffer.
                _ = client.write(&gzip(&[b'x'; 60 << 10]));
            }
            sender.send(&gzip(b"m v=1 1")).unwrap();
        });
        held = outside.bytes_max;
        listening.take(clients as u64 + 1);
        (0..20).for_each(|_| listening.turn());
    });
    let mut stdin_only = config.clone();
    stdin_only.input.listen = vec![Listen::Stdin];
    let sum = memory::heap_max(&config) - memory::heap_max(&stdin_only) + kinegraf::input::line_reader::LineReader::memory(config.input.line_size);
    let composer = 2 * config.input.line_size + (64 << 10);
    let peak = (info.bytes_max - held) as usize;
    assert!(peak <= sum + composer, "{peak} bytes, {sum} for sockets and {composer} for blocks");
    assert!(peak * 2 > sum, "the sum is much more than is ever held: {peak} of {sum}");
}
