//! The helper that runs programs tells how they ended, with a shell as the program.

use std::io::Write;
use std::time::Duration;

use super::support::{Program, TempDir};

fn shell(script: &str) -> Program {
    Program::exactly("/bin/sh").args(["-c", script])
}

#[test]
fn a_program_is_fed_and_its_words_and_its_end_are_told() {
    let finished = shell("cat; echo first >&2; echo second >&2; exit 75").stdin("a\nb\n").run().assert_code(75);
    assert_eq!((finished.stdout.as_slice(), finished.first_line()), (b"a\nb\n".as_slice(), "first"));
    let million = vec![b'x'; 1 << 20];
    assert_eq!(shell("cat").stdin(million.clone()).run().stdout, million);
    assert_eq!(shell("wc -c").stdin_by(|pipe| (0..1000).try_for_each(|_| pipe.write_all(b"0123456789"))).run().stdout, b"10000\n");
    let dir = TempDir::new();
    assert_eq!(shell("cat").stdin_file(dir.file("input", "from a file")).run().stdout, b"from a file");
    assert_eq!(shell("exit 3").stdin(million).run().code, Some(3), "a broken pipe is not the test's failure");
}

#[test]
fn a_program_sees_only_the_environment_it_is_given() {
    let finished = shell("echo $A-$HOME-$CARGO_MANIFEST_DIR-$B").env("A", "1").env("B", "2").without_env("B").run();
    let words = String::from_utf8(finished.stdout).unwrap();
    assert!(words.starts_with("1-") && words.ends_with("--\n") && words.contains("kinegraf-test-"), "{words}");
}

#[test]
fn a_program_can_be_signalled_and_its_memory_is_seen() {
    let mut running = shell("trap 'exit 7' TERM; echo ready >&2; while :; do sleep 0.01; done").stdin_open().start();
    while !running.stderr().contains("ready") {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(running.peak_rss() > 100_000 && running.rss().is_some());
    running.signal("TERM");
    let finished = running.wait();
    assert_eq!((finished.code, finished.signal), (Some(7), None));
    assert!(finished.peak_rss > 100_000);
    let running = shell("exec sleep 10").start();
    running.signal("KILL");
    assert_eq!(running.wait().signal, Some(9));
}

#[test]
fn a_program_that_does_not_end_is_killed_and_reported() {
    let patience = std::panic::catch_unwind(|| shell("echo stuck >&2; exec sleep 60").limit(Duration::from_millis(200)).run());
    let report = *patience.unwrap_err().downcast::<String>().unwrap();
    assert!(report.contains("did not end within 200ms") && report.contains("stuck"), "{report}");
}
