//! Telegraf's file with the new section where the old one stood. Every byte outside of the old section stays.

use std::ops::Range;

use crate::config::telegraf::tables::{self, Table};

/// `bytes` with `new` in place of the tables of `section`, in the line ends of the file. `text` is what was read of them, byte for byte at the same place.
pub(super) fn replaced(bytes: &[u8], text: &str, section: &[Table], new: &str) -> Vec<u8> {
    let ranges = ranges(text, section);
    let new = match ranges.first() {
        Some(first) if ends_in_crlf(&text[first.clone()]) => new.replace('\n', "\r\n"),
        _ => new.to_owned(),
    };
    let (mut out, mut at) = (Vec::with_capacity(bytes.len() + new.len()), 0);
    for (number, range) in ranges.into_iter().enumerate() {
        out.extend_from_slice(&bytes[at..range.start]);
        if number == 0 {
            out.extend_from_slice(new.as_bytes());
        }
        at = range.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

fn ends_in_crlf(text: &str) -> bool {
    text.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n"))
}

/// The lines of the section: its tables, what stands between two of them, and comments behind them that belong to it.
fn ranges(text: &str, section: &[Table]) -> Vec<Range<usize>> {
    let all = tables::tables(text).1;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut goes_on = false;
    for table in all.iter() {
        let is_ours = section.iter().any(|own| own.header == table.header);
        match ranges.last_mut() {
            Some(range) if is_ours && goes_on => range.end = table.extent.end,
            _ if is_ours => ranges.push(table.extent.clone()),
            _ => {}
        }
        goes_on = is_ours;
    }
    for range in &mut ranges {
        range.end = behind_comments(text, range);
    }
    ranges
}

/// Behind the comments that follow `range` and stand further in than its header: those of Telegraf's samples. A comment right above something that
/// stands as far in belongs to that.
fn behind_comments(text: &str, range: &Range<usize>) -> usize {
    let header = indent(&text[range.start..]);
    let (mut end, mut at, mut comment) = (range.end, range.end, None);
    for line in text[range.end..].split_inclusive('\n') {
        let depth = indent(line);
        if line.trim().is_empty() {
            end = comment.take().map_or(end, |_| at);
        } else if line.trim_start().starts_with('#') && depth > header {
            comment = Some(depth);
        } else {
            return comment.filter(|comment| *comment > depth).map_or(end, |_| at);
        }
        at += line.len();
    }
    comment.map_or(end, |_| at)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> String {
        let own: Vec<Table> = tables::tables(text).1.into_iter().filter(|table| table.is_in(&["outputs", "kinesis"])).collect();
        String::from_utf8(replaced(text.as_bytes(), text, &own, "NEW\n")).unwrap()
    }

    #[test]
    fn the_section_goes_with_its_tables_and_comments_and_nothing_else() {
        for (text, expected) in [
            ("# a\n[[outputs.kinesis]]\n  b = 1 # c\n\n# d\n[[e]]\n", "# a\nNEW\n\n# d\n[[e]]\n"),
            ("[[outputs.kinesis]]\n  b = 1\n  ## c\n\n  [outputs.kinesis.partition]\n    d = 1\n  ## e\n\n  # f\n\n\n[[g]]\n", "NEW\n\n\n[[g]]\n"),
            // What stands as far in as what follows belongs to that.
            ("  [[outputs.kinesis]]\n    b = 1\n  # c\n  [[d]]\n", "NEW\n  # c\n  [[d]]\n"),
            ("[[outputs.kinesis]]\n  b = 1\n\n  # c\n  [[d]]\n", "NEW\n\n  # c\n  [[d]]\n"),
            ("[[outputs.kinesis]]\n  b = 1\n  # c\n[[d]]\n", "NEW\n[[d]]\n"),
            // A table of another plugin in between stays where it is.
            ("[[outputs.kinesis]]\nb = 1\n[[c]]\nd = 1\n[outputs.kinesis.partition]\ne = 1\n[f]", "NEW\n[[c]]\nd = 1\n[f]"),
            ("x\r\n[[outputs.kinesis]]\r\n  b = 1\r\n  # c\r\n[d]\r\n", "x\r\nNEW\r\n[d]\r\n"),
            ("[[outputs.kinesis]]", "NEW\n"),
            ("[[outputs.kinesis]]\n  # c", "NEW\n"),
        ] {
            assert_eq!(with(text), expected, "{text}");
        }
    }
}
