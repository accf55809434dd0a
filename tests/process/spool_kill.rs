//! SIGKILL at any moment: what was accepted is delivered by a later run, and what was answered is not sent again.

use std::collections::BTreeSet;
use std::io::{PipeReader, Read, Write};
use std::time::{Duration, Instant};

use super::common::{is_full, to};
use super::spool_common::{Spool, files, wait_until};
use super::support::log::{Exchange, Fate};
use super::support::process::Running;
use super::support::{Fault, Options, Plan, STREAM, Server, TempDir, lines, mix};

/// Bytes that the program may have read and not yet accepted when it dies: its buffer, and a line begun before.
const UNACCEPTED_MAX: usize = (64 << 10) + 1024;
/// Acknowledgement goes by blocks: lines that were answered, in a block of which others were not, come again. Bytes of a block.
const BLOCK_SIZE: usize = 32 << 10;

fn rounds() -> u64 {
    if is_full() { 100 } else { 10 }
}

/// A server that is mostly good and never quick, so that there is always something on its way.
fn server(seed: u64) -> Server {
    let plan = Plan::mix(seed, [(60, Fault::None), (10, Fault::InternalFailure), (10, Fault::StoreThenReset), (10, Fault::ResetAfterRead)]);
    let server = Server::start(Options::plan(plan));
    server.change(|service| service.conditions.latency = Duration::from_millis(4));
    server
}

/// A long-lived run and both ends of its input.
struct Fed {
    running: Running,
    reader: PipeReader,
    writer: std::io::PipeWriter,
    written: usize,
}

impl Fed {
    fn start(spool: &Spool, server: &Server) -> Fed {
        let (reader, writer) = std::io::pipe().unwrap();
        let program = spool.run(&server.url()).args(["--flush-interval", "10ms"]).stdin_pipe(reader.try_clone().unwrap());
        Fed { running: program.start(), reader, writer, written: 0 }
    }

    fn unread(&self) -> usize {
        rustix::io::ioctl_fionread(&self.reader).unwrap() as usize
    }

    /// Writes the next piece, without waiting for the program; false when the pipe has enough.
    fn write(&mut self, bytes: &[u8], size: usize) -> bool {
        let piece = &bytes[self.written..bytes.len().min(self.written + size)];
        let goes = self.unread() < 16 << 10;
        if goes {
            self.writer.write_all(piece).unwrap();
            self.written += piece.len();
        }
        goes
    }

    /// Kills it; the bytes that it had read.
    fn kill(self) -> usize {
        self.running.signal("KILL");
        let Fed { running, mut reader, writer, written } = self;
        assert_eq!(running.wait().signal, Some(9));
        drop(writer);
        let mut left = Vec::new();
        reader.read_to_end(&mut left).unwrap();
        written - left.len()
    }
}

