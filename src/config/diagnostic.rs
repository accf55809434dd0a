//! Mistakes as a person reads them: place, message, the line and a caret under what is meant. All of them in one go.
//!
//! What is shown of a file is only what the reader of the file understood and found harmless: masked ranges become `***`, text after the last understood
//! token of a line (a comment, say) is left out, and every character that does something to a terminal is written out.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::value::{ascii_line, escape};
use crate::limits;

/// Where a mistake was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Bytes of the file.
    Span(Range<usize>),
    /// The file as a whole.
    File,
    /// An option; the message names it.
    Flag,
    /// A variable, which the message names, or nothing that was written.
    Elsewhere,
}

/// A file with the mistakes found so far.
pub(crate) struct Report<'a> {
    path: Option<String>,
    text: &'a str,
    line_starts: Vec<usize>,
    masks: Vec<Range<usize>>,
    tokens: Vec<Range<usize>>,
    mistakes: Vec<(Place, String)>,
    notes: Vec<(Place, String)>,
}

impl<'a> Report<'a> {
    /// For this file, or for no file.
    pub(crate) fn new(path: Option<&Path>, text: &'a str) -> Report<'a> {
        let line_starts = std::iter::once(0).chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1)).collect();
        let path = path.map(show_path);
        Report { path, text, line_starts, masks: Vec::new(), tokens: Vec::new(), mistakes: Vec::new(), notes: Vec::new() }
    }

    /// Whether there is a file at all.
    pub(crate) fn has_file(&self) -> bool {
        self.path.is_some()
    }

    /// The message is a whole sentence without its place.
    pub(crate) fn push(&mut self, place: Place, message: String) {
        self.mistakes.push((place, message));
    }

    /// What is no mistake and should be known.
    pub(crate) fn note(&mut self, place: Place, message: String) {
        self.notes.push((place, message));
    }

    /// Never shows these bytes.
    pub(crate) fn mask(&mut self, span: Range<usize>) {
        self.masks.push(span);
    }

    /// These bytes were understood: a line may be shown up to their end.
    pub(crate) fn token(&mut self, span: Range<usize>) {
        self.tokens.push(span);
    }

    /// Which line these bytes begin in, counted from 0.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of a line without its end.
    pub(crate) fn line_span(&self, line: usize) -> Range<usize> {
        let start = self.line_starts[line];
        let end = self.line_starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        start..start + self.text[start..end].trim_end_matches('\r').len()
    }

    /// What should be known, each as one line; `Err` when there is any mistake: those of the file first, in its order.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, ConfigError> {
        if self.mistakes.is_empty() {
            self.notes.sort_by_key(|(place, _)| order(place));
            return Ok(self.notes.iter().map(|(place, message)| self.place(place) + message).collect());
        }
        let mut mistakes = std::mem::take(&mut self.mistakes);
        mistakes.sort_by_key(|(place, _)| order(place));
        self.masks.sort_by_key(|mask| mask.start);
        let mut text = String::new();
        for (place, message) in mistakes.iter().take(limits::MISTAKES_MAX) {
            self.write(place, message, &mut text);
        }
        if mistakes.len() > limits::MISTAKES_MAX {
            text.push_str(&format!("and {} more mistakes\n", mistakes.len() - limits::MISTAKES_MAX));
        }
        let usage = mistakes.iter().all(|(place, _)| *place == Place::Flag);
        Err(ConfigError { text, mistakes: mistakes.len(), usage })
    }

    fn write(&self, place: &Place, message: &str, out: &mut String) {
        out.push_str(&format!("{}{message}\n", self.place(place)));
        if let (Place::Span(span), Some(_)) = (place, &self.path) {
            let line = self.line_of(span.start);
            let number = (line + 1).to_string();
            let (shown, caret) = self.draw(self.line_span(line), span);
            out.push_str(&format!("{number} | {shown}\n{:width$} | {caret}\n", "", width = number.len()));
        }
    }

    /// `path:line:column: ` as far as it is known.
    fn place(&self, place: &Place) -> String {
        match (place, &self.path) {
            (Place::Span(span), Some(path)) => {
                let line = self.line_of(span.start);
                let column = self.text[self.line_starts[line]..span.start].chars().count() + 1;
                format!("{path}:{}:{column}: ", line + 1)
            }
            (Place::File, Some(path)) => format!("{path}: "),
            _ => String::new(),
        }
    }

    /// The line as it may be seen and the carets below it.
    fn draw(&self, line: Range<usize>, span: &Range<usize>) -> (String, String) {
        const SIDE: usize = limits::SHOWN_LINE_MAX / 2;
        let in_line = |range: &&Range<usize>| range.start < line.end && range.end > line.start;
        let masks: Vec<&Range<usize>> = self.masks.iter().filter(in_line).collect();
        let understood = self.tokens.iter().filter(in_line).chain(masks.iter().copied()).map(|token| token.end);
        let end = understood.max().unwrap_or(line.start).clamp(line.start, line.end);
        let focus = span.start.clamp(line.start, end);
        let (before, after) = (&self.text[line.start..focus], &self.text[focus..end]);
        let from = before.char_indices().rev().nth(SIDE - 1).map_or(line.start, |(i, _)| line.start + i);
        let until = after.char_indices().nth(SIDE).map_or(end, |(i, _)| focus + i);

        let mut shown = String::from(if from > line.start { "..." } else { "" });
        let mut caret = " ".repeat(shown.len());
        let mut at = from;
        while at < until {
            let (piece, next) = match masks.iter().find(|mask| mask.contains(&at)) {
                Some(mask) => ("***".to_owned(), mask.end.min(end)),
                None => {
                    let c = self.text[at..].chars().next().unwrap_or(' ');
                    (escape([c]), at + c.len_utf8())
                }
            };
            let meant = at < span.end.max(span.start + 1) && next > span.start;
            caret.extend(std::iter::repeat_n(if meant { '~' } else { ' ' }, piece.chars().map(cells).sum()));
            shown.push_str(&piece);
            at = next;
        }
        if !caret.contains('~') {
            caret.push('~');
        }
        if until < end && at < end {
            shown.push_str("...");
        }
        let caret = caret.replacen('~', "^", 1);
        (shown.trim_end().to_owned(), caret.trim_end().to_owned())
    }
}

