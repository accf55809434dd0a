//! Sixty samples of this host go to a Kinesis on this machine and come back: `cargo run --release --example quickstart`.
//!
//! Needs no account and no network and leaves nothing behind. The Kinesis is the tests' own: it checks signatures, enforces the service's limits, listens on
//! loopback and ends with this program. The lines take the way that they take in the program: arguments become a configuration, and input is read, packed,
//! signed and sent by the library. The values are read from /proc within a second and dated one second apart; what a sandbox hides is left out.
//! Linux only, as the values are.

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::io::Cursor;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kinegraf::cli::{self, Command};
use kinegraf::config::{self, Environment, Files};
use kinegraf::daemon::disks::Disks;
use kinegraf::daemon::{self, Output, Run, Signals, Summary};
use kinegraf::input::stdin::{Input, InputKind};
use kinegraf::log::{Hold, Log};
use kinegraf::sender::Sender;
use kinegraf::time::Clock;

const SAMPLES: u32 = 60;
/// Between two readings of /proc, so that some values move.
const PAUSE: Duration = Duration::from_millis(10);

fn main() -> Result<(), Box<dyn Error>> {
    let lines = sample_host()?;
    let kinesis = support::Server::start(support::Options::default());
    let start = Instant::now();
    let summary = ship(&lines, &kinesis.url())?;
    let time = start.elapsed();
    let reason = summary.ending.reason(None);
    if !reason.is_empty() {
        return Err(reason.into());
    }

    let records = kinesis.records(support::STREAM);
    let back: BTreeMap<Vec<u8>, u64> = kinesis.line_counts(support::STREAM);
    let sent: BTreeMap<Vec<u8>, u64> = support::lines::split(lines.as_bytes()).into_iter().map(|line| (line.to_vec(), 1)).collect();
    if back != sent {
        return Err(format!("{} lines were sent, {} came back, and they are not the same", sent.len(), back.values().sum::<u64>()).into());
    }

    let (counters, received) = (&summary.counters, kinesis.counts());
    println!("{SAMPLES} samples of this host, through a loopback Kinesis and back: every line once, byte for byte\n");
    println!("{:>10} {:>10} {:>10} {:>12} {:>12} {:>10}", "lines", "records", "requests", "line bytes", "body bytes", "time");
    println!(
        "{:>10} {:>10} {:>10} {:>12} {:>12} {:>7.1} ms\n",
        sent.len(),
        records.len(),
        received.requests,
        counters.record_bytes,
        received.body_bytes,
        time.as_secs_f64() * 1000.0
    );
    for (which, record) in [("first", records.first()), ("last", records.last())] {
        let Some(record) = record else { continue };
        println!("{which} record: key {}, shard {}, sequence number …{}", record.key, record.shard, record.sequence);
        println!("    {}", String::from_utf8_lossy(&record.data).trim_end());
    }
    Ok(())
}

