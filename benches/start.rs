//! From the start of the process to the first byte that it sends: `cargo bench --bench start`.
//!
//! Telegraf may start us anew every ten seconds. The clock runs from just before the program is spawned until a listener on loopback has read a byte of its
//! first request (with TLS: of the handshake); one line waits in its pipe. `BENCH_ASSERT=1` makes a median above [`BUDGET`] an error.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::Read;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use support::{ACCESS_KEY, Program, REGION, SECRET_KEY, STREAM};

/// The most that is good enough, in the median.
const BUDGET: Duration = Duration::from_millis(5);
const RUNS: usize = 51;

fn main() -> ExitCode {
    let mut good = true;
    for scheme in ["http", "https"] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let url = format!("{scheme}://{}", listener.local_addr().expect("it is bound"));
        let mut times: Vec<Duration> = (0..RUNS).map(|_| first_byte(&listener, &url)).collect();
        times.sort_unstable();
        let (median, slow) = (times[RUNS / 2], times[RUNS * 9 / 10]);
        println!("{scheme}: {median:.2?} from start to first byte (median of {RUNS}; nine in ten below {slow:.2?}; at most {BUDGET:?} wanted)");
        good &= median <= BUDGET;
    }
    if std::env::var_os("BENCH_ASSERT").is_some() && !good { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn first_byte(listener: &TcpListener, url: &str) -> Duration {
    let arguments = ["--region", REGION, "--stream", STREAM, "--endpoint-url", url];
    let program = Program::new(env!("CARGO_BIN_EXE_kinegraf")).args(arguments).stdin("m v=1 1\n");
    let program = program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let start = Instant::now();
    let running = program.start();
    let (mut socket, _) = listener.accept().expect("loopback");
    socket.read_exact(&mut [0]).expect("it sends something");
    let time = start.elapsed();
    // Killed when dropped: it would wait for an answer.
    drop(running);
    time
}
