//! `${VAR}` in text, as Telegraf expands it after parsing: an unset variable without a default is an error here, where Telegraf leaves the text as it is.
//!
//! | form | gives |
//! |---|---|
//! | `$VAR`, `${VAR}` | the value |
//! | `${VAR:-text}`, `${VAR-text}` | the value; the text when it is unset (with `:` also when it is empty) |
//! | `${VAR:?text}`, `${VAR?text}` | the value; an error with that text |
//! | `${VAR:+text}`, `${VAR+text}` | the text when there is a value, else nothing |
//! | `$$` | `$` |
//!
//! The text of a default may hold variables itself. A `$` before anything else stays.

use std::borrow::Cow;

use super::value::quote;

/// How deep defaults may stand in defaults.
const DEPTH_MAX: usize = 8;
/// Bytes that expanded text may have.
const SIZE_MAX: usize = 64 << 10;

/// Why text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VariableError {
    /// Nobody set this variable, and there is no default.
    Unset(String),
    /// This variable has no value, and its text says that it must have one.
    Required {
        name: String,
        /// It is set, to nothing.
        is_empty: bool,
        text: String,
    },
    /// What stands in these braces is not understood.
    Form(String),
    /// The second half of a sentence, which shows nothing of the text.
    Wrong(String),
}

impl VariableError {
    /// The second half of a sentence.
    pub(crate) fn reason(&self) -> String {
        match self {
            VariableError::Unset(name) => {
                format!(
                    "needs the variable {name}, which is not set: set it for kinegraf as well, or write a default as ${{{name}:-text}}, or $$ for a dollar sign"
                )
            }
            VariableError::Required { name, is_empty, text } => {
                let text = if text.is_empty() { String::new() } else { format!(": {}", quote(text)) };
                format!("needs the variable {name}, which is {}{text}", if *is_empty { "empty" } else { "not set" })
            }
            VariableError::Form(inner) => {
                let found = quote(&format!("${{{inner}}}"));
                format!("has {found}, must be ${{VAR}}, ${{VAR:-default}} or ${{VAR:?error}}")
            }
            VariableError::Wrong(reason) => reason.clone(),
        }
    }

    /// The same where `text` may be a secret: a dollar sign in it need not begin a variable, nor what follows be a name.
    pub(crate) fn reason_of_secret(&self, text: &str) -> String {
        match self {
            VariableError::Wrong(_) => self.reason(),
            VariableError::Unset(_) | VariableError::Required { .. } if is_one_variable(text) => self.reason(),
            _ => "has a dollar sign that begins no variable which is set: write $$ for a dollar sign, or set what is meant for kinegraf as well"
                .to_owned(),
        }
    }
}

/// Whether `text` is `$VAR` or `${VAR…}` and nothing else.
fn is_one_variable(text: &str) -> bool {
    size(text) == Some(text.len())
}

/// Bytes of the `$VAR` or `${VAR…}` that `text` begins with, if it does.
pub(crate) fn size(text: &str) -> Option<usize> {
    let behind = text.strip_prefix('$')?;
    match behind.strip_prefix('{') {
        Some(braced) if name_size(braced) > 0 => closing(braced).map(|end| end + "${}".len()),
        _ => Some(name_size(behind)).filter(|size| *size > 0).map(|size| size + 1),
    }
}

/// `text` with each variable replaced by what `get` knows of it.
pub(crate) fn expand<'a>(text: &'a str, get: &dyn Fn(&str) -> Option<String>) -> Result<Cow<'a, str>, VariableError> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::new();
    expand_into(text, get, 0, &mut out)?;
    Ok(Cow::Owned(out))
}

fn expand_into(text: &str, get: &dyn Fn(&str) -> Option<String>, depth: usize, out: &mut String) -> Result<(), VariableError> {
    if depth > DEPTH_MAX {
        return Err(VariableError::Wrong(format!("has variables in defaults more than {DEPTH_MAX} deep")));
    }
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let behind = &rest[dollar + 1..];
        let name = name_size(behind);
        if let Some(after) = behind.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if name > 0 {
            let value = get(&behind[..name]).ok_or_else(|| VariableError::Unset(behind[..name].to_owned()))?;
            out.push_str(&value);
            rest = &behind[name..];
        } else if let Some(braced) = behind.strip_prefix('{').filter(|braced| name_size(braced) > 0) {
            let end = closing(braced).ok_or_else(|| VariableError::Wrong("has a ${ without its }".into()))?;
            braces(&braced[..end], get, depth, out)?;
            rest = &braced[end + 1..];
        } else {
            out.push('$');
            rest = behind;
        }
        if out.len() > SIZE_MAX {
            return Err(VariableError::Wrong("is more than 64KiB when its variables are expanded".into()));
        }
    }
    out.push_str(rest);
    Ok(())
}

