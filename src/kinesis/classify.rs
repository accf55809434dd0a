//! What an answer other than 200 means: its code and message, found in whatever form it came, and the [`Class`] that decides what happens next.
//!
//! Kinesis answers JSON, with the code in a header too. Emulators and older services answer XML, proxies and captive portals HTML; all of it is read by hand
//! within bounds. An answer that carries no code of a service is never a refusal, whatever its status: a proxy must not be able to end a run.
//! (A bare 413 is about size; it ends one only when it answers even the smallest request.)
//! Sources: botocore's retry tables and response parsers, the Kinesis service model, and the answers of kinesalite, kinesis-local and moto.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::aws::message;
use crate::kinesis::outcome::{Class, Failure};
use crate::limits::MESSAGE_SIZE_MAX;

/// Bytes of an error body that are searched: kinesalite's longest, for 501 bad records, has 32 kB, with the code in front or in a header.
const SEARCHED_MAX: usize = 64 << 10;
/// Bytes of a code; the longest known has 38.
const CODE_SIZE_MAX: usize = 80;
/// Bytes of the beginning of a body that nobody can read.
const BEGINNING_SIZE_MAX: usize = 120;

/// What of an answer's head tells what it means.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `x-amzn-ErrorType`.
    pub error_type: Option<&'a str>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `x-amz-retry-after` or `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Date`, since the Unix epoch.
    pub date: Option<Duration>,
}

/// The meaning of an answer whose status is not 200 (a 200 without a readable body is `put_records`' to tell).
pub fn classify(head: &Head<'_>, body: &[u8]) -> Failure {
    let body = &body[..body.len().min(SEARCHED_MAX)];
    let found = find(body);
    let code = head.error_type.and_then(bare_code).or(found.code);
    let text = found.message.unwrap_or_default();
    let class = match &code {
        Some(code) if head.status >= 400 => class_of(code, &text, head.status),
        _ => class_of_status(head.status),
    };
    let (code, message) = match code {
        Some(code) if head.status >= 400 => (code, message::fit(&text, MESSAGE_SIZE_MAX)),
        _ => (format!("http_{}", head.status), foreign(head, body)),
    };
    Failure { class, status: Some(head.status), code, message, retry_after: head.retry_after, date: head.date }
}

/// An answer that does not say what became of each record, and `found` in its place.
pub(crate) fn unknown_answer(status: u16, found: &str, body: &[u8]) -> Failure {
    let mut message = message::fit(&format!("the answer does not say what became of each record: {found}"), MESSAGE_SIZE_MAX / 2);
    message.push_str(&beginning(body));
    Failure { class: Class::Unknown, status: Some(status), code: "unexpected_answer".into(), message, retry_after: None, date: None }
}

/// Whether `code` says that we are too fast, of a request or of one record.
pub(crate) fn is_throttle(code: &str) -> bool {
    // `KMSThrottlingException` is in no SDK's list, but in the service model.
    matches!(
        code,
        "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "SlowDown"
            | "PriorRequestNotComplete"
            | "EC2ThrottledException"
            | "TransactionInProgressException"
            | "KMSThrottlingException"
    )
}

fn class_of(code: &str, text: &str, status: u16) -> Class {
    let said = |words: &str| text.contains(words);
    match code {
        _ if is_throttle(code) => Class::Throttled,
        // The size is refused under the same code as a bad record; halving mends the one, setting aside the other.
        _ if status == 413 || said("Records size exceeds") => Class::TooLarge,
        "RequestEntityTooLarge" | "RequestEntityTooLargeException" | "RequestTooLarge" | "RequestTooLargeException" => Class::TooLarge,
        _ if said("Signature expired") || said("Signature not yet current") => Class::Signature,
        // Signed for another region or service than the endpoint's: no clock and no new key mends that.
        _ if said("Credential should be scoped to") => Class::Misconfigured,
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignature" | "IncompleteSignatureException" => Class::Signature,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" | "AuthFailure" => Class::Signature,
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "TokenRefreshRequired" => Class::Credentials,
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => Class::Credentials,
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NotAuthorized" => Class::Credentials,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "KMSAccessDeniedException" => Class::Denied,
        "ResourceNotFoundException" => Class::StreamMissing,
        "KMSDisabledException" | "KMSInvalidStateException" | "KMSNotFoundException" | "KMSOptInRequired" => Class::Misconfigured,
        "OptInRequired" | "SubscriptionRequiredException" | "RegionDisabledException" | "AccountProblem" => Class::Misconfigured,
        "UnknownOperationException" | "InvalidAction" => Class::Misconfigured,
        "ValidationException" | "ValidationError" | "InvalidArgumentException" | "SerializationException" => Class::Invalid,
        "InternalFailure" | "InternalFailureException" | "InternalServerError" | "InternalServerErrorException" => Class::Unavailable,
        "ServiceUnavailable" | "ServiceUnavailableException" | "RequestTimeout" | "RequestTimeoutException" => Class::Unavailable,
        // A stream that is being created, changed or deleted.
        "ResourceInUseException" => Class::Unavailable,
        _ => class_of_status(status),
    }
}

