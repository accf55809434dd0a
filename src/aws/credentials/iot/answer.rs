//! `{"credentials":{"accessKeyId":"…","secretAccessKey":"…","sessionToken":"…","expiration":"2018-01-18T09:18:06Z"}}`, read without a copy that would stay
//! behind. What is wrong with an answer is told without showing any of it.

use std::time::Duration;

use aws_credential_types::Credentials;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use zeroize::Zeroizing;

use crate::aws::credentials::expiry;

/// The credentials and when they expire, since the Unix epoch; or what is wrong, to stand after the provider's name.
pub(super) fn read(reply: &[u8]) -> Result<(Credentials, Duration), String> {
    let mut members = Members::default();
    let mut json = serde_json::Deserializer::from_slice(reply);
    let read = Object { members: &mut members, depth: 0 }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        let start = reply.trim_ascii_start();
        return Err(match error.classify() {
            _ if start.is_empty() => "the answer is empty".into(),
            _ if start.starts_with(b"<") => "the answer is a web page, perhaps of a captive portal or a proxy".into(),
            Category::Eof => "the answer is cut short".into(),
            _ => format!("the answer is not the JSON that it should be, from byte {} on", error.column()),
        });
    }
    let Members { id, secret, token, expiration } = members;
    let whole = |name: &str, text: Option<Zeroizing<String>>| match text {
        Some(text) if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(format!("the answer's credentials.{name} is empty, or has a character in it that no header can carry"))
        }
        Some(text) => Ok(text),
        None => Err(format!("the answer has no credentials.{name}")),
    };
    let (id, mut secret, mut token) = (whole("accessKeyId", id)?, whole("secretAccessKey", secret)?, whole("sessionToken", token)?);
    let expires = expiration.as_deref().and_then(|text| expiry::parse(text)).ok_or("the answer has no credentials.expiration that can be read")?;
    // Moved, not copied; they are overwritten when the credentials are dropped.
    let (secret, token) = (std::mem::take(&mut *secret), std::mem::take(&mut *token));
    Ok((Credentials::new(id.as_str(), secret, Some(token), None, "AWS IoT"), expires))
}

#[derive(Default)]
struct Members {
    id: Option<Zeroizing<String>>,
    secret: Option<Zeroizing<String>>,
    token: Option<Zeroizing<String>>,
    expiration: Option<Zeroizing<String>>,
}

/// The whole, and the object `credentials` in it.
struct Object<'m> {
    members: &'m mut Members,
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let member = match (self.depth, name.as_ref()) {
                (0, "credentials") => {
                    map.next_value_seed(Object { members: self.members, depth: 1 })?;
                    continue;
                }
                (1, "accessKeyId") => &mut self.members.id,
                (1, "secretAccessKey") => &mut self.members.secret,
                (1, "sessionToken") => &mut self.members.token,
                (1, "expiration") => &mut self.members.expiration,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *member = Some(map.next_value_seed(Text)?);
        }
        Ok(())
    }
}

/// A string.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Zeroizing<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text {
    type Value = Zeroizing<String>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"hunter2/+","sessionToken":"hunter2==","expiration":"2026-11-22T10:00:00Z"}}"#;

    #[test]
    fn credentials_are_read_whatever_else_the_answer_says() {
        let more = GOOD.replace("{\"credentials\":{", " {\"x\":[1,{\"credentials\":2}],\"accessKeyId\":7,\"credentials\":{\"roleArn\":null,");
        for text in [GOOD, &more, &GOOD.replace('/', "\\/")] {
            let (keys, expires) = read(text.as_bytes()).unwrap();
            assert_eq!((keys.access_key_id(), keys.secret_access_key(), keys.session_token()), ("ASIAX", "hunter2/+", Some("hunter2==")));
            assert_eq!(expires, Duration::from_secs(1_795_341_600));
        }
    }

    #[test]
    fn a_wrong_answer_is_told_without_showing_any_of_it() {
        for (text, words) in [
            (String::new(), "empty"),
            (GOOD[..GOOD.len() - 30].to_owned(), "cut short"),
            (GOOD[..GOOD.len() - 1].to_owned(), "cut short"),
            (format!("{GOOD} hunter2"), "not the JSON"),
            ("<html>hunter2</html>".into(), "web page"),
            ("hunter2".into(), "not the JSON"),
            ("[\"hunter2\"]".into(), "not the JSON"),
            ("{\"credentials\":\"hunter2\"}".into(), "not the JSON"),
            ("{}".into(), "no credentials.accessKeyId"),
            (GOOD.replace("secretAccessKey", "SecretAccessKey"), "no credentials.secretAccessKey"),
            (GOOD.replace("sessionToken", "token"), "no credentials.sessionToken"),
            (GOOD.replace("\"hunter2==\"", "\"\""), "credentials.sessionToken is empty"),
            (GOOD.replace("hunter2==", "hunter2 hunter2"), "credentials.sessionToken is empty, or has a character"),
            (GOOD.replace("2026-11-22", "hunter2"), "no credentials.expiration"),
            (GOOD.replace("\"hunter2==\"", "[\"hunter2\"]"), "not the JSON"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_survived(at in 0_usize..GOOD.len(), byte: u8, cut in 0_usize..GOOD.len(), bytes: Vec<u8>) {
            let mut changed = GOOD.as_bytes().to_vec();
            changed[at] = byte;
            drop((read(&changed), read(&changed[..cut]), read(&bytes)));
        }
    }
}
