//! The grammar of `~/.aws/credentials` and `~/.aws/config`: sections with properties, as AWS's SDKs read them.
//!
//! ```text
//! # a comment, from column 0; also with ;
//! [profile edge]            in the config file; [edge] in the credentials file; [default] in both
//! aws_access_key_id = AKID  ; a comment after a blank
//! s3 =
//!   nested = value          a line that is indented more than its property continues it
//! ```
//!
//! Names of keys are in lower case afterwards. The text of a line is in no error: it may be a secret.

use std::collections::BTreeMap;

/// Which rules hold for the names of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[name]`.
    Credentials,
    /// `[profile name]` and `[default]`; other sections are not profiles.
    Config,
}

/// Properties by name. Has no `Debug`: the values are secrets.
pub(super) type Profile = BTreeMap<String, String>;

/// A line that breaks the grammar, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// The profile of this name, if the file has it.
pub(super) fn read_profile(text: &str, kind: Kind, name: &str) -> Result<Option<Profile>, SyntaxError> {
    let mut reader = Reader { kind, name, found: None, explicit_default: false, place: Place::Nowhere };
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        reader.line(line).map_err(|what| SyntaxError { line: number + 1, what })?;
    }
    Ok(reader.found)
}

/// Where the next line belongs.
enum Place {
    /// Before the first section.
    Nowhere,
    /// In a section that is not the one.
    Elsewhere,
    /// In the profile, after its header.
    Profile,
    /// In the profile, after this property, which was indented so far.
    Property { key: String, indent: usize },
}

struct Reader<'a> {
    kind: Kind,
    name: &'a str,
    found: Option<Profile>,
    /// `[profile default]` was seen: it replaces `[default]`, wherever that stands.
    explicit_default: bool,
    place: Place,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        let content = line.trim_matches([' ', '\t', '\r']);
        if content.is_empty() || line.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        match &self.place {
            // Inside a value anything may stand, also what looks like a comment or a section.
            Place::Property { key, indent: of_property } if indent > *of_property => {
                if let Some(value) = self.found.as_mut().and_then(|profile| profile.get_mut(key)) {
                    value.push('\n');
                    value.push_str(content);
                }
                Ok(())
            }
            Place::Elsewhere if indent > 0 => Ok(()),
            _ if content.starts_with('[') => self.section(content),
            // An indented comment before any property.
            _ if content.starts_with(['#', ';']) => Ok(()),
            Place::Nowhere => Err("a property before the first section"),
            Place::Elsewhere => Ok(()),
            Place::Profile | Place::Property { .. } => self.property(content, indent),
        }
    }

    fn section(&mut self, content: &str) -> Result<(), &'static str> {
        let (header, _) = content[1..].split_once(']').ok_or("a section without ']'")?;
        let header = header.trim_matches([' ', '\t']);
        let prefixed = header.strip_prefix("profile").filter(|rest| rest.starts_with([' ', '\t'])).map(|rest| rest.trim_matches([' ', '\t']));
        let (name, explicit) = match (self.kind, prefixed) {
            (Kind::Config, Some(name)) => (Some(name), true),
            (Kind::Config, None) => (Some(header).filter(|name| *name == "default"), false),
            (Kind::Credentials, None) => (Some(header), false),
            (Kind::Credentials, Some(_)) => (None, false),
        };
        self.place = Place::Elsewhere;
        if name != Some(self.name) || (self.explicit_default && !explicit) {
            return Ok(());
        }
        if self.kind == Kind::Config && explicit && self.name == "default" && !self.explicit_default {
            self.explicit_default = true;
            self.found = None;
        }
        self.found.get_or_insert_default();
        self.place = Place::Profile;
        Ok(())
    }

    fn property(&mut self, content: &str, indent: usize) -> Result<(), &'static str> {
        let (key, value) = content.split_once('=').ok_or("neither a section nor a property (key = value)")?;
        let key = key.trim_matches([' ', '\t']).to_ascii_lowercase();
        if key.is_empty() {
            return Err("a property without a name");
        }
        if let Some(profile) = &mut self.found {
            profile.insert(key.clone(), without_comment(value).to_owned());
        }
        self.place = Place::Property { key, indent };
        Ok(())
    }
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

    fn read(text: &str, kind: Kind, name: &str) -> Option<Vec<(String, String)>> {
        read_profile(text, kind, name).unwrap().map(|profile| profile.into_iter().collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn properties_are_read_as_awss_tools_read_them() {
        use Kind::{Config, Credentials};
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
            ("[edge]\na = 1\n[profilex edge]\na = 2\n[sso-session edge]\nb = 1", Config, None),
            ("[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
            ("[profile edge]\na = 1", Credentials, None),
            ("[other]\nnot a property\n[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
            ("[other]\nx = 1\n [edge]\n[edge]\na = 1", Credentials, pairs(&[("a", "1")])),
        ] {
            assert_eq!(read(text, kind, "edge"), expected, "{text:?}");
        }
    }

    #[test]
    fn the_prefixed_default_profile_replaces_the_bare_one() {
        for text in ["[default]\na = 1\n[profile default]\nb = 2", "[profile default]\nb = 2\n[default]\na = 1"] {
            assert_eq!(read(text, Kind::Config, "default"), pairs(&[("b", "2")]));
        }
        assert_eq!(read("[default]\na = 1", Kind::Config, "default"), pairs(&[("a", "1")]));
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_and_never_shown() {
        for (text, line, words) in [
            ("secret = x", 1, "before the first section"),
            ("\n[edge\nsecret = x", 2, "without ']'"),
            ("[edge]\n\nsecret", 3, "neither"),
            ("[edge]\n= secret", 2, "without a name"),
        ] {
            let error = read_profile(text, Kind::Credentials, "edge").err().unwrap();
            assert_eq!(error.line, line, "{text:?}");
            assert!(error.what.contains(words) && !error.what.contains("secret"), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "[\\[\\]=#; \tprofile\nde\u{e9}]{0,80}") {
            for kind in [Kind::Config, Kind::Credentials] {
                drop(read_profile(&text, kind, "d"));
            }
        }
    }
}
