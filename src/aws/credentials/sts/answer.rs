//! STS's answer, `<AssumeRoleResponse><AssumeRoleResult><Credentials>…`: four texts in it, whatever else it says.
//!
//! Nothing of the answer is in an error but the name of its first element: the rest may be a secret.

use std::time::Duration;

use aws_credential_types::Credentials;
use quick_xml::events::Event;
use quick_xml::{Reader, escape};
use zeroize::Zeroizing;

use crate::aws::credentials::expiry;
use crate::aws::message;

/// What is read, all of it needed.
const NAMES: [&str; 4] = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
/// Bytes of a foreign name in an error.
const NAME_SHOWN_MAX: usize = 40;

type Texts = [Zeroizing<String>; 4];

/// Credentials, and until when.
pub(super) struct Session {
    pub(super) credentials: Credentials,
    /// Time since the Unix epoch.
    pub(super) expiration: Duration,
}

/// Reads the answer to `action`; the error says in which way it is none.
pub(super) fn read(action: &'static str, body: &[u8]) -> Result<Session, String> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    let texts = texts(action, text)?;
    for (name, value) in NAMES.iter().zip(&texts) {
        match value.trim() {
            "" => return Err(format!("{name} is missing")),
            value if !value.bytes().all(|b| b.is_ascii_graphic()) => return Err(format!("{name} has a character that it cannot have")),
            _ => {}
        }
    }
    let [id, secret, token, expiration] = texts.each_ref().map(|text| text.trim());
    let expiration = expiry::parse(expiration).ok_or("Expiration is no time")?;
    Ok(Session { credentials: Credentials::new(id, secret, Some(token.to_owned()), None, action), expiration })
}

/// The texts of [`NAMES`], empty where there is none.
fn texts(action: &str, text: &str) -> Result<Texts, String> {
    let broken = || "not well-formed XML".to_owned();
    let mut walk = Walk::new(action, text.len());
    let mut reader = Reader::from_str(text);
    // `<a/>` as `<a></a>`.
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event().map_err(|_| broken())? {
            Event::Start(element) => walk.start(element.local_name().into_inner())?,
            Event::End(_) => walk.end(),
            Event::Text(text) => walk.text(&text.xml10_content()),
            Event::CData(text) => walk.text(&text.xml10_content()),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().map_err(|_| broken())? {
                Some(character) => walk.text(character.encode_utf8(&mut [0; 4])),
                None => walk.text(escape::resolve_xml_entity(&entity).ok_or_else(broken)?),
            },
            Event::Eof if walk.open > 0 => return Err("it is cut short".into()),
            Event::Eof if !walk.is_begun => return Err("not XML".into()),
            Event::Eof => return Ok(walk.found),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// Where in the document we are.
struct Walk {
    /// The elements around what is read, from the root.
    around: [String; 3],
    is_begun: bool,
    /// Elements that are open.
    open: usize,
    /// How many of them, from the root, are those of `around`.
    inside: usize,
    /// The text that is being read.
    reading: Option<usize>,
    found: Texts,
}

impl Walk {
    fn new(action: &str, size_max: usize) -> Walk {
        let around = [format!("{action}Response"), format!("{action}Result"), "Credentials".to_owned()];
        // Room for all that may come, so that it does not move and leave a copy.
        let found = NAMES.map(|_| Zeroizing::new(String::with_capacity(size_max)));
        Walk { around, is_begun: false, open: 0, inside: 0, reading: None, found }
    }

    fn start(&mut self, name: &str) -> Result<(), String> {
        let root = &self.around[0];
        if self.open == 0 && (self.is_begun || name != root) {
            return Err(format!("its root is <{}>, must be one <{root}>", message::fit(name, NAME_SHOWN_MAX)));
        }
        self.is_begun = true;
        if self.open == self.inside {
            match self.around.get(self.open) {
                Some(wanted) => self.inside += usize::from(name == wanted),
                None => self.reading = NAMES.iter().position(|wanted| *wanted == name),
            }
        }
        if let Some(twice) = self.reading.filter(|i| self.open == self.inside && !self.found[*i].is_empty()) {
            return Err(format!("{} is there twice", NAMES[twice]));
        }
        self.open += 1;
        Ok(())
    }

    fn end(&mut self) {
        // The reader refuses an end without a start.
        self.open = self.open.saturating_sub(1);
        self.inside = self.inside.min(self.open);
        self.reading = self.reading.filter(|_| self.open > self.around.len());
    }

    fn text(&mut self, text: &str) {
        if let Some(reading) = self.reading {
            self.found[reading].push_str(text);
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
