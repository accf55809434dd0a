//! One line of line protocol, borrowed: measurement, tags, fields, timestamp. The whole line is validated, nothing is copied.
//!
//! Accepted is what InfluxDB takes or what Telegraf's parser takes, since a line rejected by mistake is lost; rejected is what neither takes and what the two
//! read as different data. Bytes need not be UTF-8. `tests/line_protocol/` holds the cases that were settled against both.
//!
//! ```text
//! measurement,tag=value,tag=value field=1.5,field=2i,field="text" 1519000000000000000
//! ```
//!
//! Names (measurement, tag keys and values, field keys) hold any bytes; a separator, a comma or (but for a measurement) an equals sign stands in one behind a
//! backslash. Sections are separated by any number of spaces, tabs, vertical tabs and form feeds. A newline is data in a string and an error elsewhere.

use std::cmp::Ordering;

use memchr::memchr2;

use crate::counters::RejectReason;
use crate::line::bytes::{ENDS_MEASUREMENT, ENDS_NAME, NAME_ESCAPES, escape_in, is_separator, leading_size, name_end, skip_separators, unescaped};
use crate::line::number::{ValueError, number_end, timestamp_end};

/// A validated view of one line.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    measurement: &'a [u8],
    /// `key=value,key=value`, maybe empty.
    tags: &'a [u8],
    /// `key=value,key=value`, never empty.
    fields: &'a [u8],
    timestamp: Option<&'a [u8]>,
}

/// What is wrong with a line, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointError {
    /// Bytes from the start of the line, counted from 1; one more than the line has where something is missing at its end.
    pub column: usize,
    /// What is wrong there.
    pub reason: RejectReason,
}

impl<'a> Point<'a> {
    /// Validates the whole line (without its newline).
    ///
    /// # Errors
    /// The first thing that is wrong. A blank line and a comment miss their measurement.
    pub fn parse(line: &'a [u8]) -> Result<Point<'a>, PointError> {
        parse(line).map_err(|(at, reason)| PointError { column: at + 1, reason })
    }

    /// The measurement as it stands in the line, escapes included.
    pub fn measurement(&self) -> &'a [u8] {
        self.measurement
    }

    /// The value of the first tag with this key (unescaped, as Telegraf knows it), as it stands in the line, escapes included.
    pub fn tag(&self, key: &str) -> Option<&'a [u8]> {
        self.tags().find(|(raw, _)| is_name(raw, key.as_bytes())).map(|(_, value)| value)
    }

    /// The tags as they stand in the line: key and value, escapes included.
    pub fn tags(&self) -> Pairs<'a> {
        Pairs { rest: self.tags, strings: false }
    }

    /// The fields as they stand in the line: key and value, escapes and the quotes of strings included.
    pub fn fields(&self) -> Pairs<'a> {
        Pairs { rest: self.fields, strings: true }
    }

    /// The timestamp as it stands in the line.
    pub fn timestamp(&self) -> Option<&'a [u8]> {
        self.timestamp
    }
}

/// Tags or fields of a [`Point`], in their order, each as key and value.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    /// Whether a quote opens a string; it means nothing in a tag.
    strings: bool,
}

impl<'a> Pairs<'a> {
    /// The bytes that are left.
    pub(super) fn section(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let key = name_end(self.rest, 0, ENDS_NAME);
        let (key, value) = (&self.rest[..key], self.rest.get(key + 1..)?);
        let end = match value.first() {
            // The line was validated: the string is closed.
            Some(b'"') if self.strings => string_end(value, 0).unwrap_or(value.len()),
            // A number or boolean holds nothing that could end a name.
            _ => tag_value_end(value, 0),
        };
        self.rest = value.get(end + 1..).unwrap_or_default();
        Some((key, &value[..end]))
    }
}

fn parse(line: &[u8]) -> Result<Point<'_>, ValueError> {
    let start = leading_size(line);
    let end = name_end(line, start, ENDS_MEASUREMENT);
    if end == start || line[start] == b'#' {
        return Err((start, RejectReason::MissingMeasurement));
    }
    let tags_end = match line.get(end) {
        Some(b',') => tags_end(line, end)?,
        _ => end,
    };
    let fields_start = skip_separators(line, tags_end);
    let fields_end = fields_end(line, fields_start)?;
    Ok(Point {
        measurement: &line[start..end],
        tags: line.get(end + 1..tags_end).unwrap_or_default(),
        fields: &line[fields_start..fields_end],
        timestamp: timestamp(line, fields_end)?,
    })
}

