//! Throughput against the floor: `cargo bench --bench throughput`.
//!
//! The floor is what no sender can do without: one loop that base64-encodes, hashes (SHA-256) and writes the bytes to a loopback socket that is read and
//! discarded. Ours is the whole way of the same bytes, from `Read` to the acknowledged record, with a server that reads each request and answers it.
//! Both run in turns, so that a busy machine slows both, and the median of the ratios counts. `BENCH_ASSERT=1` makes a ratio below [`RATIO_MIN`] an error;
//! `BENCH_MIB` (default 256) says how much input a run has, `BENCH_PAIRS` (default 7) how many pairs of runs there are, `BENCH_FORMAT` (default influx) the
//! format and `BENCH_PARTITION=series` that method; a ratio of theirs to the floor means little, since another number of bytes leaves.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kinegraf::config::{Config, Destination, Environment, Pack};
use kinegraf::daemon::disks::Disks;
use kinegraf::daemon::{self, Output, Run, Signals};
use kinegraf::input::stdin::{Input, InputKind};
use kinegraf::limits::REQUEST_SIZE;
use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::PartitionMethod;
use kinegraf::log::{Hold, Log};
use kinegraf::sender::Sender;
use kinegraf::time::Clock;

/// Ours by the floor, the least that is good enough.
const RATIO_MIN: f64 = 0.6;
/// Bytes of different lines; a run reads them again and again.
const SAMPLE_SIZE: usize = 8 << 20;

fn main() -> ExitCode {
    let (repeats, pairs) = (number("BENCH_MIB", 256) * (1 << 20) / SAMPLE_SIZE, number("BENCH_PAIRS", 7));
    let (sample, lines) = sample();
    let (bytes, lines) = ((sample.len() * repeats) as f64, (lines * repeats) as f64);
    println!("{:.0} MiB a run, {lines:.0} lines of {:.0} bytes", bytes / f64::from(1 << 20), bytes / lines);
    println!("{:>12} {:>12} {:>8} {:>14} {:>14}", "floor MB/s", "ours MB/s", "ratio", "lines/s", "lines/s metric");
    let mut ratios = Vec::new();
    // The first pair warms up.
    for pair in 0..=pairs {
        let floor = floor(&sample, repeats).as_secs_f64();
        let ours = ours(&sample, repeats, Pack::Lines).as_secs_f64();
        let metric = self::ours(&sample, repeats, Pack::Metric).as_secs_f64();
        let ratio = floor / ours;
        println!("{:>12.0} {:>12.0} {ratio:>8.3} {:>14.0} {:>14.0}", bytes / floor / 1e6, bytes / ours / 1e6, lines / ours, lines / metric);
        if pair > 0 {
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("throughput ratio {median:.3} (median of {pairs}; at least {RATIO_MIN} wanted)");
    if std::env::var_os("BENCH_ASSERT").is_some() && median < RATIO_MIN { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default).max(1)
}

/// What cannot be avoided: the time until the last byte was written.
fn floor(sample: &[u8], repeats: usize) -> Duration {
    let (address, server) = serve(|mut socket| {
        let mut bytes = vec![0; 256 << 10];
        while socket.read(&mut bytes)? > 0 {}
        Ok(())
    });
    let mut socket = TcpStream::connect(address).expect("loopback");
    let mut body = vec![0; REQUEST_SIZE.div_ceil(3) * 4];
    let start = Instant::now();
    for _ in 0..repeats {
        for data in sample.chunks(REQUEST_SIZE) {
            let size = STANDARD.encode_slice(data, &mut body).expect("the body is large enough");
            std::hint::black_box(ring::digest::digest(&ring::digest::SHA256, &body[..size]));
            socket.write_all(&body[..size]).expect("loopback");
        }
    }
    drop(socket);
    server.join().expect("the server ends with its connection");
    start.elapsed()
}

/// The whole way, as the program goes it.
fn ours(sample: &[u8], repeats: usize, pack: Pack) -> Duration {
    let (address, server) = serve(answer_requests);
    let clock = Clock::new();
    let destination = Destination { region: support::REGION.into(), stream: support::STREAM.into(), url: format!("http://{address}/") };
    let mut config = Config::defaults(destination.clone());
    config.packing.pack = pack;
    config.format = match std::env::var("BENCH_FORMAT").as_deref() {
        Ok("json") => Format::Json(TimestampUnit::default()),
        Ok("custom") => Format::Custom,
        Ok("string") => Format::String,
        _ => Format::Influx,
    };
    if !config.format.joins() {
        config.packing.pack = Pack::Metric;
    }
    if std::env::var("BENCH_PARTITION").as_deref() == Ok("series") {
        config.partition = PartitionMethod::Series;
    }
    let keys = [("AWS_ACCESS_KEY_ID", support::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY)];
    let log = Log::stderr(config.log.level, Hold::No);
    let sender = Sender::new(&config, destination, Environment::from_pairs(&keys), clock, log.clone()).expect("no CA file is named");
    let reader = Again { bytes: sample.to_vec(), at: 0, repeats };
    let input = Input { reader: Box::new(reader), kind: InputKind::RegularFile };
    let run = Run {
        clock,
        log,
        signals: Signals::none().expect("a socket pair"),
        status: false,
        backlog: None,
        service: None,
        disks: Disks::in_memory(&config),
    };
    let start = Instant::now();
    let summary = daemon::run(&config, input, Output::Kinesis(Box::new(sender)), run).expect("threads start");
    let time = start.elapsed();
    assert_eq!(summary.ending.reason(None), "");
    assert_eq!((summary.input.bytes, summary.counters.dropped()), ((sample.len() * repeats) as u64, 0));
    server.join().expect("the server ends with its connection");
    time
}

/// Serves one connection.
fn serve(connection: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let server = std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("loopback");
        socket.set_nodelay(true).and_then(|()| connection(socket)).expect("loopback");
    });
    (address, server)
}

