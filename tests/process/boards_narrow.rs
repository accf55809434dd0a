//! What 32 bits may get wrong: sizes of files and of settings beyond 4 GiB, sizes in a file that overflow when they are added, times beyond 2038. On a wide
//! machine these pass whatever the code does; `packaging/try` runs them where they can fail.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kinegraf::spool::block::{BlockBuilder, CODEC_PLAIN, Header, Position};
use kinegraf::spool::segment;
use kinegraf::time::Now;

use super::common::{kinegraf, ms_at_pace};
use super::spool_common::{Gate, Spool};
use super::support::{ACCESS_KEY, Certificate, Options, REGION, SECRET_KEY, STREAM, Server, TempDir, lines};

/// 1 June 2040.
const LATE: Duration = Duration::from_secs(2_222_121_600);
const ACCEPTED: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_795_305_600) };

/// A spool with the largest settings, and a segment with these lines.
fn spool_with(gate: &Gate, lines: &[Vec<u8>]) -> Spool {
    let spool = Spool::new(
        "[input]\nrejected_size = \"1GiB\"\n[spool]\nsize = \"64GiB\"\nhot_size = \"16MiB\"\nsegment_size = \"4MiB\"\nmin_free = \"0%\"\n",
    );
    spool.run(&gate.url()).args(["--shutdown-timeout", &ms_at_pace(200)]).stdin(lines::joined(lines)).run().assert_code(0);
    assert_eq!(spool.segments().len(), 1);
    spool
}

/// Adds a segment with this block at `position`; nothing else need be true of it than its checksum.
fn add(spool: &Spool, position: u64, block: &[u8]) {
    let (name, _) = spool.segments().remove(0);
    let (_, hash) = name.split_once('-').unwrap();
    let first = std::fs::read(spool.path().join(&name)).unwrap();
    let (_, size) = segment::read_header(&first[..first.len().min(segment::HEADER_SIZE_MAX)]).unwrap();
    std::fs::write(spool.path().join(format!("{position:016x}-{hash}")), [&first[..size], block].concat()).unwrap();
}

fn block(position: u64, line: &[u8]) -> Vec<u8> {
    let mut builder = BlockBuilder::new(1024);
    builder.push("key", line);
    builder.finish(Position(position), ACCEPTED).to_vec()
}

/// Delivers what is there.
fn deliver(spool: &Spool, gate: &mut Gate) -> Server {
    let server = Server::start(Options::default());
    gate.open(server.address());
    spool.run(&gate.url()).args(["-v", "--shutdown-timeout", "30s"]).stdin("").run().assert_code(0);
    server
}

#[test]
fn a_segment_with_four_gib_of_nothing_behind_its_lines_costs_none_of_them() {
    let (mut gate, sent) = (Gate::new(), lines::telegraf(91, 300));
    let spool = spool_with(&gate, &sent);
    let path = spool.path().join(&spool.segments()[0].0);
    add(&spool, 1000, &block(1000, b"after,host=a v=1i 1"));
    // Its size modulo 2^32 is less than that of its header.
    File::options().write(true).open(path).unwrap().set_len((1 << 32) + 10).unwrap();
    let server = deliver(&spool, &mut gate);
    server.assert_stored(STREAM, &[&sent[..], &[b"after,host=a v=1i 1".to_vec()]].concat());
}

#[test]
fn a_line_that_says_it_is_as_long_as_memory_is_damage_and_no_endless_loop() {
    let (mut gate, sent) = (Gate::new(), lines::telegraf(92, 300));
    let spool = spool_with(&gate, &sent);
    for (at, line_size) in [(1000, 7u32.wrapping_neg()), (2000, u32::MAX), (3000, 1 << 31)] {
        // With the key and the sizes before it, the first of them ends where it begins.
        let data = [&1u16.to_le_bytes()[..], &line_size.to_le_bytes(), b"k", b"m v=1 1"].concat();
        let header = Header { size: data.len(), plain_size: data.len(), lines: 1, position: Position(at), accepted: ACCEPTED, codec: CODEC_PLAIN };
        add(&spool, at, &[&header.seal(&data)[..], &data].concat());
    }
    add(&spool, 4000, &block(4000, b"after,host=a v=1i 1"));
    let server = deliver(&spool, &mut gate);
    server.assert_stored(STREAM, &[&sent[..], &[b"after,host=a v=1i 1".to_vec()]].concat());
}

/// As if it had been written then.
fn date(path: &Path, time: SystemTime) {
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn the_year_2040_is_a_year_like_any_other() {
    let (mut gate, sent) = (Gate::new(), lines::telegraf(93, 300));
    let (late, dir) = (UNIX_EPOCH + LATE, TempDir::new());
    let spool = spool_with(&gate, &sent);
    for entry in std::fs::read_dir(spool.path()).unwrap() {
        date(&entry.unwrap().path(), late);
    }
    // The service's clock is believed: signatures, certificates and expiries are of that year.
    let server = Server::start(Options::tls(Certificate::Good));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    server.set_clock_ahead(i64::try_from(LATE.as_secs()).unwrap() - i64::try_from(now.as_secs()).unwrap());
    let answer =
        format!("{{\"Version\":1,\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\",\"Expiration\":\"2040-12-31T23:59:59Z\"}}");
    let answer = dir.file("answer", answer);
    let profiles = dir.file("config", format!("[default]\ncredential_process = cat {}\n", answer.display()));
    date(&profiles, late);
    let own = kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", &server.url(), "--partition", "tag=host", "-v"]);
    let own = own.env("AWS_CONFIG_FILE", &profiles).env("AWS_CA_BUNDLE", server.ca_file()).args(["--shutdown-timeout", "30s"]);
    let finished = own.stdin("m,host=a v=1i 2222121600000000000\n").run().assert_code(0);
    server.assert_stored(STREAM, &["m,host=a v=1i 2222121600000000000"]);
    assert!(server.exchanges().iter().filter(|exchange| exchange.acknowledged).count() == 1, "{}", finished.stderr);
    // And the spool's files of then are read.
    let server = deliver(&spool, &mut gate);
    server.assert_stored(STREAM, &sent);
    spool.assert_empty();
}
