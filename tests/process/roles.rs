//! Roles, as the program assumes them: over keys and by a token, what signs in the end, what is said when STS refuses, and that an STS which is down is no
//! refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf};
use super::support::http::Answer;
use super::support::signature::{self, Key};
use super::support::sts::{Asked, Reply, Sts, refusal};
use super::support::{ACCESS_KEY, Options, Program, REGION, SECRET_KEY, STREAM, Server, TempDir, calendar};

const ARN: &str = "arn:aws:iam::123456789012:role/edge/writer";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl";

/// What the role's session has; the stream takes nothing else.
fn session() -> Key {
    Key::new("ASIASESSION000000001", "0123456789+/secret/of/the/session/012345", Some("TokenOfTheSession//////wEaDAo="))
}

fn only_the_session_may_write() -> Server {
    Server::start(Options { keys: vec![session()], ..Options::default() })
}

fn granted(asked: &Asked) -> Reply {
    Reply::Answer(asked.granted(&session(), 3600, 0))
}

/// The program with the keys of a user in its environment.
fn to(server: &Server, sts: &Sts) -> Program {
    kinegraf().to(server, STREAM).env("AWS_ENDPOINT_URL_STS", sts.url()).args(["-vv"])
}

fn assert_no_secret(said: &str) {
    for secret in [SECRET_KEY, &session().secret_key, &session().token.unwrap(), TOKEN, "Signature="] {
        assert!(!said.contains(secret), "{secret} is in the output: {said}");
    }
}

#[test]
fn a_role_over_the_keys_of_the_environment_signs_what_is_delivered() {
    let (server, sts, (lines, bytes)) = (only_the_session_may_write(), Sts::start(granted), input(3000));
    let finished = to(&server, &sts).args(["--role-arn", ARN]).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    assert!(server.counts().requests > 1 && server.counts().refused.is_empty());
    let account = sts.account();
    assert_eq!((account.len(), account[0].get("RoleArn")), (1, ARN), "asked once for all requests");
    assert!(account[0].is_signed_by(&Key::new(ACCESS_KEY, SECRET_KEY, None), REGION));
    assert_no_secret(&finished.stderr);
}

#[test]
fn a_role_over_explicit_keys_is_asked_for_as_the_file_says() {
    let (server, sts, dir, (lines, bytes)) = (only_the_session_may_write(), Sts::start(granted), TempDir::new(), input(5));
    let text = format!(
        "access_key = \"AKIAEXPLICIT00000000\"\nsecret_key = \"explicit/secret\"\nrole_arn = \"{ARN}\"\nrole_session_name = \"pump-7\"\nexternal_id = \"fleet:7\"\n"
    );
    let config = dir.file("kinegraf.toml", text);
    let finished = to(&server, &sts).args(["--config"]).args([config]).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    let account = sts.account();
    assert!(account[0].is_signed_by(&Key::new("AKIAEXPLICIT00000000", "explicit/secret", None), REGION));
    assert_eq!((account[0].get("RoleSessionName"), account[0].get("ExternalId")), ("pump-7", "fleet:7"));
    assert!(!finished.stderr.contains("explicit/secret"));
}

#[test]
fn the_roles_of_a_profile_and_of_its_source_are_assumed_one_with_the_other() {
    const FIRST: &str = "arn:aws:iam::123456789012:role/first";
    let (server, dir, (lines, bytes)) = (only_the_session_may_write(), TempDir::new(), input(5));
    let between = || Key::new("ASIABETWEEN000000001", "0123456789+/secret/in/between/0123456789", Some("TokenInBetween"));
    let sts = Sts::start(move |asked: &Asked| Reply::Answer(asked.granted(&if asked.number == 0 { between() } else { session() }, 3600, 0)));
    let config = dir.file(
        "config",
        format!(
            "[profile edge]\nrole_arn = {ARN}\nsource_profile = first\nexternal_id = fleet:7\nduration_seconds = 900\n\n\
             [profile first]\nrole_arn = {FIRST}\nsource_profile = base\n\n\
             [profile base]\naws_access_key_id = AKIABASE000000000000\naws_secret_access_key = base/secret\n"
        ),
    );
    let finished = to(&server, &sts).env("AWS_CONFIG_FILE", config).args(["--profile", "edge"]).stdin(bytes).run().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
    let account = sts.account();
    assert_eq!(account.len(), 2);
    assert!(account[0].get("RoleArn") == FIRST && account[0].is_signed_by(&Key::new("AKIABASE000000000000", "base/secret", None), REGION));
    assert!(account[1].get("RoleArn") == ARN && account[1].is_signed_by(&between(), REGION));
    assert_eq!((account[1].get("ExternalId"), account[1].get("DurationSeconds")), ("fleet:7", "900"));
    assert!(!finished.stderr.contains("base/secret") && !finished.stderr.contains("TokenInBetween"));
    assert_no_secret(&finished.stderr);
}

