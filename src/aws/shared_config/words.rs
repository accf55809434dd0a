//! The words of a command, as a POSIX shell takes them apart: blanks between them, quotes and backslashes within. Nothing else of a shell: no variable, no pipe.

use std::fmt;
use std::str::Chars;

/// A command that is taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The program and its arguments; never empty.
    pub words: Vec<String>,
    /// Something in it, outside quotes, means more to a shell than to us: `$ ` | & ; < >` and backquotes.
    pub wants_shell: bool,
}

/// Why a command cannot be taken apart. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadWords {
    /// No word in it.
    Empty,
    /// This quote has no end.
    Open(char),
    /// A backslash with nothing behind it.
    Backslash,
}

impl fmt::Display for BadWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadWords::Empty => f.write_str("is empty"),
            BadWords::Open(quote) => write!(f, "has a {quote} without its end"),
            BadWords::Backslash => f.write_str("ends with a backslash"),
        }
    }
}

/// Takes `command` apart. `~/` at the start of a word is `home`, if there is one.
///
/// # Errors
/// There is no word, or a quote or a backslash has no end.
pub fn split(command: &str, home: Option<&str>) -> Result<Words, BadWords> {
    let (mut words, mut word, mut wants_shell) = (Vec::new(), None::<String>, false);
    let mut rest = command.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => quoted(&mut rest, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut rest, '"', word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(rest.next().ok_or(BadWords::Backslash)?),
            '~' if word.is_none() && rest.as_str().starts_with('/') => word.get_or_insert_default().push_str(home.unwrap_or("~")),
            c => {
                wants_shell |= "$`|&;<>".contains(c);
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    if words.is_empty() { Err(BadWords::Empty) } else { Ok(Words { words, wants_shell }) }
}

/// Up to the next `quote`. Within `"` a backslash takes the meaning of `"` and of itself, in front of anything else it stays.
fn quoted(rest: &mut Chars<'_>, quote: char, word: &mut String) -> Result<(), BadWords> {
    while let Some(c) = rest.next() {
        match c {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match rest.next().ok_or(BadWords::Open(quote))? {
                c @ ('"' | '\\' | '$' | '`') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
    Err(BadWords::Open(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Result<Vec<String>, BadWords> {
        split(command, Some("/home/x")).map(|words| words.words)
    }

    #[test]
    fn a_command_is_taken_apart_as_a_shell_does() {
        for (command, expected) in [
            ("/bin/a", &["/bin/a"] as &[&str]),
            ("  a\tb  c ", &["a", "b", "c"]),
            ("a 'b c' \"d e\"f", &["a", "b c", "d ef"]),
            (r#"a\ b "c\"d\\\x" 'e\' ''"#, &["a b", r#"c"d\\x"#, r"e\", ""]),
            ("~/bin/a ~ '~/b' x~/c ~d/e", &["/home/x/bin/a", "~", "~/b", "x~/c", "~d/e"]),
            ("a\n-b", &["a", "-b"]),
            ("a --url=https://x/?a=1", &["a", "--url=https://x/?a=1"]),
        ] {
            assert_eq!(words(command).unwrap(), expected, "{command}");
        }
        assert_eq!(split("~/a", None).unwrap().words, ["~/a"]);
    }

    #[test]
    fn what_only_a_shell_could_do_is_noticed() {
        for command in ["a | b", "a > b", "a; b", "a && b", "a $B", "a `b`"] {
            assert!(split(command, None).unwrap().wants_shell, "{command}");
        }
        for command in ["a 'b | $c'", "a \\$b", "a \"b;c\""] {
            assert!(!split(command, None).unwrap().wants_shell, "{command}");
        }
    }

    #[test]
    fn a_command_that_ends_within_a_quote_is_none() {
        assert_eq!(words(" "), Err(BadWords::Empty));
        assert_eq!(words("a 'b"), Err(BadWords::Open('\'')));
        assert_eq!(words("a \"b\\"), Err(BadWords::Open('"')));
        assert_eq!(words("a b\\"), Err(BadWords::Backslash));
    }
}
