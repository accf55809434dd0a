//! What the program says when all is well: nothing; with `-v` its books, which close.

use std::process::Command;

use super::common::{input, is_full, kinegraf, summed, to};
use super::support::fault::RecordError;
use super::support::{Fault, Options, Pick, Plan, Server};

#[test]
fn the_version_has_the_commit_it_was_built_from() {
    let finished = kinegraf().args(["--version"]).run().assert_code(0);
    let said = String::from_utf8(finished.stdout).unwrap();
    let hash = said.strip_prefix(&format!("kinegraf {} (", env!("CARGO_PKG_VERSION"))).and_then(|rest| rest.strip_suffix(")\n"));
    let hash = hash.unwrap_or_else(|| panic!("{said}"));
    assert!(hash == "unknown" || hash.len() == 12 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    // In a repository the commit exists.
    if Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().is_ok_and(|output| output.status.success()) {
        assert_ne!(hash, "unknown");
    }
    assert_eq!(kinegraf().args(["-V"]).run().assert_code(0).stdout, said.as_bytes());
}

#[test]
fn help_lists_every_flag_and_every_exit_code() {
    let finished = kinegraf().args(["--help"]).run().assert_code(0);
    let said = String::from_utf8(finished.stdout).unwrap();
    for flag in [
        "-c, --config",
        "--stream",
        "--region",
        "--endpoint-url",
        "--profile",
        "--partition",
        "--format",
        "--pack",
        "--content-encoding",
        "--listen",
        "--deadline",
        "--shutdown-timeout",
        "--flush-interval",
        "--dry-run",
        "--log",
        "--role-arn",
        "-v ",
        "-q ",
        "-h, --help",
        "-V, --version",
    ] {
        assert!(said.contains(&format!("  {flag}")), "{flag} is not in the help:\n{said}");
    }
    for code in ["0 all", "1 no such stream", "64 usage", "74 input", "75 some", "77 access", "78 configuration"] {
        assert!(said.contains(code), "{code} is not in the help:\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 100) && finished.stderr.is_empty());
    assert_eq!(kinegraf().args(["-h"]).run().stdout, said.as_bytes());
}

#[test]
fn a_good_run_says_nothing() {
    let server = Server::start(Options::default());
    for quiet in [vec![], vec!["-q"]] {
        let finished = to(&server).args(quiet).stdin(input(300).1).run().assert_code(0);
        assert_eq!((finished.stderr.as_str(), finished.stdout.as_slice()), ("", b"".as_slice()));
    }
    // Quiet is about warnings, not about the reason of a bad end.
    let finished = to(&server).args(["-q"]).stdin([b"no fields\n".as_slice(), &input(1).1].concat()).run().assert_code(0);
    assert_eq!(finished.stderr, "");
    let finished = to(&server).args(["-q", "--deadline", "60s"]).env("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000").stdin(input(1).1).run();
    assert_eq!(finished.assert_code(77).stderr.lines().count(), 1);
}

#[test]
fn the_summary_closes_the_books() {
    let failing = Fault::FailRecords(Pick::Every(2), RecordError::Throughput);
    let plan = Plan::Script(vec![failing, Fault::TruncateAnswer { stored: false }, Fault::CloseIdle]);
    let server = Server::start(Options::plan(plan));
    let (_, good) = input(100);
    let text = [good.as_slice(), b"\n# comment\nbad line\nm v=1\nhalf a li"].concat();
    let finished = to(&server).args(["-v"]).stdin(text.clone()).run().assert_code(0);
    let number = |words| summed(&finished, words);
    assert_eq!((number("lines accepted"), number("delivered in")), (101, 101), "{}", finished.stderr);
    assert_eq!((number("bytes read"), number("blank lines and comments"), number("lines rejected"), number("stamped")), (text.len() as u64, 2, 2, 1));
    assert!(finished.stderr.contains("unterminated 1"), "by reason: {}", finished.stderr);
    assert_eq!((number("throttled"), number("with an unknown result"), number("dropped at the end")), (51, 1, 0), "{}", finished.stderr);
    let counts = server.counts();
    assert_eq!((number("requests,"), number("records and")), (counts.requests, 101));
    assert_eq!(number("requests repeated"), 0);
    assert_eq!(number("connections"), counts.connections, "{}", finished.stderr);
    assert!(number("bytes sent") > counts.body_bytes && number("received") > 1000, "{}", finished.stderr);
}

#[test]
fn twice_v_speaks_of_every_request_and_a_long_run_says_things_while_it_lasts() {
    let server = Server::start(Options::default());
    let finished = to(&server).args(["-vv"]).stdin(input(1600).1).run().assert_code(0);
    assert_eq!(finished.stderr.matches("debug: request ").count(), 4, "{}", finished.stderr);
    if is_full() {
        // What is held back is let go after five seconds.
        let mut running = to(&server).args(["-v", "--flush-interval", "0s"]).stdin_open().start();
        running.write(b"no fields\n");
        std::thread::sleep(std::time::Duration::from_secs(6));
        assert!(running.stderr().contains("line rejected"));
        running.close_stdin();
        running.wait().assert_code(0);
    }
}
