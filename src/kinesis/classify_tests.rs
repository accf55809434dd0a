//! Real bodies, as the services, the emulators and things in between write them, and what is made of each.

use super::*;

/// Status, `x-amzn-ErrorType`, `Content-Type`, body; class, code, and how the message begins.
type Row = (u16, Option<&'static str>, &'static str, &'static str, Class, &'static str, &'static str);

fn failure(status: u16, error_type: Option<&str>, content_type: &str, body: &[u8]) -> Failure {
    classify(&Head { status, error_type, content_type: Some(content_type), ..Head::default() }, body)
}

#[test]
fn every_known_error_body_gets_its_class_code_and_message() {
    const JSON: &str = "application/x-amz-json-1.1";
    const HTML: &str = "text/html";
    use Class::*;
    #[rustfmt::skip]
    let table: &[Row] = &[
        // Kinesis.
        (400, None, JSON, r#"{"__type":"ResourceNotFoundException","message":"Stream metrics under account 123456789012 not found."}"#, StreamMissing, "ResourceNotFoundException", "Stream metrics under"),
        (400, None, JSON, r#"{"__type":"com.amazonaws.kinesis.v20131202#ProvisionedThroughputExceededException","message":"Rate exceeded"}"#, Throttled, "ProvisionedThroughputExceededException", "Rate exceeded"),
        (400, Some("ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.availability/"), JSON, "", Throttled, "ThrottlingException", ""),
        (400, Some("com.amazonaws.kinesis.v20131202#ResourceNotFoundException:http://internal.amazon.com/coral/#x"), JSON, "{}", StreamMissing, "ResourceNotFoundException", ""),
        (400, None, JSON, r#"{"__type":"LimitExceededException"}"#, Throttled, "LimitExceededException", ""),
        (400, None, JSON, r#"{"__type":"KMSThrottlingException","message":"x"}"#, Throttled, "KMSThrottlingException", "x"),
        (400, None, JSON, r#"{"__type":"KMSDisabledException","message":"x"}"#, Misconfigured, "KMSDisabledException", "x"),
        (400, None, JSON, r#"{"__type":"KMSAccessDeniedException","message":"x"}"#, Denied, "KMSAccessDeniedException", "x"),
        (400, None, JSON, r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:iam::1:user/x is not authorized to perform: kinesis:PutRecords"}"#, Denied, "AccessDeniedException", "User: arn"),
        (400, None, JSON, r#"{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}"#, Credentials, "ExpiredTokenException", "The security token"),
        (400, None, JSON, r#"{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}"#, Credentials, "UnrecognizedClientException", "The security"),
        (400, None, JSON, r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20180920T174101Z is now earlier than 20180920T174504Z (20180920T175004Z - 5 min.)"}"#, Signature, "InvalidSignatureException", "Signature expired"),
        (400, None, JSON, r#"{"__type":"InvalidSignatureException","message":"Signature not yet current: 20180920T181101Z is still later than 20180920T180504Z (20180920T180004Z + 5 min.)"}"#, Signature, "InvalidSignatureException", "Signature not yet"),
        (403, None, JSON, r#"{"__type":"AccessDeniedException","message":"Signature expired: x"}"#, Signature, "AccessDeniedException", "Signature expired"),
        (403, None, JSON, r#"{"__type":"RequestTimeTooSkewed","message":"x"}"#, Signature, "RequestTimeTooSkewed", "x"),
        (400, None, JSON, r#"{"__type":"RequestExpired"}"#, Signature, "RequestExpired", ""),
        (400, None, JSON, r#"{"__type":"InvalidSignatureException","message":"Credential should be scoped to a valid region, not 'vpce'. "}"#, Misconfigured, "InvalidSignatureException", "Credential should be"),
        (400, None, JSON, r#"{"__type":"ValidationException","message":"1 validation error detected: Value at 'data' failed"}"#, Invalid, "ValidationException", "1 validation"),
        (500, None, JSON, r#"{"__type":"InternalFailure"}"#, Unavailable, "InternalFailure", ""),
        (503, None, JSON, "", Unavailable, "http_503", "no answer of AWS (status 503"),
        (400, None, JSON, r#"{"__type":"SomethingNewException","message":"x"}"#, Unknown, "SomethingNewException", "x"),
        (429, None, JSON, r#"{"__type":"SomethingNewException","message":"x"}"#, Throttled, "SomethingNewException", "x"),
        (400, None, JSON, r#"{"message":"first","__type":"ValidationException","code":"Other"}"#, Invalid, "ValidationException", "first"),
        (400, None, JSON, r#"{"__type":"ValidationException","message":"cut of"#, Invalid, "ValidationException", ""),
        // kinesis-local and kinesalite.
        (400, None, JSON, r#"{"__type":"SerializationException","Message":"class java.lang.Integer can not be converted to an String"}"#, Invalid, "SerializationException", "class java"),
        (400, None, JSON, r#"{"__type":"SerializationException"}"#, Invalid, "SerializationException", ""),
        (400, None, JSON, r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#, Credentials, "MissingAuthenticationTokenException", "Missing"),
        (403, None, "application/xml", "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n", Denied, "AccessDeniedException", "Unable to determine"),
        (404, None, "", "<UnknownOperationException/>\n", Misconfigured, "UnknownOperationException", ""),
        (404, None, "application/json", r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException","message":null},"Version":"1.0"}"#, Misconfigured, "UnknownOperationException", ""),
        (413, None, "", "", TooLarge, "http_413", "the request is too large (status 413"),
        (400, None, JSON, r#"{"__type":"ResourceInUseException","message":"Stream x under account 0 not ACTIVE"}"#, Unavailable, "ResourceInUseException", "Stream x"),
        (500, None, "", "", Unavailable, "http_500", "no answer"),
        // moto, with authentication enforced and without.
        (400, None, JSON, r#"{"__type": "InvalidArgumentException", "message": "Records size exceeds 5 MB limit"}"#, TooLarge, "InvalidArgumentException", "Records size"),
        (403, None, "text/xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"http://iam\">\n<Errors><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated doesn&apos;t match</Message></Error></Errors></ErrorResponse>", Signature, "SignatureDoesNotMatch", "The request signature we calculated doesn't"),
        (403, None, "text/html; charset=utf-8", "<ErrorResponse><Errors><Error><Code>InvalidClientTokenId</Code><Message>x</Message></Error></Errors></ErrorResponse>", Credentials, "InvalidClientTokenId", "x"),
        (500, None, HTML, "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>", Unavailable, "http_500", "a web page, perhaps of a captive portal or a proxy (status 500, text/html): \"500 Internal"),
        // Things in between.
        (403, None, HTML, "<html><head><TITLE>Log in</TITLE></head><Code>AccessDenied</Code></html>", Unknown, "http_403", "a web page, perhaps of a captive portal or a proxy (status 403, text/html): \"Log in\""),
        (401, None, "", "", Unknown, "http_401", "no answer of AWS (status 401"),
        (403, None, "application/json", r#"{"code":403,"message":"Forbidden by policy"}"#, Unknown, "http_403", "no answer of AWS"),
        (403, None, "application/json", r#"{"code":"FORBIDDEN","message":"policy"}"#, Unknown, "FORBIDDEN", "policy"),
        (407, None, HTML, "<html>Squid</html>", Unknown, "http_407", "proxy authentication required (status 407"),
        (302, None, HTML, "<html>Moved</html>", Unknown, "http_302", "redirect, perhaps a captive portal"),
        (204, None, "", "", Unknown, "http_204", "no answer of AWS (status 204"),
        (200, Some("AccessDeniedException"), JSON, r#"{"__type":"AccessDeniedException"}"#, Unknown, "http_200", "no answer"),
        (511, None, HTML, "", Unavailable, "http_511", "network authentication required"),
        (400, Some("not a code"), "text/plain", "nonsense", Unknown, "http_400", "no answer of AWS (status 400, text/plain): \"nonsense\""),
    ];
    for (status, error_type, content_type, body, class, code, message) in table {
        let failure = failure(*status, *error_type, content_type, body.as_bytes());
        assert_eq!((failure.class, failure.code.as_str()), (*class, *code), "{status} {body}");
        assert!(failure.message.starts_with(message), "{status} {body}: {}", failure.message);
        assert_eq!(failure.status, Some(*status));
    }
}

#[test]
fn an_echoed_authorization_header_is_masked() {
    // kinesalite's words for a signature without its date.
    let body = r#"{"__type":"IncompleteSignatureException","message":"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"}"#;
    let failure = failure(403, None, "application/x-amz-json-1.1", body.as_bytes());
    assert_eq!(failure.class, Class::Signature);
    assert!(!failure.message.contains("AKIDEXAMPLE") && !failure.message.contains("5d672d79"), "{}", failure.message);
    assert!(failure.message.contains("'X-Amz-Date'"), "{}", failure.message);
}

#[test]
fn hostile_bodies_are_read_within_bounds() {
    let long = format!(r#"{{"__type":"ValidationException","message":"{}"}}"#, "x\u{1f600}".repeat(7_000));
    let nested = format!(r#"{{"Error":{}"#, r#"{"Error":"#.repeat(20_000));
    let open = "<".repeat(100_000);
    for body in [
        long.as_bytes(),
        nested.as_bytes(),
        open.as_bytes(),
        &[0xff; 100_000],
        b"<Code>",
        b"{\"__type\":{\"__type\":[[[\"x\"]]]}}",
        b"<?xml",
        b"<title>",
    ] {
        let failure = failure(400, None, &"t".repeat(10_000), body);
        assert!(failure.message.len() <= MESSAGE_SIZE_MAX && failure.code.len() <= CODE_SIZE_MAX, "{failure:?}");
        assert!(failure.message.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_survived(status in 100u16..600, body: Vec<u8>, start in 0usize..4) {
        let mut bytes = [&b""[..], b"{\"message\":\"", b"<?xml?><", b"<html>"][start].to_vec();
        bytes.extend(body);
        let failure = failure(status, None, "x", &bytes);
        proptest::prop_assert!(failure.message.len() <= MESSAGE_SIZE_MAX);
    }
}
