//! What EC2's and the container's service have in common: a neighbour on this machine that is asked without a proxy, with little patience, and answers with a
//! small JSON document of keys.
//!
//! It knows neither's addresses nor what their refusals mean. No redirect is followed, nothing of an answer with status 200 is shown (it may be a cut key), and
//! what held keys is wiped.

use std::fmt;
use std::thread;
use std::time::Duration;

use aws_credential_types::Credentials;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::{Context, CredentialsError, Found, expiry};
use crate::aws::http::{Answer, Http, HttpError, HttpErrorKind, HttpOptions, Method, ProxyOption};
use crate::aws::message;
use crate::kinesis::outcome::Class;
use crate::limits::MESSAGE_SIZE_MAX;
use crate::random::Random;
use crate::time::Now;

/// Bytes of an answer. A document with a session token of many tags has some 3 KiB.
const REPLY_SIZE_MAX: usize = 16 << 10;
/// Before the second attempt, in milliseconds, half of it random; twice as long before each further one.
const PAUSE_MS: u64 = 100;
/// Bytes of what an error answer says of itself.
const SAID_SIZE_MAX: usize = 160;

/// How long, and how often, a service is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    /// For an answer's head, and again for its body.
    pub(super) answer: Duration,
    /// How often in all; at least once.
    pub(super) attempts: u32,
    /// Whether a call that nobody answered is made again too, not only one that was answered with 5xx.
    pub(super) insistent: bool,
}

/// One request, without a body.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

/// A client for one fetch.
pub(super) struct Metadata {
    http: Http,
    patience: Patience,
    reply: Zeroizing<Vec<u8>>,
}

impl Metadata {
    /// `options` says which addresses may be connected to; CA files are read where `url` is https.
    pub(super) fn new(context: &Context<'_>, who: &str, options: &HttpOptions, url: &str, patience: Patience) -> Result<Metadata, CredentialsError> {
        let ca_files = if is_https(url) { options.ca_files.clone() } else { Vec::new() };
        let http = context.client(
            who,
            &HttpOptions {
                ca_files,
                proxy: ProxyOption::Never,
                connect_timeout: patience.connect,
                progress_timeout: patience.answer,
                answer_timeout: patience.answer,
                reply_size_max: REPLY_SIZE_MAX,
                ..options.clone()
            },
        )?;
        // Never grown: growing would leave a copy behind that nobody wipes.
        Ok(Metadata { http, patience, reply: Zeroizing::new(Vec::with_capacity(REPLY_SIZE_MAX + 64)) })
    }

    /// The answer, whatever its status; a 5xx only after the last attempt.
    pub(super) fn ask(&mut self, random: &mut Random, call: &Call<'_>) -> Result<Answer, HttpError> {
        let mut attempt = 1;
        loop {
            let result = self.http.request(call.method, call.url, call.headers, b"", &mut self.reply);
            let again = match &result {
                Ok(answer) => answer.status >= 500,
                Err(error) => self.patience.insistent && error.kind != HttpErrorKind::Unsendable,
            };
            if !again || attempt >= self.patience.attempts {
                return result;
            }
            let pause_ms = PAUSE_MS << (attempt - 1).min(4);
            thread::sleep(Duration::from_millis(pause_ms / 2 + random.up_to(pause_ms / 2)));
            attempt += 1;
        }
    }

    /// The body of the last answer. Holds secrets.
    pub(super) fn body(&self) -> &[u8] {
        &self.reply
    }

    /// What the last answer, which is not 200, means: a person can mend what was refused, the rest is tried again.
    pub(super) fn refusal(&self, who: &str, answer: &Answer) -> CredentialsError {
        let status = answer.status;
        let text = match status {
            300..=399 => format!("{who}: a redirect (status {status}), which is not followed: somebody else answers in its place"),
            _ => match Document::read(self.body()).ok().and_then(|document| document.said()) {
                Some(said) => format!("{who}: {said} (status {status})"),
                None => format!("{who}: {}", describe(answer, self.body().len())),
            },
        };
        let class = match status {
            400..=407 | 409..=428 | 430..=499 => Class::NoCredentials,
            _ => Class::CredentialsUnavailable,
        };
        CredentialsError { status: Some(status), retry_after: answer.retry_after, ..CredentialsError::of(class, "metadata_refused", text) }
    }

