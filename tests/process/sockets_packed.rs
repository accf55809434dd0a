//! What `content_encoding` of Telegraf's `outputs.socket_writer` makes of a stream: one gzip member, or zlib stream, a metric.

use std::io::{Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::common::is_emulated;
use super::sockets_common::{Place, assert_comes, send, stop, stored};
use super::spool_common::wait_until;
use super::support::{Options, Server};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn line(name: &str, n: usize) -> String {
    format!("{name},host=a i={n}i,text=\"some text that repeats, repeats\nand repeats\" {n}")
}

#[test]
fn a_stream_of_gzip_members_or_zlib_streams_is_a_stream_of_lines() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let running = place.start(&server, "");
    for (name, pack) in [("gzip", gzip as fn(&str) -> Vec<u8>), ("zlib", zlib)] {
        let mut client = place.connect();
        let bytes: Vec<u8> = (0..2000).flat_map(|n| pack(&(line(name, n) + "\n"))).collect();
        // The first byte alone tells nothing.
        for piece in [&bytes[..1], &bytes[1..2], &bytes[2..100], &bytes[100..]] {
            client.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(wait_until(|| stored(&server).len() == 4000), "{} came: {}", stored(&server).len(), running.stderr());
    for name in ["gzip", "zlib"] {
        let own: Vec<String> = stored(&server).into_iter().filter(|found| found.starts_with(name)).collect();
        assert!(own.iter().enumerate().all(|(n, found)| *found == line(name, n)), "in their order, as they were");
    }
    stop(running);
}

#[test]
fn packed_datagrams_are_lines_and_plain_ones_still_are() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let running = place.start(&server, "");
    let datagrams = place.sender();
    datagrams.send(&gzip("one,host=a v=1i 1\ntwo,host=a v=1i 1\n")).unwrap();
    datagrams.send(b"three,host=a v=1i 1\n").unwrap();
    datagrams.send(&zlib("four,host=a v=1i 1")).unwrap();
    datagrams.send(&gzip("five,host=a v=1i 1")[..20]).unwrap();
    datagrams.send(&gzip("six,host=a v=1i 1")).unwrap();
    for name in ["one", "two", "three", "four", "six"] {
        assert_comes(&server, &running, &format!("{name},host=a v=1i 1"));
    }
    let finished = stop(running);
    assert!(finished.stderr.contains(" 1 lines rejected (unterminated 1)"), "{}", finished.stderr);
    assert_eq!(stored(&server).len(), 5);
}

#[test]
fn a_client_whose_packed_stream_is_corrupt_is_closed_and_nobody_else() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let running = place.start(&server, "");
    let (mut bad, mut good) = (place.connect(), place.connect());
    let mut bytes = gzip(&(line("gzip", 1) + "\n"));
    bytes.extend_from_slice(b"cpu,host=a v=1i 1\n");
    bad.write_all(&bytes).unwrap();
    bad.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(!matches!(bad.read(&mut [0]), Ok(1..)), "it is closed");
    send(&mut good, "good,host=a v=1i 1\n");
    assert_comes(&server, &running, "good,host=a v=1i 1");
    assert_comes(&server, &running, &line("gzip", 1));
    let finished = stop(running);
    assert!(finished.stderr.contains("what it sent is corrupt: what stands behind a gzip member is none"), "{}", finished.stderr);
    assert!(finished.stderr.contains("1 lines rejected (corrupt 1)"), "{}", finished.stderr);
}

#[test]
fn a_member_that_unpacks_to_a_hundred_megabytes_is_one_long_line_and_takes_no_memory() {
    let (place, server) = (Place::new(), Server::start(Options::default()));
    let mut running = place.start(&server, "");
    let before = running.peak_rss();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    (0..100).for_each(|_| encoder.write_all(&vec![b'x'; 1 << 20]).unwrap());
    encoder.write_all(b"\nafter,host=a v=1i 1\n").unwrap();
    let mut client = place.connect();
    client.write_all(&encoder.finish().unwrap()).unwrap();
    assert_comes(&server, &running, "after,host=a v=1i 1");
    let grown = running.peak_rss() - before;
    assert!(is_emulated() || grown < 2 << 20, "{grown} bytes more");
    let finished = stop(running);
    assert!(finished.stderr.contains("1 lines rejected (too_long 1)"), "{}", finished.stderr);
}