/// The end of the tags that start with the comma at `comma`.
#[inline(always)]
fn tags_end(line: &[u8], mut comma: usize) -> Result<usize, ValueError> {
    loop {
        let key = comma + 1;
        let equals = name_end(line, key, ENDS_NAME);
        if equals == key {
            return Err((key, RejectReason::MissingTagKey));
        }
        let value = equals + 1;
        if line.get(equals) != Some(&b'=') {
            return Err((equals, RejectReason::MissingTagValue));
        }
        let end = tag_value_end(line, value);
        if end == value {
            return Err((value, RejectReason::MissingTagValue));
        }
        match line.get(end) {
            Some(b',') => comma = end,
            Some(b'=') => return Err((end, RejectReason::InvalidTagValue)),
            _ => return Ok(end),
        }
    }
}

/// The end of the tag value that starts at `at`. An equals sign ends it, but as its first byte, which InfluxDB takes.
#[inline(always)]
fn tag_value_end(line: &[u8], at: usize) -> usize {
    name_end(line, at + usize::from(line.get(at) == Some(&b'=')), ENDS_NAME)
}

/// The end of the fields that start at `key`.
#[inline(always)]
fn fields_end(line: &[u8], mut key: usize) -> Result<usize, ValueError> {
    if matches!(line.get(key), None | Some(b'\n')) {
        return Err((key, RejectReason::MissingFields));
    }
    loop {
        let equals = name_end(line, key, ENDS_NAME);
        if equals == key {
            return Err((key, RejectReason::MissingFieldKey));
        }
        if line.get(equals) != Some(&b'=') {
            return Err((equals, RejectReason::MissingFieldValue));
        }
        let value = equals + 1;
        let (end, otherwise) = value_end(line, value)?;
        match line.get(end) {
            Some(b',') => key = end + 1,
            None => return Ok(end),
            Some(&byte) if is_separator(byte) => return Ok(end),
            Some(_) => return Err((end, otherwise)),
        }
    }
}

/// The end of the field value that starts at `at`, and what is wrong with one that another byte follows.
#[inline(always)]
fn value_end(line: &[u8], at: usize) -> Result<(usize, RejectReason), ValueError> {
    match line.get(at) {
        Some(b'0'..=b'9' | b'-' | b'.') => Ok((number_end(line, at)?, RejectReason::InvalidFieldValue)),
        Some(b'"') => Ok((string_end(line, at).ok_or((at, RejectReason::UnterminatedString))?, RejectReason::TrailingText)),
        Some(b't' | b'T' | b'f' | b'F') => Ok((boolean_end(line, at), RejectReason::InvalidFieldValue)),
        None | Some(b',' | b'\n') => Err((at, RejectReason::MissingFieldValue)),
        Some(&byte) if is_separator(byte) => Err((at, RejectReason::MissingFieldValue)),
        Some(_) => Err((at, RejectReason::InvalidFieldValue)),
    }
}

/// Behind the quote that closes the string whose quote is at `at`, if one does.
#[inline(always)]
fn string_end(line: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr2(b'"', b'\\', line.get(from..)?)?;
        if line[found] == b'"' {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

/// Behind the longest spelling of a boolean that starts at `at`, where a `t`, `T`, `f` or `F` stands.
#[inline(always)]
fn boolean_end(line: &[u8], at: usize) -> usize {
    const LONG: [&[u8]; 6] = [b"true", b"false", b"True", b"False", b"TRUE", b"FALSE"];
    let rest = &line[at..];
    at + LONG.iter().find(|word| rest.starts_with(word)).map_or(1, |word| word.len())
}

/// The timestamp behind the fields that end at `fields_end`, and nothing else.
#[inline(always)]
fn timestamp(line: &[u8], fields_end: usize) -> Result<Option<&[u8]>, ValueError> {
    let start = skip_separators(line, fields_end);
    if start == line.len() {
        return Ok(None);
    }
    let end = timestamp_end(line, start)?;
    let rest = skip_separators(line, end);
    if rest < line.len() {
        // `5x` is no timestamp; `5 x` is one with something behind it.
        return Err((rest, if rest == end { RejectReason::InvalidTimestamp } else { RejectReason::TrailingText }));
    }
    Ok(Some(&line[start..end]))
}

/// Whether `raw`, unescaped, is `name`.
fn is_name(raw: &[u8], name: &[u8]) -> bool {
    // Every escape makes `raw` longer, so equal lengths leave no room for one.
    match raw.len().cmp(&name.len()) {
        Ordering::Less => false,
        Ordering::Equal => raw == name && escape_in(raw, NAME_ESCAPES).is_none(),
        Ordering::Greater => unescaped(raw, NAME_ESCAPES).eq(name.iter().copied()),
    }
}
