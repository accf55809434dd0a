//! The sources that are asked over HTTP on the machine itself, by the real binary: the Kinesis takes their keys only, session token and all.

use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf};
use super::support::metadata::{Blackhole, CONTAINER_PATH, GREENGRASS_PATH, Metadata, Step, Trouble};
use super::support::{Key, Options, Program, REGION, STREAM, Server, TempDir};

const SECRET: &str = "metadata/secret+key/of/forty/characters/";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJHMEUCIQ";
const IMDS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

fn key() -> Key {
    Key::new("ASIAMETADATA00000001", SECRET, Some(TOKEN))
}

fn server() -> Server {
    Server::start(Options { keys: vec![key()], ..Options::default() })
}

/// Without keys; EC2's service is looked for.
fn program(server: &Server) -> Program {
    let program = kinegraf().args(["--region", REGION, "--stream", STREAM, "--endpoint-url", &server.url()]);
    program.without_env("AWS_EC2_METADATA_DISABLED")
}

#[test]
fn keys_of_the_instance_deliver() {
    let (server, service, (lines, bytes)) = (server(), Metadata::start(key()), input(20));
    let finished = program(&server).env(IMDS, service.url()).args(["-vv"]).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert_eq!(service.steps(), [Step::Token, Step::Roles, Step::Keys]);
    assert!(finished.stderr.contains("found by EC2 instance metadata"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(SECRET) && !finished.stderr.contains(TOKEN));
}

#[test]
fn keys_of_the_container_deliver() {
    let (service, dir, (lines, bytes)) = (Metadata::start(key()), TempDir::new(), input(20));
    service.change(|state| state.authorization = Some("container/secret".into()));
    let file = dir.file("token", "container/secret");
    for (path, name, value) in [
        (CONTAINER_PATH, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap()),
        (GREENGRASS_PATH, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "container/secret"),
    ] {
        let server = server();
        let program = program(&server).env(FULL, format!("http://localhost:{}{path}", service.port())).env(name, value);
        let finished = program.args(["-vv"]).stdin(bytes.clone()).run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
        assert!(![SECRET, TOKEN, "container/secret"].iter().any(|secret| finished.stderr.contains(secret)), "{}", finished.stderr);
    }
    assert_eq!(service.steps(), [Step::Container, Step::Container]);
}

/// A board in the field: nothing is configured and nobody answers.
#[test]
fn without_any_source_a_run_says_all_that_it_passed_over_after_a_second() {
    let (server, nowhere) = (server(), Blackhole::start());
    let finished = program(&server).env(IMDS, nowhere.url()).stdin(input(5).1).run().assert_code(77);
    assert_within(&finished, Duration::from_millis(1100));
    let names = ["explicit keys", "profile", "environment", "environment's web identity", "default profile", "container endpoint"];
    assert_reason(&finished, &names);
    assert_reason(&finished, &["EC2 instance metadata (nobody answered at http://127.0.0.1:", "within 1 s)", "-vv says why"]);
    assert_eq!(server.counts().requests, 0);
}

#[test]
fn a_service_that_recovers_within_the_run_loses_nothing() {
    let (server, service, (lines, bytes)) = (server(), Metadata::start(key()), input(20));
    // More than one fetch tries, so that the run has to come back to it.
    service.trouble(Step::Token, 5, Trouble::Answer(503, "text/html", String::new()));
    program(&server).env(IMDS, service.url()).args(["--shutdown-timeout", "30s"]).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}
