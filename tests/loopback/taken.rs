//! What is good is taken.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::support::raw_client::{Connection, Request, read_reply, send};
use super::support::{Options, STREAM, Server};
use super::{TWO, stored};

#[test]
fn a_good_request_is_stored_and_answered() {
    let server = Server::start(Options::default());
    let reply = send(&server, &Request::records(&TWO)).unwrap();
    assert_eq!((reply.status, reply.json()["FailedRecordCount"].as_u64()), (200, Some(0)), "{}", reply.text());
    assert_eq!(reply.json()["Records"].as_array().unwrap().len(), 2);
    assert!(reply.header("x-amzn-RequestId").is_some() && reply.header("Date").is_some());
    let records = server.records(STREAM);
    assert_eq!(records.iter().map(|r| (&*r.key, &*r.data)).collect::<Vec<_>>(), TWO);
    assert!(server.exchanges()[0].acknowledged);
}

#[test]
fn a_connection_takes_request_after_request() {
    let server = Server::start(Options::default());
    let mut connection = Connection::open(&server);
    for i in 0..50 {
        assert_eq!(connection.send(&Request::records(&[("k", format!("line {i}").as_bytes())])).unwrap().status, 200);
    }
    assert_eq!((server.counts().connections, server.counts().requests, stored(&server)), (1, 50, 50));
}

#[test]
fn a_head_in_single_bytes_and_a_body_in_two_halves_are_read() {
    let server = Server::start(Options::default());
    let bytes = Request::records(&TWO).to_bytes(&server.address().to_string());
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let (head, body) = bytes.split_at(bytes.len() - 40);
    head.iter().for_each(|byte| socket.write_all(&[*byte]).unwrap());
    std::thread::sleep(Duration::from_millis(20));
    socket.write_all(body).unwrap();
    assert_eq!(read_reply(&mut BufReader::new(socket)).unwrap().status, 200);
}

#[test]
fn the_largest_request_is_taken_and_one_byte_more_is_not() {
    let server = Server::start(Options::default());
    let megabyte = vec![b'x'; (1 << 20) - 1];
    let mut records: Vec<(&str, &[u8])> = vec![("k", &megabyte); 10];
    assert_eq!(send(&server, &Request::records(&records)).unwrap().status, 200);
    records.push(("k", b""));
    let reply = send(&server, &Request::records(&records)).unwrap();
    assert_eq!((reply.code().as_str(), reply.json()["message"].as_str()), ("InvalidArgumentException", Some("Records size exceeds 10 MB limit")));
}

#[test]
fn records_of_a_key_share_a_shard_and_keys_spread_over_all_shards() {
    let server = Server::start(Options::default());
    let keys: Vec<String> = (0..100).map(|i| format!("host-{i}")).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().chain(&keys).map(|key| (key.as_str(), b"x".as_slice())).collect();
    send(&server, &Request::records(&records)).unwrap();
    let shards: Vec<usize> = server.records(STREAM).iter().map(|record| record.shard).collect();
    assert_eq!(shards[..100], shards[100..]);
    assert!((0..4).all(|shard| shards.contains(&shard)));
}