fn class_of_status(status: u16) -> Class {
    match status {
        429 => Class::Throttled,
        413 => Class::TooLarge,
        408 | 500..=599 => Class::Unavailable,
        _ => Class::Unknown,
    }
}

/// Words for an answer that no service of AWS wrote.
fn foreign(head: &Head<'_>, body: &[u8]) -> String {
    let content_type = head.content_type.unwrap_or("no content type");
    let what = match head.status {
        407 => "proxy authentication required",
        413 => "the request is too large",
        511 => "network authentication required, log in to this network",
        300..=399 => "redirect, perhaps a captive portal or a proxy",
        _ if is_html(body) => "a web page, perhaps of a captive portal or a proxy",
        _ => "no answer of AWS",
    };
    let mut text = message::fit(&format!("{what} (status {}, {content_type})", head.status), MESSAGE_SIZE_MAX / 2);
    text.push_str(&beginning(body));
    text
}

/// `: "..."` with the page's title or the first words of the body; empty for an empty body.
fn beginning(body: &[u8]) -> String {
    let body = &body[..body.len().min(SEARCHED_MAX)];
    let words = match between(body, b"<title>", b"<") {
        Some(title) if is_html(body) => title,
        _ => body.trim_ascii(),
    };
    if words.is_empty() { String::new() } else { format!(": \"{}\"", message::fit_bytes(words, BEGINNING_SIZE_MAX)) }
}

fn is_html(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].iter().any(|tag| start.get(..tag.len()).is_some_and(|s| s.eq_ignore_ascii_case(tag)))
}

/// `com.amazonaws.kinesis.v20131202#Code:http://…` is `Code`: before the first `:`, after the last `#` there, as in Smithy. Nothing else than a code passes.
fn bare_code(text: &str) -> Option<String> {
    let text = text.split_once(':').map_or(text, |(code, _)| code);
    let text = text.rsplit_once('#').map_or(text, |(_, code)| code).trim();
    let is_code = (1..=CODE_SIZE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    (is_code && text.starts_with(|c: char| c.is_ascii_alphabetic())).then(|| text.to_owned())
}

/// What a body says of itself.
#[derive(Default)]
struct Found {
    code: Option<String>,
    message: Option<String>,
}

fn find(body: &[u8]) -> Found {
    match body.trim_ascii_start().first() {
        Some(b'{') => find_in_json(body),
        Some(b'<') if !is_html(body) => find_in_xml(body),
        _ => Found::default(),
    }
}

/// Members of the object, and of the objects one level in (kinesalite wraps an unknown operation into `Output`). A body that ends too early keeps what was
/// read before its end.
fn find_in_json(body: &[u8]) -> Found {
    let mut found = Found::default();
    // The error says only where the text stops being JSON; what was found before it stands.
    drop(serde_json::Deserializer::from_slice(body).deserialize_any(Members { found: &mut found, depth: 0 }));
    found
}

struct Members<'f> {
    found: &'f mut Found,
    depth: usize,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let inner = Members { found: self.found, depth: self.depth + 1 };
            match name.as_ref() {
                "__type" | "code" | "Code" if self.depth < 2 => {
                    let code = map.next_value_seed(inner)?.as_deref().and_then(bare_code);
                    if self.found.code.is_none() || name == "__type" {
                        self.found.code = code.or(self.found.code.take());
                    }
                }
                "message" | "Message" | "errorMessage" if self.depth < 2 => {
                    let text = map.next_value_seed(inner)?;
                    self.found.message = self.found.message.take().or(text);
                }
                "Output" | "Error" | "error" if self.depth < 1 => drop(map.next_value_seed(inner)?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Option<String>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de> serde::de::DeserializeSeed<'de> for Members<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// `<Code>` and `<Message>` wherever they are; else the name of the root element, when it is that of an exception.
fn find_in_xml(body: &[u8]) -> Found {
    let text = |start: &[u8]| between(body, start, b"<").map(|text| unescape(&String::from_utf8_lossy(&text[..text.len().min(4 << 10)])));
    let code = text(b"<Code>").as_deref().and_then(bare_code);
    let root = || {
        let mut body = body.trim_ascii_start();
        if body.starts_with(b"<?") {
            body = &body[memchr::memmem::find(body, b"?>")? + 2..];
        }
        let name = between(body, b"<", b">")?;
        let name = name.split(|b| b" /\t\r\n".contains(b)).next()?;
        bare_code(std::str::from_utf8(name).ok()?).filter(|name| name.ends_with("Exception"))
    };
    Found { code: code.or_else(root), message: text(b"<Message>").or_else(|| text(b"<message>")) }
}

/// The bytes between the first `start` (ASCII case ignored for lower-case HTML tags written otherwise) and the next `end`.
fn between<'b>(body: &'b [u8], start: &[u8], end: &[u8]) -> Option<&'b [u8]> {
    let at = if start == b"<title>" {
        body.windows(start.len()).position(|window| window.eq_ignore_ascii_case(start))?
    } else {
        memchr::memmem::find(body, start)?
    };
    let rest = &body[at + start.len()..];
    Some(rest[..memchr::memmem::find(rest, end)?].trim_ascii())
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&#39;", "'").replace("&amp;", "&")
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