#[test]
fn a_token_assumes_the_role_by_file_and_by_environment_without_any_keys() {
    let dir = TempDir::new();
    let token = dir.file("token", format!("{TOKEN}\n"));
    let config = dir.file("kinegraf.toml", format!("role_arn = \"{ARN}\"\nweb_identity_token_file = \"{}\"\n", token.display()));
    let by_file = |program: Program| program.args(["--config"]).args([&config]);
    let by_environment = |program: Program| program.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token).env("AWS_ROLE_ARN", ARN);
    let shared = dir.file("config", format!("[default]\nrole_arn = {ARN}\nweb_identity_token_file = {}\n", token.display()));
    let by_profile = |program: Program| program.env("AWS_CONFIG_FILE", &shared);
    for by in [&by_file as &dyn Fn(Program) -> Program, &by_environment, &by_profile] {
        let (server, sts, (lines, bytes)) = (only_the_session_may_write(), Sts::start(granted), input(5));
        let program = by(to(&server, &sts)).without_env("AWS_ACCESS_KEY_ID").without_env("AWS_SECRET_ACCESS_KEY");
        let finished = program.stdin(bytes).run().assert_code(0);
        assert_eq!(server.assert_stored(STREAM, &lines), 0);
        let account = sts.account();
        assert_eq!((account[0].get("WebIdentityToken"), account[0].head.header("authorization")), (TOKEN, None));
        assert_no_secret(&finished.stderr);
    }
}

#[test]
fn what_sts_refuses_ends_a_run_with_the_code_and_the_words_of_its_cause() {
    for (status, code, ends_with, words) in [
        (403, "AccessDenied", 77, "the role's trust policy must allow who signs"),
        (403, "InvalidClientTokenId", 77, "no such access key"),
        (403, "SignatureDoesNotMatch", 77, "The words of the service"),
        (403, "ExpiredToken", 77, "the session that signs has expired"),
        (403, "RegionDisabledException", 78, "set AWS_ENDPOINT_URL_STS"),
        (400, "ValidationError", 78, "The words of the service"),
    ] {
        let server = only_the_session_may_write();
        let sts = Sts::start(move |_: &Asked| Reply::Answer(refusal(status, code, "The words of the service")));
        let program = to(&server, &sts).args(["--role-arn", ARN, "--deadline", "20s"]);
        let finished = program.stdin(input(5).1).run().assert_code(ends_with);
        assert_reason(&finished, &[STREAM, REGION, code, "AssumeRole of arn:aws:iam::123456789012:role/edge/writer", words, "5 lines handed back"]);
        assert_within(&finished, Duration::from_secs(2));
        assert!(sts.account().len() <= 2 && server.counts().requests == 0, "{code}: {} asked", sts.account().len());
        assert_no_secret(&finished.stderr);
    }
}

#[test]
fn an_sts_that_is_down_or_somebody_else_is_no_refusal() {
    let html = || Answer::new(403, "text/html", "<html><title>Log in</title></html>");
    for (answer, words) in [
        (Box::new(|| Reply::Answer(refusal(503, "ServiceUnavailable", "later"))) as Box<dyn Fn() -> Reply + Send>, "ServiceUnavailable"),
        (Box::new(|| Reply::Answer(refusal(400, "Throttling", "Rate exceeded"))), "Throttling"),
        (Box::new(move || Reply::Answer(html())), "Log in"),
        (Box::new(|| Reply::Raw(Vec::new())), "AssumeRole"),
    ] {
        let (server, sts) = (only_the_session_may_write(), Sts::start(move |_: &Asked| answer()));
        let program = to(&server, &sts).args(["--role-arn", ARN, "--deadline", "700ms"]);
        let finished = program.stdin(input(5).1).run().assert_code(75);
        assert_reason(&finished, &["not delivered in time", words, "5 lines handed back"]);
        assert_within(&finished, Duration::from_secs(1));
    }
    // One that does not answer takes no more of the run than there is.
    let (server, sts) =
        (only_the_session_may_write(), Sts::start(|asked: &Asked| Reply::Late(Duration::from_secs(3), asked.granted(&session(), 900, 0))));
    let finished = to(&server, &sts).args(["--role-arn", ARN, "--deadline", "700ms"]).stdin(input(5).1).run().assert_code(75);
    assert_reason(&finished, &["not delivered in time", "5 lines handed back"]);
    assert!(finished.time < Duration::from_secs(3), "{:?}", finished.time);
    let program = kinegraf().to(&server, STREAM).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    let finished = program.args(["--role-arn", ARN, "--deadline", "700ms"]).stdin(input(5).1).run().assert_code(75);
    assert_reason(&finished, &["AssumeRole", "http://127.0.0.1:1/", "refused"]);
}

