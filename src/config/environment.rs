//! The environment as an argument: read once in `main`, or made of pairs in tests. Blank means unset, as in AWS's own tools.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Variables by name. `Debug` shows names only: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process. One whose name or value is not UTF-8 is left out.
    pub fn from_process() -> Environment {
        let text = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Environment { variables: text.collect() }
    }

    /// Exactly these variables.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Environment {
        Environment { variables: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect() }
    }

    /// The value as it stands; None when it is unset, blank or not UTF-8.
    pub fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// The value as it stands, maybe blank; None when it is unset or not UTF-8. For text with `${VAR}`.
    pub(crate) fn raw(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// A path of a file with credentials, whoever named it: `~` at its start is `HOME`, and `$CREDENTIALS_DIRECTORY` (also in braces) is where systemd puts what
/// `LoadCredential=` names. Where the variable is not set the path stays as it is, so that an error shows what was written.
pub fn expand_path(path: impl AsRef<Path>, environment: &Environment) -> PathBuf {
    let path = path.as_ref();
    find_path(path, environment).unwrap_or_else(|_| path.to_owned())
}

/// The same, for a path that must be there: an error names the variable that is not set.
pub(crate) fn find_path(path: &Path, environment: &Environment) -> Result<PathBuf, String> {
    for (start, name) in [("~", "HOME"), ("$CREDENTIALS_DIRECTORY", "CREDENTIALS_DIRECTORY"), ("${CREDENTIALS_DIRECTORY}", "CREDENTIALS_DIRECTORY")] {
        if let Ok(rest) = path.strip_prefix(start) {
            let directory = environment.get(name).ok_or_else(|| format!("{name} is not set"))?;
            return Ok(Path::new(&directory).join(rest));
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_and_systemds_directory_of_credentials_stand_at_the_start_of_a_path() {
        let environment = Environment::from_pairs(&[("HOME", "/home/x"), ("CREDENTIALS_DIRECTORY", "/run/credentials/k")]);
        for (path, expanded) in [
            ("~/.aws/config", "/home/x/.aws/config"),
            ("$CREDENTIALS_DIRECTORY/aws", "/run/credentials/k/aws"),
            ("${CREDENTIALS_DIRECTORY}/aws", "/run/credentials/k/aws"),
            ("/a/~/b", "/a/~/b"),
            ("~user/b", "~user/b"),
            ("$CREDENTIALS_DIRECTORYX/b", "$CREDENTIALS_DIRECTORYX/b"),
            ("/a/$CREDENTIALS_DIRECTORY", "/a/$CREDENTIALS_DIRECTORY"),
            ("relative", "relative"),
        ] {
            assert_eq!(expand_path(path, &environment), Path::new(expanded), "{path}");
            let same = if path.starts_with(['/', 'r']) { expanded } else { path };
            assert_eq!(expand_path(path, &Environment::default()), Path::new(same), "{path}");
        }
    }

    #[test]
    fn a_blank_variable_is_unset() {
        let environment = Environment::from_pairs(&[("A", ""), ("B", " \t"), ("C", " x ")]);
        assert_eq!(["A", "B", "C", "D"].map(|name| environment.get(name)), [None, None, Some(" x ".into()), None]);
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let shown = format!("{:?}", Environment::from_pairs(&[("AWS_SECRET_ACCESS_KEY", "hidden")]));
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("hidden"), "{shown}");
    }
}
