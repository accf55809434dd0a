//! The files that AWS's tools share, `~/.aws/credentials` and `~/.aws/config`: their text becomes profiles ([`SharedConfig`]), a profile becomes a [`Plan`] of where
//! its credentials come from ([`plan`](fn@plan)), its region and endpoint ([`endpoint_url`]).
//!
//! Reads no file itself: `credentials/profile.rs` and `config/load.rs` bring the text. No error shows what a line says, since it may be a secret; values are
//! overwritten when they are dropped.

mod endpoint;
mod grammar;
mod plan;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use endpoint::{Origin, Service, endpoint_url};
pub use plan::{Base, Plan, PlanError, RoleStep, plan};
pub use words::{BadWords, Words, split};

use crate::config::environment::{Environment, expand_path};

/// One of the two files. The rules for the names of sections differ, and what both say of one key the credentials file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// `[name]`.
    Credentials,
    /// `[profile name]`, `[default]`, `[services name]`; other sections say nothing to us.
    Config,
}

/// Where one of the two files is, or why there is no path to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedFile {
    /// Which.
    pub kind: FileKind,
    /// For messages: `credentials file`.
    pub what: &'static str,
    /// Its path, or why there is none.
    pub path: Result<PathBuf, &'static str>,
    /// Somebody named it, so that it should be there.
    pub is_named: bool,
}

/// Where both files are. `shared_credential_file` is what the configuration says, before all variables. Without `HOME` (as under systemd) and without a
/// variable there is no path.
pub fn locate(shared_credential_file: Option<&Path>, environment: &Environment) -> [SharedFile; 2] {
    let variable = |name: &str| environment.get(name).map(|path| expand_path(path.trim(), environment));
    let file = |kind, what, named: Option<PathBuf>, name: &str| {
        let at_home = || environment.get("HOME").map(|home| Path::new(&home).join(".aws").join(name)).ok_or("HOME is not set");
        SharedFile { kind, what, is_named: named.is_some(), path: named.map_or_else(at_home, Ok) }
    };
    let credentials = shared_credential_file.map(|path| expand_path(path, environment)).or_else(|| variable("AWS_SHARED_CREDENTIALS_FILE"));
    [
        file(FileKind::Credentials, "credentials file", credentials, "credentials"),
        file(FileKind::Config, "config file", variable("AWS_CONFIG_FILE"), "config"),
    ]
}

/// Which profile counts: the one that the configuration names, else `AWS_PROFILE`, else `default`.
pub fn profile_name(configured: Option<&str>, environment: &Environment) -> String {
    let configured = configured.map(str::to_owned).filter(|name| !name.trim().is_empty());
    configured.or_else(|| environment.get("AWS_PROFILE")).map_or_else(|| "default".into(), |name| name.trim().to_owned())
}

/// A value and where it stands. Has no `Debug`: it may be a secret.
pub struct Property {
    value: Zeroizing<String>,
    file: FileKind,
    /// Counted from 1.
    line: usize,
}

impl Property {
    /// The value; lines of a value that goes on are joined by `\n`.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// The properties of one section, by their names in lower case.
#[derive(Default)]
pub struct Profile {
    properties: BTreeMap<String, Property>,
}

impl Profile {
    /// A property that is not blank: blank is unset, as for variables.
    pub fn get(&self, name: &str) -> Option<&Property> {
        self.properties.get(name).filter(|property| !property.value.trim().is_empty())
    }

    /// Every property as it stands, blank ones too.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, property)| (name.as_str(), property.value()))
    }
}

/// A line that breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it; nothing of its text.
    pub what: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

impl std::error::Error for SyntaxError {}

/// What both files say.
#[derive(Default)]
pub struct SharedConfig {
    profiles: BTreeMap<String, Profile>,
    services: BTreeMap<String, Profile>,
    paths: BTreeMap<FileKind, PathBuf>,
}

impl SharedConfig {
    /// Takes in a file; in either order the credentials file wins, for each key of a profile alone.
    ///
    /// # Errors
    /// A line breaks the grammar, or there are more profiles or properties than [`limits`](crate::limits) allows. Nothing is taken then.
    pub fn add(&mut self, kind: FileKind, path: &Path, text: &str) -> Result<(), SyntaxError> {
        let (profiles, services) =
            grammar::read(text, kind).map_err(|mistake| SyntaxError { path: path.to_owned(), line: mistake.line, what: mistake.what })?;
        for (into, sections) in [(&mut self.profiles, profiles), (&mut self.services, services)] {
            for (name, section) in sections {
                let merged = into.entry(name).or_default();
                for (key, property) in section.properties {
                    if kind == FileKind::Credentials || !merged.properties.contains_key(&key) {
                        merged.properties.insert(key, property);
                    }
                }
            }
        }
        self.paths.insert(kind, path.to_owned());
        Ok(())
    }

    /// A profile by its name.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.get(name)
    }

    /// The names of all profiles.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// The file in which a property stands.
    pub fn path_of(&self, property: &Property) -> &Path {
        self.paths.get(&property.file).map_or(Path::new(""), PathBuf::as_path)
    }

    /// `path:line` of a property.
    pub fn place_of(&self, property: &Property) -> String {
        format!("{}:{}", self.path_of(property).display(), property.line)
    }
}

impl fmt::Debug for SharedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConfig").field("paths", &self.paths).finish_non_exhaustive()
    }
}

/// Characters of the names of profiles and properties.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/.%@:+".contains(&b))
}