/// Those of the file first, in its order.
fn order(place: &Place) -> (u8, usize) {
    match place {
        Place::Span(span) => (0, span.start),
        Place::File => (1, 0),
        Place::Flag | Place::Elsewhere => (2, 0),
    }
}

/// Cells of a terminal that a visible character takes. Source: Unicode's EastAsianWidth, blocks that are wide as a whole.
fn cells(c: char) -> usize {
    let wide = matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xA960..=0xA97F | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF01..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F680..=0x1F6FF | 0x1F900..=0x1F9FF | 0x20000..=0x3FFFD);
    1 + usize::from(wide)
}

/// A path for a message.
pub(crate) fn show_path(path: &Path) -> String {
    escape(path.to_string_lossy().chars())
}

/// Every mistake of a configuration, ready to be shown: no secret is in it, and nothing that a terminal obeys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    text: String,
    mistakes: usize,
    usage: bool,
}

impl ConfigError {
    /// A file that could not be read at all.
    pub(crate) fn of_file(path: &Path, message: &str) -> ConfigError {
        ConfigError { text: format!("{}: {message}\n", show_path(path)), mistakes: 1, usage: false }
    }

    /// A place in a file that cannot be shown.
    pub(crate) fn at(path: &Path, line: usize, column: usize, message: &str) -> ConfigError {
        let gutter = line.to_string().len();
        let text = format!("{}:{line}:{column}: {message}\n{line} | ***\n{:gutter$} | ^~~\n", show_path(path), "");
        ConfigError { text, mistakes: 1, usage: false }
    }

    /// How many there are; at most [`limits::MISTAKES_MAX`] are shown.
    pub fn mistakes(&self) -> usize {
        self.mistakes
    }

    /// The first mistake alone, and how many follow: printable ASCII, at most [`limits::FIRST_LINE_SIZE_MAX`] bytes, no line end.
    pub fn first_line(&self) -> String {
        let more = if self.mistakes > 1 { format!(" (and {} more)", self.mistakes - 1) } else { String::new() };
        ascii_line(&self.text, limits::FIRST_LINE_SIZE_MAX - more.len()) + &more
    }

    /// 64 when every mistake is that of an option, else 78.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 64 } else { 78 }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.trim_end_matches('\n'))
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, token: Range<usize>, masks: &[Range<usize>], span: Range<usize>) -> String {
        let mut report = Report::new(Some(Path::new("f")), text);
        report.token(token);
        masks.iter().for_each(|mask| report.mask(mask.clone()));
        report.push(Place::Span(span), "m".into());
        report.finish().unwrap_err().to_string()
    }

    #[test]
    fn the_caret_stands_below_the_thing_after_tabs_wide_letters_and_escapes() {
        let text = "\tk = \"緑\u{7}é\" # comment\r\n";
        let value = text.find('é').unwrap();
        assert_eq!(drawn(text, 0..value + 3, &[], value..value + 2), "f:1:9: m\n1 |     k = \"緑\\u{7}é\"\n  |                 ^");
    }

    #[test]
    fn a_masked_range_is_three_stars_whatever_its_length() {
        let text = "key = \"hidden\"";
        assert_eq!(drawn(text, 0..14, std::slice::from_ref(&(6..14)), 6..14), "f:1:7: m\n1 | key = ***\n  |       ^~~");
        assert_eq!(drawn(text, 0..14, &[6..9, 8..14], 9..10), "f:1:10: m\n1 | key = ******\n  |          ^~~");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(10_000), "b".repeat(10_000));
        let shown = drawn(&text, 0..text.len(), &[], 10_000..10_004);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "f:1:10001: m");
        assert!(lines[1].len() <= limits::SHOWN_LINE_MAX + 10, "{}", lines[1].len());
        assert_eq!(lines[1].find("HERE"), lines[2].find("^~~~"));
    }

    #[test]
    fn the_first_line_is_short_ascii_and_counts_the_rest() {
        let mut report = Report::new(None, "");
        report.push(Place::Elsewhere, format!("é{}", "x".repeat(2_000)));
        report.push(Place::Flag, "y".into());
        let error = report.finish().unwrap_err();
        assert!(error.first_line().is_ascii() && error.first_line().len() == limits::FIRST_LINE_SIZE_MAX, "{}", error.first_line());
        assert!(error.first_line().ends_with("x (and 1 more)"));
        assert_eq!((error.mistakes(), error.exit_code()), (2, 78));
    }
}