    /// The document of the last answer, which is 200.
    pub(super) fn document(&self, who: &str, answer: &Answer) -> Result<Document, CredentialsError> {
        Document::read(self.body()).map_err(|what| garbage(who, &format!("{what} ({})", describe(answer, self.body().len()))))
    }
}

/// An answer that the service cannot have given. Another may follow: a captive portal goes away.
pub(super) fn garbage(who: &str, what: &str) -> CredentialsError {
    CredentialsError::unavailable("metadata_garbage", format!("{who}: {what}"))
}

/// Whether the URL says https, in any case.
pub(super) fn is_https(url: &str) -> bool {
    starts_with(url, "https://")
}

/// Whether it is an absolute URL of http or https without a blank; the rest is the client's to judge.
pub(super) fn is_url(url: &str) -> bool {
    let absolute = is_https(url) || starts_with(url, "http://");
    absolute && url.bytes().all(|b| b.is_ascii_graphic())
}

/// Scheme, host and port of a URL, for errors: its path may be what lets one in.
pub(super) fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    message::fit(&format!("{scheme}://{host}"), SAID_SIZE_MAX)
}

/// Whether a header can carry it as it is.
pub(super) fn fits_header(value: &[u8]) -> bool {
    value.iter().all(|b| (b' '..=b'~').contains(b))
}

fn starts_with(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(start.as_bytes()))
}

/// An answer without its text.
fn describe(answer: &Answer, size: usize) -> String {
    let kind = answer.content_type.as_deref().map_or_else(|| "no content type".into(), |kind| message::fit(kind, 60));
    format!("status {}, {kind}, {size} bytes", answer.status)
}

type Text = Zeroizing<String>;

/// What both services write. Wiped, and without `Debug`: it holds secrets.
#[derive(Default)]
pub(super) struct Document {
    /// EC2's success or failure, and a container's failure.
    pub(super) code: Option<Text>,
    message: Option<Text>,
    id: Option<Text>,
    secret: Option<Text>,
    token: Option<Text>,
    expiration: Option<Text>,
}

impl Document {
    /// The error shows nothing of the text.
    fn read(bytes: &[u8]) -> Result<Document, &'static str> {
        serde_json::from_slice(bytes).map_err(|error| match error.classify() {
            serde_json::error::Category::Eof => "the answer is cut short",
            serde_json::error::Category::Data => "the answer is not a JSON object of strings",
            _ => "the answer is not JSON",
        })
    }

    /// Code and message, where there is one.
    pub(super) fn said(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.code, &self.message].into_iter().flatten().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
        (!parts.is_empty()).then(|| message::fit(&parts.join(": "), SAID_SIZE_MAX))
    }

    /// The keys, which are used beyond their expiry while the service gives no others, as AWS does.
    ///
    /// Keys with a session token must say when they expire.
    pub(super) fn into_found(mut self, who: &str, provider: &'static str, date: Option<Duration>, now: Now) -> Result<Found, CredentialsError> {
        let take = |text: &mut Option<Text>, name: &str| {
            let text = text.take().filter(|text| !text.is_empty());
            match text {
                Some(text) if text.bytes().any(|b| !b.is_ascii_graphic()) => {
                    Err(garbage(who, &format!("{name} has a space, a control character or a letter beyond ASCII in it")))
                }
                text => Ok(text),
            }
        };
        let missing = |name: &str| garbage(who, &format!("the answer has no {name}"));
        let id = take(&mut self.id, "AccessKeyId")?.ok_or_else(|| missing("AccessKeyId"))?;
        let secret = take(&mut self.secret, "SecretAccessKey")?.ok_or_else(|| missing("SecretAccessKey"))?;
        let token = take(&mut self.token, "Token")?;
        let expires = match take(&mut self.expiration, "Expiration")? {
            Some(text) => {
                let expiration = expiry::parse(&text).ok_or_else(|| garbage(who, "Expiration is no time such as 2026-11-22T03:17:00Z"))?;
                Some(expiry::deadline(expiration, date, now))
            }
            None if token.is_some() => return Err(missing("Expiration")),
            None => None,
        };
        // Moved out, not copied.
        let own = |mut text: Text| std::mem::take(&mut *text);
        let credentials = Credentials::new(own(id), own(secret), token.map(own), None, provider);
        Ok(Found { credentials, expires, outlive: true, cacheable: true })
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(Name(name)) = map.next_key()? {
            let place = match name {
                Some("code") => &mut document.code,
                Some("message") => &mut document.message,
                Some("accesskeyid") => &mut document.id,
                Some("secretaccesskey") => &mut document.secret,
                Some("token") => &mut document.token,
                Some("expiration") => &mut document.expiration,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = map.next_value::<Value>()?.0;
        }
        Ok(document)
    }
}

