//! Secrets stay where they are: no output shows one (every test's output is looked through), no core dump holds one, and a file that everybody may read is said.

use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::common::{input, kinegraf, to};
use super::support::{ACCESS_KEY, Options, Program, REGION, SECRET_KEY, STREAM, Server, TempDir};

#[test]
fn a_secret_in_any_output_fails_the_test_that_sees_it() {
    for (script, leaks) in [("echo harmless", false), ("echo \"it is $AWS_SESSION_TOKEN.\"", true), ("echo x$AWS_SECRET_ACCESS_KEY >&2", true)] {
        let program = Program::exactly("/bin/sh").args(["-c", script]).env("AWS_SESSION_TOKEN", "TokenThatOnlyThisTestKnows");
        let program = program.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        assert_eq!(catch_unwind(AssertUnwindSafe(|| program.run())).is_err(), leaks, "{script}");
    }
}

#[test]
fn the_process_leaves_no_core_dump_and_no_other_process_of_its_user_may_look_into_it() {
    let server = Server::start(Options::default());
    let running = to(&server).stdin_open().start();
    let proc = format!("/proc/{}", running.pid());
    // It says so first of all; until then it is still being loaded.
    let limits = || std::fs::read_to_string(format!("{proc}/limits")).unwrap();
    let is_off =
        |limits: &str| limits.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with("Max core file size 0 0"));
    let start = std::time::Instant::now();
    while !is_off(&limits()) || !running.sleeps_in_read() {
        assert!(start.elapsed().as_secs() < 20, "{}", limits());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    // What is not dumpable belongs to root.
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("{proc}/environ")).unwrap()), 0);
    running.wait().assert_code(0);
}

#[test]
fn a_file_with_a_secret_that_every_user_may_read_is_said_once() {
    let (server, dir) = (Server::start(Options::default()), TempDir::new());
    let text = format!(
        "region = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{}\"\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n",
        server.url()
    );
    let file = dir.file("kinegraf.toml", &text);
    let warnings = |mode: u32| {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let finished = kinegraf().args(["--config"]).args([&file]).stdin(input(1).1).run().assert_code(0);
        finished.stderr.matches("every user may read it").count()
    };
    assert_eq!([0o644, 0o604, 0o640, 0o600].map(warnings), [1, 1, 0, 0]);
    // By a variable it stands in no file.
    std::fs::write(&file, text.replace(SECRET_KEY, "${THE_SECRET}")).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let finished = kinegraf().env("THE_SECRET", SECRET_KEY).args(["--config"]).args([&file]).stdin(input(1).1).run().assert_code(0);
    assert_eq!(finished.stderr, "");
    // The shared file, where it is what gave the keys.
    let program = || kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", &server.url()]).stdin(input(1).1);
    for (mode, said) in [(0o644, 1), (0o600, 0)] {
        let program = program();
        let file = program.home().join(".aws/credentials");
        std::fs::create_dir(program.home().join(".aws")).unwrap();
        std::fs::write(&file, format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(program.run().assert_code(0).stderr.matches("every user may read").count(), said);
    }
}