#[test]
fn a_token_that_is_not_there_or_an_sts_in_the_open_is_said_and_nobody_is_asked() {
    let (server, sts) = (only_the_session_may_write(), Sts::start(granted));
    let bare = || to(&server, &sts).without_env("AWS_ACCESS_KEY_ID").without_env("AWS_SECRET_ACCESS_KEY").args(["--deadline", "20s"]);
    for (program, words) in [
        (bare().env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token").env("AWS_ROLE_ARN", ARN), "/nowhere/token: cannot be read"),
        (bare().env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token"), "AWS_WEB_IDENTITY_TOKEN_FILE is set but AWS_ROLE_ARN is missing"),
        (
            to(&server, &sts).args(["--role-arn", ARN]).env("AWS_ENDPOINT_URL_STS", "http://sts.example"),
            "must be https unless network.allow_plain_http",
        ),
    ] {
        let finished = program.stdin(input(5).1).run().assert_code(77);
        assert_reason(&finished, &["no credentials for stream", words]);
    }
    assert_eq!((sts.account().len(), server.counts().requests), (0, 0));
}

#[test]
fn a_clock_that_is_years_off_is_corrected_by_the_refusal_of_sts() {
    for ahead_s in [-86_400 * 400, 86_400 * 4000] {
        let (server, (lines, bytes)) = (only_the_session_may_write(), input(500));
        server.set_clock_ahead(ahead_s);
        let sts = Sts::start(move |asked: &Asked| {
            let now_s = calendar::now_s() + ahead_s;
            match signature::check_time(asked.head.header("x-amz-date").unwrap(), now_s) {
                Ok(()) => Reply::Answer(asked.granted(&session(), 900, ahead_s)),
                Err(refused) => Reply::Answer(refusal(403, "SignatureDoesNotMatch", &refused.message).with("Date", calendar::http(now_s))),
            }
        });
        to(&server, &sts).args(["--role-arn", ARN, "--deadline", "20s"]).stdin(bytes).run().assert_code(0);
        assert_eq!((server.assert_stored(STREAM, &lines), sts.account().len()), (0, 2), "refused once, granted once");
        assert!(server.counts().refused.is_empty(), "Kinesis sees the right time at once");
    }
}

#[test]
fn a_role_that_may_be_assumed_again_before_the_end_of_the_pipe_loses_nothing() {
    let (server, (lines, bytes)) = (only_the_session_may_write(), input(50));
    let sts = Sts::start(|asked: &Asked| match asked.number {
        0..3 => Reply::Answer(refusal(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")),
        _ => granted(asked),
    });
    let mut running = to(&server, &sts).args(["--role-arn", ARN, "--flush-interval", "0s"]).stdin_open().start();
    running.write(&bytes);
    let waited = std::time::Instant::now();
    while sts.account().len() < 3 && waited.elapsed() < Duration::from_secs(40) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!running.has_ended());
    running.close_stdin();
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}

#[test]
fn an_sts_that_is_back_at_the_end_of_the_pipe_is_asked_though_it_was_away_for_long() {
    let (server, (lines, bytes), up) = (only_the_session_may_write(), input(50), Arc::new(AtomicBool::new(false)));
    let is_up = up.clone();
    let sts = Sts::start(move |asked: &Asked| match is_up.load(Ordering::SeqCst) {
        true => granted(asked),
        false => Reply::Answer(refusal(503, "ServiceUnavailable", "later")),
    });
    let arguments = ["--role-arn", ARN, "--flush-interval", "0s", "--shutdown-timeout", "500ms"];
    let mut running = to(&server, &sts).args(arguments).stdin_open().start();
    running.write(&bytes);
    // Longer waits than what is left at the end.
    let began = std::time::Instant::now();
    while sts.account().len() < 5 && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(began.elapsed() > Duration::from_secs(1), "no burst");
    up.store(true, Ordering::SeqCst);
    running.close_stdin();
    running.wait().assert_code(0);
    assert_eq!(server.assert_stored(STREAM, &lines), 0);
}
