//! The grammar of the shared files: sections with properties, as AWS's SDKs read them.
//!
//! ```text
//! # a comment, from column 0; also with ;
//! [profile edge]            in the config file; [edge] in the credentials file; [default] in both
//! aws_access_key_id = AKID  ; a comment after a blank
//! s3 =
//!   nested = value          a line that is indented more than its property continues it
//! [services local]          in the config file
//! kinesis =
//!   endpoint_url = http://localhost:4566
//! ```
//!
//! Names of keys are in lower case afterwards. Sections and properties whose names have other characters than `A-Z a-z 0-9 _ - / . % @ : +` are ignored, as is
//! whatever stands in sections of other kinds. The text of a line is in no error: it may be a secret.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{FileKind, Profile, Property, is_name};
use crate::limits::{SHARED_PROFILES_MAX, SHARED_PROPERTIES_MAX};

/// Sections by name.
type Sections = BTreeMap<String, Profile>;

/// A line that breaks the grammar, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// Profiles, and the sections of services: of those the nested properties, as `kinesis.endpoint_url`.
pub(super) fn read(text: &str, kind: FileKind) -> Result<(Sections, Sections), Mistake> {
    let mut reader = Reader { kind, profiles: Sections::new(), services: Sections::new(), properties: 0, explicit_default: false, open: None };
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        reader.line(line, number).map_err(|what| Mistake { line: number, what })?;
    }
    reader.close();
    Ok((reader.profiles, reader.services))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionKind {
    Profile,
    Services,
    /// None of ours.
    Other,
}

/// The section that the next line belongs to.
struct Open {
    kind: SectionKind,
    name: String,
    section: Profile,
    /// The last property, which an indented line goes on with.
    property: Option<Last>,
}

struct Last {
    /// None for a name that is ignored.
    key: Option<String>,
    indent: usize,
    /// Nothing stands behind its `=`: what follows are properties themselves.
    nests: bool,
}

struct Reader {
    kind: FileKind,
    profiles: Sections,
    services: Sections,
    /// So many were read.
    properties: usize,
    /// `[profile default]` was seen: it replaces `[default]`, wherever that stands.
    explicit_default: bool,
    /// None before the first.
    open: Option<Open>,
}

impl Reader {
    fn line(&mut self, line: &str, number: usize) -> Result<(), &'static str> {
        let content = line.trim_matches([' ', '\t', '\r']);
        if content.is_empty() || line.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let goes_on = |open: &Open| indent > 0 && open.kind == SectionKind::Other || open.property.as_ref().is_some_and(|last| indent > last.indent);
        match &mut self.open {
            // Inside a value anything may stand, also what looks like a comment or a section.
            Some(open) if goes_on(open) => {
                self.properties += 1;
                within_bounds(self.properties)?;
                open.continuation(content, self.kind, number)
            }
            _ if content.starts_with('[') => self.header(content),
            // An indented comment before any property.
            _ if content.starts_with(['#', ';']) => Ok(()),
            None => Err("a property before the first section"),
            Some(open) if open.kind == SectionKind::Other => Ok(()),
            Some(open) => {
                self.properties += 1;
                within_bounds(self.properties)?;
                open.property(content, indent, self.kind, number)
            }
        }
    }

    fn header(&mut self, content: &str) -> Result<(), &'static str> {
        self.close();
        let (header, _) = content[1..].split_once(']').ok_or("a section without ']'")?;
        let header = header.trim_matches([' ', '\t']);
        let (prefix, name) = header.split_once([' ', '\t']).map_or(("", header), |(prefix, name)| (prefix, name.trim_matches([' ', '\t'])));
        let kind = match (self.kind, prefix) {
            _ if !is_name(name) => SectionKind::Other,
            (FileKind::Config, "profile") | (FileKind::Credentials, "") => SectionKind::Profile,
            (FileKind::Config, "services") => SectionKind::Services,
            (FileKind::Config, "") if name == "default" && !self.explicit_default => SectionKind::Profile,
            _ => SectionKind::Other,
        };
        if kind == SectionKind::Profile && prefix == "profile" && name == "default" && !self.explicit_default {
            self.explicit_default = true;
            self.profiles.remove(name);
        }
        let section = match kind {
            SectionKind::Profile => self.profiles.remove(name),
            SectionKind::Services => self.services.remove(name),
            SectionKind::Other => None,
        };
        self.open = Some(Open { kind, name: name.to_owned(), section: section.unwrap_or_default(), property: None });
        if self.profiles.len() + self.services.len() < SHARED_PROFILES_MAX { Ok(()) } else { Err("a profile more than the 1000 that are read") }
    }

    /// Puts the section where it belongs.
    fn close(&mut self) {
        let Some(Open { kind, name, section, .. }) = self.open.take() else { return };
        match kind {
            SectionKind::Profile => drop(self.profiles.insert(name, section)),
            SectionKind::Services => drop(self.services.insert(name, section)),
            SectionKind::Other => {}
        }
    }
}