/// What stands in the braces: a name, and maybe what to do without it.
fn braces(inner: &str, get: &dyn Fn(&str) -> Option<String>, depth: usize, out: &mut String) -> Result<(), VariableError> {
    let (name, rest) = inner.split_at(name_size(inner));
    let (colon, operator) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
    let set = get(name);
    let is_empty = set.as_deref() == Some("");
    let value = set.filter(|value| !(colon && value.is_empty()));
    let (operation, text) = operator.split_at(operator.chars().next().map_or(0, char::len_utf8));
    match (operation, value) {
        ("", _) if colon => Err(VariableError::Form(inner.to_owned())),
        ("", None) => Err(VariableError::Unset(name.to_owned())),
        ("" | "-" | "?", Some(value)) => {
            out.push_str(&value);
            Ok(())
        }
        ("-", None) | ("+", Some(_)) => expand_into(text, get, depth + 1, out),
        ("?", None) => Err(VariableError::Required { name: name.to_owned(), is_empty, text: text.to_owned() }),
        ("+", None) => Ok(()),
        _ => Err(VariableError::Form(inner.to_owned())),
    }
}

/// Bytes of the variable's name at the start of `text`.
fn name_size(text: &str) -> usize {
    match text.as_bytes().first() {
        Some(first) if first.is_ascii_alphabetic() || *first == b'_' => text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count(),
        _ => 0,
    }
}

/// Where the brace that closes `text` stands; `${` within it opens another.
fn closing(text: &str) -> Option<usize> {
    let (mut open, mut before) = (1, b' ');
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if before == b'$' => open += 1,
            b'}' if open == 1 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(name: &str) -> Option<String> {
        match name {
            "A" => Some("x".into()),
            "_b1" => Some("$A".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn of(text: &str) -> String {
        expand(text, &get).unwrap().into_owned()
    }

    #[test]
    fn every_form_gives_what_telegraf_gives() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${A}-$A.$A", "x-x.x"),
            ("$_b1", "$A"),
            ("${U:-d}${U-d}${A:-d}${EMPTY:-d}[${EMPTY-d}]", "ddxd[]"),
            ("${U:-${V:-${A}}}!", "x!"),
            ("${U:-}", ""),
            ("${A:?no}${EMPTY?no}", "x"),
            ("${A:+y}${U:+y}${EMPTY:+y}${EMPTY+y}", "yy"),
            ("$$A $${A} $$$A", "$A ${A} $x"),
            ("$ $1 ${1} ${} a$", "$ $1 ${1} ${} a$"),
            ("${U:-a}b}", "ab}"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn an_unset_variable_without_a_default_is_an_error_that_names_it() {
        for text in ["$U", "a${U}", "${A}${U}", "${A:+$U}"] {
            assert_eq!(expand(text, &get), Err(VariableError::Unset("U".into())), "{text}");
        }
        let error = expand("${U:?where it goes}", &get).unwrap_err().reason();
        assert_eq!(error, "needs the variable U, which is not set: \"where it goes\"");
        assert_eq!(expand("${EMPTY:?}", &get).unwrap_err().reason(), "needs the variable EMPTY, which is empty");
        assert!(
            expand("${EMPTY:?}", &get).is_err() && expand("${A", &get).is_err() && expand("${A:x}", &get).is_err() && expand("${A/b}", &get).is_err()
        );
    }

    #[test]
    fn hostile_text_has_bounds() {
        let deep = format!("{}x{}", "${U:-".repeat(50), "}".repeat(50));
        assert!(expand(&deep, &get).is_err());
        let long = |_: &str| Some("x".repeat(40 << 10));
        assert!(expand("$A$A", &long).is_err());
    }
}