/// Reads requests and says that each of their records is stored.
fn answer_requests(socket: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, socket);
    let (mut body, mut answer, mut line) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut size = 0;
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
            if let Some(value) = text.strip_prefix("content-length:") {
                size = value.trim().parse().map_err(io::Error::other)?;
            }
            if text.trim().is_empty() {
                break;
            }
        }
        body.resize(size, 0);
        reader.read_exact(&mut body)?;
        let records = memchr::memmem::find_iter(&body, b"\"PartitionKey\":").count();
        let entry = r#"{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898","ShardId":"shardId-000000000000"}"#;
        let entries = vec![entry; records].join(",");
        let json = format!(r#"{{"FailedRecordCount":0,"Records":[{entries}]}}"#);
        answer.clear();
        write!(answer, "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{json}", json.len())?;
        reader.get_mut().write_all(&answer)?;
    }
}

/// The same bytes as often as wanted.
struct Again {
    bytes: Vec<u8>,
    at: usize,
    repeats: usize,
}

impl Read for Again {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() {
            (self.at, self.repeats) = (0, self.repeats - 1);
        }
        let rest = if self.repeats == 0 { &[][..] } else { &self.bytes[self.at..] };
        let size = rest.len().min(out.len());
        out[..size].copy_from_slice(&rest[..size]);
        self.at += size;
        Ok(size)
    }
}

/// What Telegraf's cpu, disk, diskio and net write on a small host, and the number of its lines.
fn sample() -> (Vec<u8>, usize) {
    let (mut text, mut lines) = (Vec::with_capacity(SAMPLE_SIZE + 1024), 0);
    while text.len() < SAMPLE_SIZE {
        let random = support::mix(lines as u64);
        let (a, b, c) = (random % 100, (random >> 8) % 1_000_000_007, (random >> 40) % 10_000);
        let host = (random >> 20) % 50;
        let time = 1_795_305_600_000_000_000_u64 + lines as u64 * 1_000_000;
        let written = match lines % 4 {
            0 => writeln!(
                text,
                "cpu,cpu=cpu{},host=edge-{host:02} usage_guest=0,usage_guest_nice=0,usage_idle={a}.{b:09}0{c:04},usage_iowait=0.{c:04}32160804,\
                 usage_irq=0,usage_nice=0,usage_softirq=0.05025125628140703,usage_steal=0,usage_system=1.{b:09}4{c:04},usage_user=2.{c:04}97989949 {time}",
                a % 4
            ),
            1 => writeln!(
                text,
                "disk,device=mmcblk0p2,fstype=ext4,host=edge-{host:02},label=rootfs,mode=rw,path=/ free={b}i,inodes_free={c}i,inodes_total=1933312i,\
                 inodes_used={a}i,inodes_used_percent=4.{c:04}85,total=31337472000i,used=4{b}i,used_percent={a}.{b:09} {time}"
            ),
            2 => writeln!(
                text,
                "diskio,host=edge-{host:02},name=mmcblk0 io_time={b}i,io_util={a}.5,iops_in_progress=0i,merged_reads={c}i,merged_writes={b}i,\
                 read_bytes=81{b}i,read_time={c}7i,reads={b}i,weighted_io_time={b}i,write_bytes={b}512i,write_time={b}i,writes={c}i {time}"
            ),
            _ => writeln!(
                text,
                "net,host=edge-{host:02},interface=wwan0 bytes_recv={b}12i,bytes_sent={b}i,drop_in={a}i,drop_out=0i,err_in=0i,err_out=0i,\
                 packets_recv={b}i,packets_sent={c}i,speed=-1i,tcp_retranssegs={c}i,udp_indatagrams={b}i,udp_outdatagrams={c}i {time}"
            ),
        };
        written.expect("memory takes all");
        lines += 1;
    }
    (text, lines)
}