/// Delivers the lines as the program does.
fn ship(lines: &str, url: &str) -> Result<Summary, Box<dyn Error>> {
    let clock = Clock::new();
    let arguments = ["--region", support::REGION, "--stream", support::STREAM, "--endpoint-url", url, "--partition", "measurement"];
    let Command::Run(options) = cli::parse(arguments.map(Into::into))? else { return Err("no run was asked for".into()) };
    let keys = [("AWS_ACCESS_KEY_ID", support::ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", support::SECRET_KEY)];
    let environment = Environment::from_pairs(&keys);
    let files = Files { read: &|path| fs::read(path), list: &|_| Ok(Vec::new()) };
    let config = config::load(&options, &environment, files)?;
    let destination = config.destination.clone().ok_or("a destination was given")?;
    let log = Log::stderr(config.log.level, Hold::No);
    let sender = Sender::new(&config, destination, environment, clock, log.clone())?;
    let input = Input { reader: Box::new(Cursor::new(lines.to_owned().into_bytes())), kind: InputKind::RegularFile };
    let run = Run { clock, log, signals: Signals::none()?, status: false, disks: Disks::in_memory(&config), backlog: None, service: None };
    Ok(daemon::run(&config, input, Output::Kinesis(Box::new(sender)), run)?)
}

/// Line protocol of as many samples, one second apart, the last one now.
fn sample_host() -> Result<String, Box<dyn Error>> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost".to_owned() } else { escaped(host.trim()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let mut lines = String::new();
    for sample in 1..=SAMPLES {
        let time = now - Duration::from_secs(u64::from(SAMPLES - sample));
        for (series, fields) in measure(&host, sample) {
            writeln!(lines, "{series} {fields} {}", time.as_nanos())?;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(lines)
}

/// What there is to say now: series and fields of each line.
fn measure(host: &str, sample: u32) -> Vec<(String, String)> {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory, load) = (cpu(&file("/proc/stat")), memory(&file("/proc/meminfo")), load(&file("/proc/loadavg")));
    let mut lines = vec![(format!("quickstart,host={host}"), Some(format!("sample={sample}i,pid={}i", std::process::id())))];
    lines.push((format!("cpu,cpu=cpu-total,host={host}"), cpu));
    lines.push((format!("mem,host={host}"), memory));
    lines.push((format!("system,host={host}"), load));
    lines.extend(file("/proc/net/dev").lines().filter_map(network).map(|(name, fields)| (format!("net,host={host},interface={name}"), Some(fields))));
    lines.extend(file("/proc/diskstats").lines().filter_map(disk).map(|(name, fields)| (format!("diskio,host={host},name={name}"), Some(fields))));
    lines.into_iter().filter_map(|(series, fields)| Some((series, fields?))).collect()
}

/// The first line of /proc/stat: ticks since the start, by kind.
fn cpu(text: &str) -> Option<String> {
    let ticks = text.lines().next()?.strip_prefix("cpu ")?;
    fields(["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"], ticks.split_whitespace())
}

/// Some of /proc/meminfo, in bytes.
fn memory(text: &str) -> Option<String> {
    const NAMES: [(&str, &str); 4] = [("MemTotal", "total"), ("MemFree", "free"), ("MemAvailable", "available"), ("Cached", "cached")];
    let values = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        let (_, field) = NAMES.iter().find(|(known, _)| *known == name)?;
        let kib: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(format!("{field}={}i", kib * 1024))
    });
    not_empty(values.collect())
}

fn load(text: &str) -> Option<String> {
    let values = ["load1", "load5", "load15"].iter().zip(text.split_whitespace());
    not_empty(values.filter(|(_, value)| value.parse::<f64>().is_ok()).map(|(name, value)| format!("{name}={value}")).collect())
}

/// A line of /proc/net/dev.
fn network(line: &str) -> Option<(String, String)> {
    let (name, counters) = line.split_once(':')?;
    let counters: Vec<&str> = counters.split_whitespace().collect();
    let chosen = [counters.first()?, counters.get(1)?, counters.get(8)?, counters.get(9)?].map(|counter| *counter);
    Some((escaped(name.trim()), fields(["bytes_recv", "packets_recv", "bytes_sent", "packets_sent"], chosen.into_iter())?))
}

/// A line of /proc/diskstats; not of a partition, a loop device or a disk that was never used.
fn disk(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, counters) = (*words.get(2)?, words.get(3..)?);
    let whole = !name.starts_with("loop") && !name.starts_with("ram") && fs::exists(format!("/sys/block/{name}")).unwrap_or(false);
    let chosen = [counters.first()?, counters.get(4)?, counters.get(9)?].map(|counter| *counter);
    (whole && chosen[0] != "0").then_some(())?;
    Some((escaped(name), fields(["reads", "writes", "io_time"], chosen.into_iter())?))
}

/// `name=5i,name=7i`, of the values that are numbers.
fn fields<'a, const N: usize>(names: [&str; N], values: impl Iterator<Item = &'a str>) -> Option<String> {
    not_empty(names.iter().zip(values).filter(|(_, value)| value.parse::<i64>().is_ok()).map(|(name, value)| format!("{name}={value}i")).collect())
}

fn not_empty(fields: Vec<String>) -> Option<String> {
    (!fields.is_empty()).then(|| fields.join(","))
}

/// As a tag's value.
fn escaped(text: &str) -> String {
    text.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}
