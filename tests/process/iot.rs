//! The whole way of a field device: a certificate, the credential provider, the stream. Seen by what arrives, and by what is said when it does not.

use std::time::Duration;

use super::common::{assert_reason, assert_within, input, kinegraf};
use super::iot_service::{Authority, Files, P256, Request, Service, answer, credentials, refusal};
use super::support::sts::{Asked, Reply, Sts};
use super::support::{Key, Options, Program, REGION, STREAM, Server};

const ID: &str = "ASIALOOPBACKDEVICE01";
const SECRET: &str = "0123456789+/secret/of/a/device/012345678";
const TOKEN: &str = "SessionTokenOfTheDevice//////////wEaDAo=";

/// A stream that takes only what the provider gives.
fn kinesis() -> Server {
    Server::start(Options { keys: vec![Key::new(ID, SECRET, Some(TOKEN))], ..Options::default() })
}

/// For an hour, by the service's own clock.
fn hour(_: &Request) -> Vec<u8> {
    credentials(ID, SECRET, TOKEN, "Fri, 15 Jan 2027 08:00:00 GMT", "2027-01-15T09:00:00Z")
}

struct Device {
    authority: Authority,
    files: Files,
}

impl Device {
    fn new() -> Device {
        let authority = Authority::new("root of a loopback AWS IoT");
        let files = Files::new(&authority.device(P256, "sensor-17", (2020, 2090)), P256, &authority.pem());
        Device { authority, files }
    }

    /// Other keys are there too, in the environment: they must not be used.
    fn program(&self, kinesis: &Server, provider: &Service) -> Program {
        let text = format!(
            "region = \"{REGION}\"\nstreamname = \"{STREAM}\"\nendpoint_url = \"{}\"\n\n[credentials.iot]\nendpoint = \"{}\"\n\
             role_alias = \"kinegraf-alias\"\nthing_name = \"{{cn}}\"\ncertificate = \"$CREDENTIALS_DIRECTORY/device.pem\"\n\
             private_key = \"$CREDENTIALS_DIRECTORY/device.key\"\nca = \"$CREDENTIALS_DIRECTORY/AmazonRootCA1.pem\"\n",
            kinesis.url(),
            provider.url().trim_end_matches('/'),
        );
        let program = kinegraf().args(["--config"]).args([self.files.dir.file("kinegraf.toml", text)]);
        program.env("CREDENTIALS_DIRECTORY", self.files.dir.path()).env("AWS_ACCESS_KEY_ID", "AKIAOTHER").env("AWS_SECRET_ACCESS_KEY", "other")
    }
}

/// Nothing that is secret is in what it said.
fn assert_discreet(said: &str) {
    let key_line = P256.lines().nth(1).unwrap();
    assert!([SECRET, TOKEN, key_line].iter().all(|secret| !said.contains(secret)), "{said}");
}

#[test]
fn a_device_with_nothing_but_its_certificate_delivers() {
    let (device, kinesis, (lines, bytes)) = (Device::new(), kinesis(), input(300));
    let provider = Service::start(&device.authority, hour);
    let finished = device.program(&kinesis, &provider).args(["-v", "-v", "-v"]).stdin(bytes).run().assert_code(0);
    assert_eq!(kinesis.assert_stored(STREAM, &lines), 0);
    let [asked] = &provider.requests()[..] else { panic!("asked {} times", provider.requests().len()) };
    assert_eq!(asked.line, "GET /role-aliases/kinegraf-alias/credentials HTTP/1.1");
    assert_eq!(asked.header("x-amzn-iot-thingname"), Some("sensor-17"));
    assert_discreet(&finished.stderr);
}

#[test]
fn a_role_is_assumed_with_what_the_certificate_gives() {
    const ARN: &str = "arn:aws:iam::210987654321:role/of-another-account";
    let session = || Key::new("ASIASESSION000000001", "0123456789+/secret/of/the/session/012345", Some("TokenOfTheSession//////wEaDAo="));
    let (device, (lines, bytes)) = (Device::new(), input(5));
    let kinesis = Server::start(Options { keys: vec![session()], ..Options::default() });
    let (provider, sts) =
        (Service::start(&device.authority, hour), Sts::start(move |asked: &Asked| Reply::Answer(asked.granted(&session(), 3600, 0))));
    let program = device.program(&kinesis, &provider).env("AWS_ENDPOINT_URL_STS", sts.url()).args(["--role-arn", ARN, "-vv"]);
    let finished = program.stdin(bytes).run().assert_code(0);
    assert_eq!(kinesis.assert_stored(STREAM, &lines), 0);
    let account = sts.account();
    assert!(account.len() == 1 && account[0].get("RoleArn") == ARN && account[0].is_signed_by(&Key::new(ID, SECRET, Some(TOKEN)), REGION));
    assert_discreet(&finished.stderr);
}

#[test]
fn a_refused_device_hands_its_lines_back_with_77_and_says_what_is_missing() {
    let (device, kinesis) = (Device::new(), kinesis());
    let provider = Service::start(&device.authority, |_| refusal(403, "AccessDeniedException", "Access Denied"));
    let finished = device.program(&kinesis, &provider).args(["--deadline", "4s"]).stdin(input(5).1).run().assert_code(77);
    assert_reason(&finished, &["5 lines handed back", "Access Denied", "iot:AssumeRoleWithCertificate", "kinegraf-alias"]);
    assert_discreet(&finished.stderr);
    assert_eq!(kinesis.counts().requests, 0);
}

#[test]
fn a_key_that_is_not_the_certificates_is_77_before_anything_is_sent() {
    let (device, kinesis) = (Device::new(), kinesis());
    let provider = Service::start(&device.authority, hour);
    std::fs::write(&device.files.private_key, include_str!("../aws_iot/keys/rsa.pkcs8.pem")).unwrap();
    let finished = device.program(&kinesis, &provider).args(["--deadline", "4s"]).stdin(input(5).1).run().assert_code(77);
    assert_reason(&finished, &["device.key (credentials.iot.private_key): not the key of the certificate in"]);
    assert_eq!((provider.shown(), kinesis.counts().requests), (0, 0));
}

#[test]
fn a_busy_provider_is_left_alone_and_asked_again_within_the_run() {
    let (device, kinesis, (lines, bytes)) = (Device::new(), kinesis(), input(20));
    let mut answers = 0;
    let provider = Service::start(&device.authority, move |request| {
        answers += 1;
        if answers == 1 { refusal(429, "ThrottlingException", "Rate exceeded") } else { hour(request) }
    });
    // The first wait is at most 2 s.
    device.program(&kinesis, &provider).args(["--shutdown-timeout", "30s"]).stdin(bytes).run().assert_code(0);
    assert_eq!((kinesis.assert_stored(STREAM, &lines), provider.requests().len()), (0, 2));

    let provider = Service::start(&device.authority, |_| answer(503, "Retry-After: 60\r\n", ""));
    let finished = device.program(&kinesis, &provider).args(["--deadline", "2s"]).stdin(input(5).1).run().assert_code(75);
    assert_reason(&finished, &["5 lines handed back", "status 503", "it is asked again in "]);
    assert_within(&finished, Duration::from_secs(2));
    assert_eq!(provider.requests().len(), 1);
}