impl Open {
    fn property(&mut self, content: &str, indent: usize, file: FileKind, line: usize) -> Result<(), &'static str> {
        let (key, value) = content.split_once('=').ok_or("neither a section nor a property (key = value)")?;
        let (key, value) = (key.trim_matches([' ', '\t']).to_ascii_lowercase(), without_comment(value));
        if key.is_empty() {
            return Err("a property without a name");
        }
        let key = Some(key).filter(|key| is_name(key));
        if let Some(key) = &key {
            self.insert(key.clone(), value, file, line);
        }
        self.property = Some(Last { key, indent, nests: value.is_empty() });
        Ok(())
    }

    /// One more line of the last property's value.
    fn continuation(&mut self, content: &str, file: FileKind, line: usize) -> Result<(), &'static str> {
        let Some(Last { key, nests, .. }) = &self.property else { return Ok(()) };
        let nested = content.split_once('=').map(|(name, value)| (name.trim_matches([' ', '\t']), without_comment(value)));
        let (key, nested) = match (nested, *nests) {
            (None, true) => return Err("a nested line that is no property (key = value)"),
            (Some(("", _)), true) => return Err("a nested property without a name"),
            (nested, nests) => (key.clone(), nested.filter(|_| nests && self.kind == SectionKind::Services)),
        };
        match (key, nested) {
            (Some(key), Some((name, value))) => self.insert(format!("{key}.{}", name.to_ascii_lowercase()), value, file, line),
            (Some(key), None) => {
                if let Some(property) = self.section.properties.get_mut(&key) {
                    property.value.push('\n');
                    property.value.push_str(content);
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    fn insert(&mut self, key: String, value: &str, file: FileKind, line: usize) {
        self.section.properties.insert(key, Property { value: Zeroizing::new(value.to_owned()), file, line });
    }
}

fn within_bounds(properties: usize) -> Result<(), &'static str> {
    if properties <= SHARED_PROPERTIES_MAX { Ok(()) } else { Err("a property more than the 10000 that are read") }
}

/// `#` and `;` begin a comment in a value only after a blank: keys may hold them.
fn without_comment(value: &str) -> &str {
    let bytes = value.as_bytes();
    let comment = (1..bytes.len()).find(|i| matches!(bytes[*i], b'#' | b';') && matches!(bytes[i - 1], b' ' | b'\t'));
    value[..comment.unwrap_or(value.len())].trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = Vec<(String, String)>;

    fn read(text: &str, kind: FileKind, name: &str) -> Option<Pairs> {
        let (profiles, _) = super::read(text, kind).unwrap();
        profiles.get(name).map(|profile| profile.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Pairs> {
        Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn properties_are_read_as_awss_tools_read_them() {
        use FileKind::{Config, Credentials};
        for (text, kind, expected) in [
            ("", Config, None),
            ("[profile edge]", Config, pairs(&[])),
            ("[profile edge]\nName = value", Config, pairs(&[("name", "value")])),
            ("[profile edge]\r\nname = value\r\n", Config, pairs(&[("name", "value")])),
            ("\u{feff}[profile edge]\nname=value", Config, pairs(&[("name", "value")])),
            ("[ profile\tedge ] # note\nname\t=  val=ue  ", Config, pairs(&[("name", "val=ue")])),
            ("[profile edge]; note\n\n#c\n;c\n \t\nname = value # c\nother = value; not\nthird = value ;c\nempty = # c", Config, {
                pairs(&[("empty", ""), ("name", "value"), ("other", "value; not"), ("third", "value")])
            }),
            ("[profile edge]\ns3 =\n a = 1\n\n b = 2 ; kept\nx = y", Config, pairs(&[("s3", "\na = 1\nb = 2 ; kept"), ("x", "y")])),
            ("[profile edge]\n  name = 1\n  other = 2", Config, pairs(&[("name", "1"), ("other", "2")])),
            ("[profile edge]\na = 1\n[profile x]\na = 2\n[profile edge]\nb = 3\na = 4", Config, pairs(&[("a", "4"), ("b", "3")])),
            ("[edge]\na = 1\n[profilex edge]\na = 2\n[sso-session edge]\nb = 1\n[services edge]\nc =\n d = 1", Config, None),
            ("[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
            ("[profile edge]\na = 1", Credentials, None),
            ("[other x]\nnot a property\n nor this\n[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
            ("[other]\nx = 1\n [edge]\n[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
        ] {
            assert_eq!(read(text, kind, "edge"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_prefixed_default_profile_replaces_the_bare_one() {
        for text in ["[default]\na = 1\n[profile default]\nb = 2", "[profile default]\nb = 2\n[default]\na = 1"] {
            assert_eq!(read(text, FileKind::Config, "default"), pairs(&[("b", "2")]));
        }
        assert_eq!(read("[default]\na = 1", FileKind::Config, "default"), pairs(&[("a", "1")]));
    }

    #[test]
    fn the_nested_properties_of_a_service_have_their_own_lines() {
        let text = "[services local]\nkinesis =\n\n  Endpoint_URL = http://a # note\nsts=\n  endpoint_url = http://b";
        let (_, services) = super::read(text, FileKind::Config).unwrap();
        let found = |name: &str| services["local"].get(name).map(|property| (property.value().to_owned(), property.line));
        assert_eq!(found("kinesis.endpoint_url"), Some(("http://a".to_owned(), 4)));
        assert_eq!(found("sts.endpoint_url"), Some(("http://b".to_owned(), 6)));
        assert!(super::read(text, FileKind::Credentials).unwrap().1.is_empty());
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_never_shown() {
        for (text, line, words) in [
            ("secret = x", 1, "before the first section"),
            ("\n[edge\nsecret = x", 2, "without ']'"),
            ("[edge]\n\nsecret", 3, "neither"),
            ("[edge]\n= secret", 2, "without a name"),
            ("[edge]\na =\n secret", 3, "no property"),
            ("[edge]\na =\n = secret", 3, "without a name"),
        ] {
            let mistake = super::read(text, FileKind::Credentials).err().unwrap();
            assert_eq!(mistake.line, line, "{text:?}");
            assert!(mistake.what.contains(words) && !mistake.what.contains("secret"), "{text:?}");
        }
    }

    #[test]
    fn a_file_of_nothing_but_sections_or_properties_has_bounds() {
        let sections: String = (0..=SHARED_PROFILES_MAX).map(|i| format!("[p{i}]\n")).collect();
        let mistake = super::read(&sections, FileKind::Credentials).err().unwrap();
        assert!(mistake.line == SHARED_PROFILES_MAX + 1 && mistake.what.contains(&SHARED_PROFILES_MAX.to_string()));
        let properties: String = (0..=SHARED_PROPERTIES_MAX).map(|i| format!("p{i} = x\n")).collect();
        let mistake = super::read(&format!("[edge]\n{properties}"), FileKind::Credentials).err().unwrap();
        assert!(mistake.line == SHARED_PROPERTIES_MAX + 2 && mistake.what.contains(&SHARED_PROPERTIES_MAX.to_string()));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "[\\[\\]=#; \tprofile\nde\u{e9}]{0,80}") {
            for kind in [FileKind::Config, FileKind::Credentials] {
                drop(super::read(&text, kind));
            }
        }
    }
}
