//! The tests' fake of EC2's metadata and of the container endpoint, and a Kinesis that takes only their keys, as one process:
//! `cargo run --example metadata_service -- 169.254.169.254:80 169.254.170.23:80=TOKEN`.
//!
//! `=TOKEN` is what a container must say in `Authorization` there.
//! For a client that nobody here wrote, in a network namespace that has these addresses; see `tests/emulators/run metadata`. It prints one line of JSON once it
//! listens and ends with its standard input.

#[path = "../tests/support/mod.rs"]
mod support;

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpListener;

use support::metadata::Metadata;
use support::{Key, Options, STREAM, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let key = Key::new("ASIAMETADATA00000001", "metadata/secret+key/of/forty/characters/", Some("IQoJb3JpZ2luX2VjEPT//////////wEaCXVz"));
    let kinesis = Server::start(Options { keys: vec![key.clone()], ..Options::default() });
    let mut services = Vec::new();
    for argument in std::env::args().skip(1) {
        let (address, token) = argument.split_once('=').map_or((argument.as_str(), None), |(address, token)| (address, Some(token.to_owned())));
        let service = Metadata::start_at(TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?, key.clone());
        service.change(|state| state.authorization = token);
        services.push(service);
    }
    let told = serde_json::json!({
        "kinesis": kinesis.url(), "stream": STREAM, "region": support::REGION,
        "id": key.access_key, "secret": key.secret_key, "token": key.token,
    });
    writeln!(io::stdout(), "{told}")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    // What was asked, for whom it matters who asked: one line a service.
    for service in &services {
        let asked: Vec<_> = service.asked().iter().map(|asked| format!("{} {}", asked.head.method, asked.head.target)).collect();
        writeln!(io::stdout(), "{}", serde_json::json!(asked))?;
    }
    let lines: Vec<_> = kinesis.stored_lines(STREAM).iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    writeln!(io::stdout(), "{}", serde_json::json!(lines))?;
    Ok(())
}