/// One of the names that matter, in lower case: their case differs from service to service.
struct Name(Option<&'static str>);

const NAMES: [&str; 6] = ["code", "message", "accesskeyid", "secretaccesskey", "token", "expiration"];

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// A string, or null.
struct Value(Option<Text>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        struct ValueVisitor;
        impl Visitor<'_> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value(Some(Zeroizing::new(text.to_owned()))))
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value(None))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

// What is said of an answer leaves room for who said it.
const _: () = assert!(SAID_SIZE_MAX + 100 < MESSAGE_SIZE_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { mono: Duration::ZERO, wall: Duration::from_secs(1_234_567_800) };

    fn found(json: &str) -> Result<Found, String> {
        let document = Document::read(json.as_bytes()).map_err(str::to_owned)?;
        document.into_found("the service", "test", None, NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_read_whatever_the_case_of_their_names() {
        for json in [
            r#"{"AccessKeyId":"A","SecretAccessKey":"s/","Token":"t","Expiration":"2009-02-13T23:31:30Z","RoleArn":"arn"}"#,
            r#" {"accesskeyid":"A","SECRETACCESSKEY":"s\/","token":"t","expiration" : "2009-02-13T23:31:30Z","more":{"a":[1,null]}} "#,
        ] {
            let found = found(json).unwrap();
            let keys = &found.credentials;
            assert_eq!((keys.access_key_id(), keys.secret_access_key(), keys.session_token()), ("A", "s/", Some("t")));
            assert_eq!(found.expires.unwrap().0, Duration::from_secs(90));
            assert!(found.outlive && found.cacheable);
        }
        assert!(found(r#"{"AccessKeyId":"A","SecretAccessKey":"s","Token":null}"#).unwrap().expires.is_none());
    }

    #[test]
    fn what_is_no_document_of_keys_is_told_without_showing_it() {
        let keys = r#""AccessKeyId":"hunter2","SecretAccessKey":"hunter2""#;
        for (json, words) in [
            (String::new(), "cut short"),
            ("<html>hunter2".into(), "not JSON"),
            ("\"hunter2\"".into(), "not a JSON object"),
            ("[\"hunter2\"]".into(), "not a JSON object"),
            (format!("{{{keys}"), "cut short"),
            (format!("{{{keys}}} hunter2"), "not JSON"),
            ("{}".into(), "no AccessKeyId"),
            (r#"{"AccessKeyId":"","SecretAccessKey":"hunter2"}"#.into(), "no AccessKeyId"),
            (r#"{"AccessKeyId":"hunter2"}"#.into(), "no SecretAccessKey"),
            (r#"{"AccessKeyId":"hunter2","SecretAccessKey":["hunter2"]}"#.into(), "not a JSON object of strings"),
            (r#"{"AccessKeyId":"A","SecretAccessKey":"hunter2\n"}"#.into(), "SecretAccessKey has a space"),
            (format!(r#"{{{keys},"Token":"hunter2 x","Expiration":"2009-02-13T23:31:30Z"}}"#), "Token has a space"),
            (format!(r#"{{{keys},"Token":"hunter2"}}"#), "no Expiration"),
            (format!(r#"{{{keys},"Token":"hunter2","Expiration":"hunter2"}}"#), "Expiration is no time"),
        ] {
            let error = found(&json).err().unwrap();
            assert!(error.contains(words) && !error.contains("hunter2"), "{json}: {error}");
        }
    }

    #[test]
    fn an_origin_has_no_path_and_no_password() {
        for (url, expected) in [
            ("http://169.254.170.2/v2/credentials/secret", "http://169.254.170.2"),
            ("https://user:secret@host:8080?x", "https://host:8080"),
            ("http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]"),
        ] {
            assert_eq!(origin(url), expected);
        }
        assert!(is_url("HTTP://x/") && is_url("https://x") && !is_url("/credentials") && !is_url("http://a b") && !is_url("not a uri"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            drop(Document::read(&bytes));
        }
    }
}
