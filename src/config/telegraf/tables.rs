//! Where the tables of a TOML file stand, found without parsing their values: Telegraf's own parser takes files that TOML 1.0 does not (a `${VAR}` without
//! quotes, say), and what is wrong in another plugin's table is not our business.
//!
//! Follows strings, comments and brackets, so that a line which only looks like a header is none. Never fails; what it cannot read has no name.

use std::ops::Range;

/// One table: its header and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    /// `["outputs", "kinesis"]`; empty when the header cannot be read.
    pub(crate) names: Vec<String>,
    /// The header, brackets included.
    pub(crate) header: Range<usize>,
    /// From the start of the header's line to the end of the last line with a key, newline included. Comments that follow belong to what comes next.
    pub(crate) extent: Range<usize>,
}

impl Table {
    /// Whether its name is `names` or begins with it.
    pub(crate) fn is_in(&self, names: &[&str]) -> bool {
        self.names.len() >= names.len() && self.names.iter().zip(names).all(|(own, name)| own == name)
    }

    /// Whether its name is `names`.
    pub(crate) fn is(&self, names: &[&str]) -> bool {
        self.names.len() == names.len() && self.is_in(names)
    }
}

/// Every table, in the order of the file; and first where the keys before the first header stand.
pub(crate) fn tables(text: &str) -> (Range<usize>, Vec<Table>) {
    let bytes = text.as_bytes();
    let (mut at, mut top, mut tables) = (0, 0..0, Vec::<Table>::new());
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at = line_end(bytes, at),
            b'[' => {
                let end = header_end(bytes, at);
                let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let header = at..end;
                at = line_end(bytes, end);
                tables.push(Table { names: names(&text[header.clone()]), header, extent: start..at });
            }
            _ => {
                at = statement_end(bytes, at);
                match tables.last_mut() {
                    Some(table) => table.extent.end = at,
                    None => top.end = at,
                }
            }
        }
    }
    (top, tables)
}

/// One key with its value, in the lines that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// `["tagpass", "host"]`; empty when the key cannot be read.
    pub(crate) names: Vec<String>,
    /// Where its value begins, behind the equals sign.
    pub(crate) value: usize,
    /// From its first byte to the end of its last line, comment and newline included.
    pub(crate) extent: Range<usize>,
}

/// Every statement below the header of this table.
pub(crate) fn statements(text: &str, table: &Table) -> Vec<Statement> {
    let (bytes, mut statements) = (&text.as_bytes()[..table.extent.end], Vec::new());
    let mut at = line_end(bytes, table.header.end);
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at = line_end(bytes, at),
            _ => {
                let end = statement_end(bytes, at);
                let equals = key_end(&bytes[..end], at);
                statements.push(Statement { names: names(&text[at..equals]), value: (equals + 1).min(end), extent: at..end });
                at = end;
            }
        }
    }
    statements
}

/// Every comment in these lines, without its newline.
pub(crate) fn comments(text: &str) -> Vec<Range<usize>> {
    let (bytes, mut at, mut comments) = (text.as_bytes(), 0, Vec::new());
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => at = string_end(bytes, at),
            b'#' => {
                let line = &text[at..line_end(bytes, at)];
                comments.push(at..at + line.trim_end_matches(['\r', '\n']).len());
                at += line.len();
            }
            _ => at += 1,
        }
    }
    comments
}

/// Where the equals sign of the statement at `at` stands; its end where there is none.
fn key_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'=' {
        at = if matches!(bytes[at], b'"' | b'\'') { string_end(bytes, at) } else { at + 1 };
    }
    at
}

/// Behind the newline that ends the line at `at`.
fn line_end(bytes: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |newline| at + newline + 1)
}

/// Behind the brackets that close the header at `at`, or at the end of its line.
fn header_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => at = string_end(bytes, at),
            b']' => {
                while bytes.get(at) == Some(&b']') {
                    at += 1;
                }
                return at;
            }
            b'\n' | b'#' => return at,
            _ => at += 1,
        }
    }
    at
}

