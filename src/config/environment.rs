//! The environment as an argument: read once in `main`, or made of pairs in tests. Blank means unset, as in AWS's own tools.

use std::collections::BTreeMap;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