#[test]
fn sigkill_of_a_run_on_a_pipe_loses_nothing_that_was_accepted_and_repeats_only_what_was_not_answered() {
    let Some(memory) = TempDir::in_memory() else { return println!("SKIPPED: no /dev/shm here") };
    let hot = memory.path().join("hot");
    let spool = Spool::new(&format!("[spool]\nhot = \"{}\"\n", hot.display()));
    let server = server(17);
    let mut generator = lines::Generator::new(17);
    let (mut sent, mut lost, mut kills): (Vec<Vec<u8>>, u64, Vec<usize>) = (Vec::new(), 0, Vec::new());
    for round in 0..rounds() {
        // Every other time it has taken all there was and sleeps; otherwise it dies wherever it is.
        let quiet = round % 2 == 0;
        let random = mix(round);
        let lines: Vec<Vec<u8>> = generator.by_ref().take(if quiet { 1 + random as usize % 3000 } else { 30_000 }).collect();
        let bytes = lines::joined(&lines);
        let mut fed = Fed::start(&spool, &server);
        let (start, life) = (Instant::now(), Duration::from_micros(20_000 + random % 150_000));
        while fed.written < bytes.len() && (quiet || start.elapsed() < life) {
            if !fed.write(&bytes, 1 + mix(fed.written as u64) as usize % 12_000) {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it does not read: {}", fed.running.stderr());
        }
        if quiet {
            assert!(wait_until(|| fed.unread() == 0 && fed.running.sleeps_in_read()), "it does not sleep: {}", fed.running.stderr());
            std::thread::sleep(Duration::from_millis(random % 30));
        }
        let read = fed.kill();
        kills.push(server.exchanges().len());
        // What it had read of the last lines may have been on its way to the spool; the spool tells which were.
        let whole = bytes[..read].iter().filter(|byte| **byte == b'\n').count();
        let accepted = if quiet { whole } else { accepted(&spool, &server, &lines[..whole]) };
        let missing: usize = lines[accepted..whole].iter().map(|line| line.len() + 1).sum();
        assert!(missing <= UNACCEPTED_MAX, "round {round}: {missing} bytes that were read are nowhere");
        lost += (whole - accepted) as u64;
        sent.extend_from_slice(&lines[..accepted]);
    }
    spool.run(&server.url()).args(["--shutdown-timeout", "60s"]).stdin("").run().assert_code(0);
    let duplicates = server.assert_stored(STREAM, &sent);
    spool.assert_empty();
    let repeated = repeated_after_answers(&server.exchanges(), &kills);
    assert!(repeated <= BLOCK_SIZE, "{repeated} bytes were sent again after one kill although their answer had arrived");
    assert!(files(&hot).iter().all(|(name, _)| !name.contains(".segment")), "{:?}", files(&hot));
    println!(
        "{} lines accepted in {} rounds, {lost} read and not accepted, {duplicates} stored twice; at most {repeated} bytes repeated after their answer",
        sent.len(),
        rounds()
    );
}

/// How many of `lines` are in the stream after a run without input: all up to the last that is.
fn accepted(spool: &Spool, server: &Server, lines: &[Vec<u8>]) -> usize {
    spool.run(&server.url()).args(["--shutdown-timeout", "60s"]).stdin("").run().assert_code(0);
    let stored = server.line_counts(STREAM);
    lines.iter().rposition(|line| stored.contains_key(line)).map_or(0, |last| last + 1)
}

/// Most bytes of lines that were sent again after a kill though the request that stored them had been answered, and another one after it: the last answer
/// before a kill may not have been read.
fn repeated_after_answers(exchanges: &[Exchange], kills: &[usize]) -> usize {
    let (mut from, mut most) = (0, 0);
    for kill in kills {
        let of_this_run = &exchanges[from..*kill];
        let last = of_this_run.iter().rposition(|exchange| exchange.acknowledged).unwrap_or(0);
        let answered = of_this_run[..last].iter().filter(|exchange| exchange.acknowledged).flat_map(|exchange| &exchange.records);
        let answered: BTreeSet<&[u8]> = answered.filter(|record| record.fate == Fate::Stored).map(|record| &*record.data).collect();
        let later = exchanges[*kill..].iter().flat_map(|exchange| &exchange.records).map(|record| &*record.data);
        let again: BTreeSet<&[u8]> = later.filter(|data| answered.contains(data)).collect();
        most = most.max(again.iter().map(|data| data.len()).sum());
        from = *kill;
    }
    most
}

#[test]
fn sigkill_of_a_run_with_a_deadline_loses_no_batch_that_is_offered_again() {
    // Memory is hot here, so that what was not settled goes with the process.
    let spool = Spool::new("");
    let server = server(23);
    let mut generator = lines::Generator::new(23);
    let (mut sent, mut killed, mut batches): (Vec<Vec<u8>>, u64, u64) = (Vec::new(), 0, 0);
    while killed < rounds() {
        let lines: Vec<Vec<u8>> = generator.by_ref().take(1000).collect();
        for attempt in 0.. {
            batches += 1;
            let mut running = spool.run(&server.url()).args(["--deadline", "4s"]).stdin(lines::joined(&lines)).start();
            if attempt < 3 {
                std::thread::sleep(Duration::from_micros(mix(batches) % 120_000));
                if !running.has_ended() {
                    running.signal("KILL");
                }
            }
            let finished = running.wait();
            killed += u64::from(finished.signal == Some(9));
            match finished.code {
                Some(0) => break,
                Some(75) | None => {}
                code => panic!("{code:?}: {}", finished.stderr),
            }
        }
        sent.extend(lines);
    }
    spool.run(&server.url()).args(["--deadline", "60s"]).stdin("").run().assert_code(0);
    let duplicates = server.assert_stored(STREAM, &sent);
    spool.assert_empty();
    println!("{} lines in {batches} runs, {killed} of them killed: none is missing, {duplicates} were stored more than once", sent.len());
}

#[test]
fn sigkill_loses_nothing_where_systemd_made_a_directory_in_memory_and_no_card_is_configured() {
    let Some(memory) = TempDir::in_memory() else { return println!("SKIPPED: no /dev/shm here") };
    let server = Server::start(Options::default());
    server.change(|service| service.conditions.silent = true);
    let run = || to(&server).env("RUNTIME_DIRECTORY", memory.path()).args(["--flush-interval", "10ms"]);
    let lines = lines::telegraf(24, 3_000);
    for batch in lines.chunks(1_000) {
        let mut running = run().stdin_open().start();
        running.write(&lines::joined(batch));
        assert!(wait_until(|| running.has_taken_everything()), "{}", running.stderr());
        running.signal("KILL");
        running.wait();
    }
    let hot: Vec<_> = files(memory.path()).into_iter().map(|(name, _)| name).collect();
    assert!(hot.len() == 1 && hot[0].starts_with("spool-"), "{hot:?}");
    server.change(|service| service.conditions.silent = false);
    run().stdin("").run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}