/// Behind the newline that ends the key and value at `at`, which may take several lines.
fn statement_end(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0usize;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => at = string_end(bytes, at),
            b'#' => at = line_end(bytes, at) - usize::from(bytes[line_end(bytes, at) - 1] == b'\n'),
            b'[' | b'{' => (depth, at) = (depth + 1, at + 1),
            b']' | b'}' => (depth, at) = (depth.saturating_sub(1), at + 1),
            b'\n' if depth == 0 => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// Behind the string that starts at `at`; one that is not closed ends with its line, or with the file where it may span lines.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let triple = bytes[at..].starts_with(&[quote; 3]);
    let mut at = at + if triple { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote && !triple => return at + 1,
            byte if byte == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            b'\n' if !triple => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The names in a header, without quotes and blanks; none when it has an empty one.
fn names(header: &str) -> Vec<String> {
    let inner = header.trim_start_matches('[').trim_end_matches(']');
    let (mut names, mut name, mut quote) = (Vec::new(), String::new(), None);
    for c in inner.chars() {
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '.' => names.push(std::mem::take(&mut name)),
            None if c.is_whitespace() => {}
            Some(open) if c == open => quote = None,
            _ => name.push(c),
        }
    }
    names.push(name);
    if names.iter().any(String::is_empty) { Vec::new() } else { names }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, &str)> {
        tables(text).1.iter().map(|table| (table.names.join("."), &text[table.extent.clone()])).collect()
    }

    #[test]
    fn tables_are_found_whatever_stands_between_them() {
        let text = "# head\nx = 1\n[agent] # c\n  interval = ${INTERVAL}\n\n# about kinesis\n  [[ outputs . \"kinesis\" ]]\n  a = 'it''s'\n  b = [\n [1], # ]\n ]\n\n  # end\n[c]";
        assert_eq!(
            shown(text),
            [
                ("agent".to_owned(), "[agent] # c\n  interval = ${INTERVAL}\n"),
                ("outputs.kinesis".to_owned(), "  [[ outputs . \"kinesis\" ]]\n  a = 'it''s'\n  b = [\n [1], # ]\n ]\n"),
                ("c".to_owned(), "[c]"),
            ]
        );
        assert_eq!(&text[tables(text).0], "# head\nx = 1\n");
    }

    #[test]
    fn a_line_that_only_looks_like_a_header_is_none() {
        for text in [
            "a = \"\"\"\n[[outputs.kinesis]]\n\"\"\"\n",
            "a = '''\n[[outputs.kinesis]]\n'''\n",
            "a = [\n  [\"outputs.kinesis\"],\n]\n",
            "a = \"x\\\"\\\\\" # [[outputs.kinesis]]\n",
            "# [[outputs.kinesis]]\n",
        ] {
            assert_eq!(shown(text), [], "{text}");
        }
    }

    #[test]
    fn a_string_without_its_end_hides_no_table_but_one_of_several_lines() {
        assert_eq!(shown("a = \"x\n[b]\n").len(), 1);
        assert_eq!(shown("a = 'x\n[b]\n").len(), 1);
        assert_eq!(shown("a = \"\"\"x\n[b]\n").len(), 0);
        assert_eq!(shown("a = \"\\").len(), 0);
    }

    #[test]
    fn statements_and_comments_are_found_whatever_their_values_hold() {
        let text = "[t] # 1\n  a = \"# no\" # 2\n# 3\n  b.\"c=d\" = [ # 4\n   '#', \"\"\"\n# no\"\"\" ] # 5\r\n\n  e={x=1}\n";
        let table = &tables(text).1[0];
        let found: Vec<(String, &str)> =
            statements(text, table).iter().map(|statement| (statement.names.join("."), &text[statement.extent.clone()])).collect();
        assert_eq!(
            found,
            [
                ("a".to_owned(), "a = \"# no\" # 2\n"),
                ("b.c=d".to_owned(), "b.\"c=d\" = [ # 4\n   '#', \"\"\"\n# no\"\"\" ] # 5\r\n"),
                ("e".to_owned(), "e={x=1}\n"),
            ]
        );
        assert_eq!(comments(text).into_iter().map(|comment| &text[comment]).collect::<Vec<_>>(), ["# 1", "# 2", "# 3", "# 4", "# 5"]);
    }

    #[test]
    fn a_header_that_cannot_be_read_has_no_name() {
        for text in ["[", "[]", "[[a.]]", "[.b", "[\"x", "[a..b]"] {
            assert!(tables(text).1[0].names.is_empty() || text == "[\"x", "{text}");
        }
    }
}
