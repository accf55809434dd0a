//! Tests of the loop itself: what ends a run, where the release binary cannot be made to meet it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use super::*;
use crate::cli::{self, Command};
use crate::config::{self, Environment, Level};
use crate::log::Hold;
use crate::sender::Sender;

const PATIENCE: Duration = Duration::from_secs(10);

fn config(arguments: &[&str]) -> Config {
    let Command::Run(options) = cli::parse(arguments.iter().map(Into::into)).unwrap() else { panic!("no run") };
    config::load(&options, &environment(), config::Files { read: &|_| Err(io::ErrorKind::NotFound.into()), list: &|_| Ok(Vec::new()) }).unwrap()
}

fn environment() -> Environment {
    Environment::from_pairs(&[("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret")])
}

fn quiet() -> Run {
    let clock = Clock::new();
    let disks = Disks::in_memory(&config(&["--dry-run"]));
    Run {
        clock,
        log: Log::new(Level::Error, Hold::No, Box::new(io::sink())),
        signals: Signals::none().unwrap(),
        status: false,
        disks,
        backlog: None,
        service: None,
    }
}

/// Runs elsewhere, so that a run that hangs fails its test.
fn ends(run: impl FnOnce() -> io::Result<Summary> + Send + 'static) -> Summary {
    let (send, receive) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || _ = send.send(run())).unwrap();
    let summary = receive.recv_timeout(PATIENCE).expect("the run does not end").unwrap();
    thread.join().unwrap();
    summary
}

struct Panics;

impl Read for Panics {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("a reader that panics");
    }
}

impl Write for Panics {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        panic!("a writer that panics");
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_thread_that_panics_ends_the_run_with_74_instead_of_leaving_the_others_waiting() {
    let lines: Box<dyn Read + Send> = Box::new(&b"m v=1\n"[..]);
    for (reader, writer, thread) in
        [(lines, Box::new(Panics) as Box<dyn Write + Send>, "delivery"), (Box::new(Panics), Box::new(io::sink()), "input")]
    {
        let summary = ends(move || run(&config(&["--dry-run"]), Input { reader, kind: InputKind::RegularFile }, Output::DryRun(writer), quiet()));
        assert_eq!(summary.ending.code(), 74);
        assert!(summary.ending.reason(None).contains(thread), "{}", summary.ending.reason(None));
    }
}

#[test]
fn somebody_who_ends_a_run_that_he_typed_into_waits_the_shutdown_timeout_and_no_longer() {
    for deadline in ["1h", "2s"] {
        let (reader, mut writer) = UnixStream::pair().unwrap();
        writer.write_all(b"m v=1\n").unwrap();
        let closed = "http://127.0.0.1:1";
        let config = config(&["--stream", "s", "--region", "r", "--endpoint-url", closed, "--deadline", deadline, "--shutdown-timeout", "300ms"]);
        let run_options = quiet();
        run_options.signals.interrupted();
        let sender = Sender::new(&config, config.destination.clone().unwrap(), environment(), run_options.clock, run_options.log.clone()).unwrap();
        let input = Input { reader: Box::new(reader), kind: InputKind::Terminal };
        let summary = ends(move || run(&config, input, Output::Kinesis(Box::new(sender)), run_options));
        assert!(summary.time < Duration::from_secs(1), "{:?}", summary.time);
        assert_eq!(summary.ending.code(), 75);
        drop(writer);
    }
}

/// Has nothing yet before each line and before its end, as a non-blocking pipe may.
struct NotYet(std::vec::IntoIter<Option<&'static [u8]>>);

impl Read for NotYet {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.0.next() {
            Some(Some(line)) => {
                space[..line.len()].copy_from_slice(line);
                Ok(line.len())
            }
            Some(None) => Err(io::ErrorKind::WouldBlock.into()),
            None => Ok(0),
        }
    }
}

#[test]
fn an_input_that_somebody_made_non_blocking_is_read_to_its_end() {
    let reader = Box::new(NotYet(vec![None, Some(&b"m v=1\n"[..]), None, None, Some(b"m v=2\n"), None].into_iter()));
    let input = Input { reader, kind: InputKind::Pipe };
    let summary = ends(move || run(&config(&["--dry-run"]), input, Output::DryRun(Box::new(io::sink())), quiet()));
    assert_eq!((summary.ending.code(), summary.counters.delivered), (0, 2));
}

#[test]
fn after_its_end_a_run_reads_no_further() {
    let (reader, mut writer) = UnixStream::pair().unwrap();
    let config = config(&["--dry-run", "--deadline", "100ms"]);
    let input = Input { reader: Box::new(reader), kind: InputKind::Pipe };
    let summary = ends(move || run(&config, input, Output::DryRun(Box::new(io::sink())), quiet()));
    assert_eq!(summary.ending.code(), 75);
    writer.write_all(b"m v=1\n").unwrap();
    writer.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(writer.read(&mut [0]).unwrap(), 0, "the reader is let go");
}
