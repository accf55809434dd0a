//! What the service may answer: credentials with a date of any year, refusals, and things that are no answer of its own.

use kinegraf::config::IotConfig;
use kinegraf::kinesis::outcome::Class;
use kinegraf::time::Now;

use super::chain::{SECRET, TOKEN, chain, config, device, error_by, error_of, later};
use super::service::{Authority, Service, answer, credentials, refusal};

#[test]
fn credentials_live_as_long_as_the_answers_own_date_says_however_wrong_our_clock_is() {
    let authority = Authority::new("root");
    let service = Service::start(&authority, |_| credentials("ASIA", SECRET, TOKEN, "Sun, 06 Nov 2033 08:49:37 GMT", "2033-11-06T09:04:37Z"));
    let files = device(&authority);
    let mut chain = chain(config(service.url(), &files));
    for (seconds, asked) in [(0.0, 1), (898.0, 1), (901.0, 2), (1700.0, 2), (1802.0, 3)] {
        chain.credentials(later(seconds)).unwrap();
        assert_eq!(service.requests().len(), asked, "{seconds} s");
    }
    // The clock is set, by years.
    chain.credentials(Now { wall: std::time::Duration::ZERO, ..later(1900.0) }).unwrap();
    assert_eq!(service.requests().len(), 3);
}

#[test]
fn each_refusal_of_the_service_says_what_to_do() {
    for (status, code, message, words) in [
        (403, "AccessDeniedException", "Access Denied", "iot:AssumeRoleWithCertificate for role alias 'kinegraf-alias'"),
        (403, "AccessDeniedException", "Certificate is invalid on this endpoint", "registered and ACTIVE in this account and region"),
        (404, "ResourceNotFoundException", "Role alias does not exist", "no role alias 'kinegraf-alias' in this account and region"),
        (404, "ResourceNotFoundException", "Not Found", "describe-endpoint --endpoint-type iot:CredentialProvider"),
        (400, "InvalidRequestException", "Unable to assume the role, or the role to assume does not exist", "trust credentials.iot.amazonaws.com"),
        (
            400,
            "InvalidRequestException",
            "The requested CredentialDurationSeconds exceeds the MaxSessionDuration set for the role",
            "aws iot update-role-alias",
        ),
        (400, "InvalidRequestException", "else", "look at role alias"),
    ] {
        let failure = error_by(refusal(status, code, message)).to_failure();
        assert_eq!((failure.class, failure.status, failure.code.as_str()), (Class::Denied, Some(status), code), "{failure:?}");
        assert!(failure.message.contains(message) && failure.message.contains(words), "{}", failure.message);
        assert!(failure.message.starts_with("AWS IoT credential provider: status "), "{}", failure.message);
    }
}

#[test]
fn a_thing_that_is_not_the_certificates_is_named() {
    let authority = Authority::new("root");
    let service = Service::start(&authority, |_| refusal(403, "AccessDeniedException", "Invalid thing name passed"));
    let files = device(&authority);
    let iot = IotConfig { thing_name: Some("pump-4".into()), ..config(service.url(), &files) };
    let text = error_of(iot).to_string();
    assert!(text.contains("attach the certificate to thing 'pump-4' (aws iot attach-thing-principal)"), "{text}");
}

#[test]
fn what_is_not_the_services_own_answer_never_ends_a_run() {
    let page = "<html><title>Log in</title>hunter2</html>";
    for (answer, words) in [
        (answer(200, "Content-Type: text/html\r\n", page), "web page"),
        (answer(403, "Content-Type: text/html\r\n", page), "a captive portal or a proxy?"),
        (answer(302, "Location: http://portal.example/\r\n", ""), "a captive portal or a proxy?"),
        (answer(200, "", "{\"credentials\":{\"accessKeyId\":\"A\",\"secretAccessKey\":\"hunter2"), "cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"credentials\":{\"secretAccessKey\":\"hunter2".to_vec(), "AWS IoT credential provider: "),
        (answer(200, "", "{\"credentials\":{}}"), "no credentials.accessKeyId"),
        (answer(200, "", &"x".repeat(40_000)), "more than 32768 bytes"),
        (b"hunter2 hunter2\r\n\r\n".to_vec(), "not HTTP"),
        (credentials("A", SECRET, TOKEN, "Fri, 15 Jan 2027 08:00:00 GMT", "2027-01-15T08:00:00Z"), "have expired already"),
    ] {
        let failure = error_by(answer).to_failure();
        assert_eq!(failure.class, Class::CredentialsUnavailable, "{failure:?}");
        assert!(failure.message.contains(words), "{words}: {}", failure.message);
    }
}

#[test]
fn a_service_that_cannot_be_reached_is_tried_again() {
    let files = device(&Authority::new("root"));
    let failure = error_of(config("https://localhost:1/".into(), &files)).to_failure();
    assert_eq!((failure.class, failure.code.as_str(), failure.status), (Class::CredentialsUnavailable, "connection_refused", None));
    assert!(failure.message.starts_with("AWS IoT credential provider: cannot connect to localhost"), "{}", failure.message);
}
