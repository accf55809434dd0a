//! The crate `influxdb-line-protocol` as a second opinion, over lines made after the grammar and lines with a few changes in them.
//!
//! The crate follows the parser of InfluxDB IOx, which is stricter here and laxer there than InfluxDB 1, 2 and Telegraf. Every difference must be one of
//! [`DIFFERENCES`].

use influxdb_line_protocol::{FieldValue, parse_lines};
use kinegraf::counters::RejectReason::{self, *};
use kinegraf::line::point::Point;
use proptest::prelude::*;

use crate::cases;
use crate::generator::mutated;

/// A way in which we and the crate differ.
struct Difference {
    why: &'static str,
    /// Lines that show it, which must be told apart.
    shown_by: &'static [&'static str],
    /// Whether we accept such lines; the crate does the other.
    accepted: bool,
    /// Whether a line is of this kind.
    applies: fn(&str) -> bool,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "tab, vertical tab and form feed separate sections in Telegraf's parser, and may stand escaped in a name; the crate knows spaces only",
        shown_by: &["m\tv=1", "m v=1\t5", "m\x0bv=1", "m v=t\x0c5", "m\\\t v=1\t"],
        accepted: true,
        applies: |line| without_strings(line).contains(['\t', '\x0b', '\x0c']),
    },
    Difference {
        why: "NUL and CR may stand before a line, and NUL in a measurement: InfluxDB 1 and 2 take both",
        shown_by: &["\0m v=1", "m\0 v=1"],
        accepted: true,
        applies: |line| leading(line).contains(['\0', '\r']) || Point::parse(line.as_bytes()).is_ok_and(|point| point.measurement().contains(&0)),
    },
    Difference {
        why: "the same: they make no measurement by themselves",
        shown_by: &["\r,a=b v=1"],
        accepted: false,
        applies: |line| leading(line).contains(['\0', '\r']),
    },
    Difference {
        why: "a float may lack the digits on one side of its point: InfluxDB and Telegraf take it",
        shown_by: &["m v=5.", "m v=.5", "m v=-.5", "m v=5.e3"],
        accepted: true,
        applies: |line| values(line).iter().any(|value| !value.starts_with('"') && !has_digits_around_point(value)),
    },
    Difference {
        why: "spaces may follow the last field: InfluxDB and Telegraf take it",
        shown_by: &["m v=1 "],
        accepted: true,
        applies: |line| line.ends_with(' ') && Point::parse(line.as_bytes()).is_ok_and(|point| point.timestamp().is_none()),
    },
    Difference {
        why: "a backslash behind a backslash escapes what follows, as Telegraf's serializer writes it and InfluxDB reads it; the crate takes the two as a pair",
        shown_by: &[r"m a\\=b=1", r"m,a=b\\,c v=1"],
        accepted: true,
        applies: |line| without_strings(line).contains(r"\\"),
    },
    Difference {
        why: "an unescaped equals sign in a tag value: InfluxDB and Telegraf refuse it",
        shown_by: &["m,a=b=c v=1"],
        accepted: false,
        applies: |line| fails_at(line, InvalidTagValue, '='),
    },
    Difference {
        why: "an unescaped comma in a key: InfluxDB and Telegraf refuse it",
        shown_by: &["m,a,b=c v=1", "m a,b=1"],
        accepted: false,
        applies: |line| fails_at(line, MissingTagValue, ',') || fails_at(line, MissingFieldValue, ','),
    },
    Difference {
        why: "a comma with nothing before it or behind it: InfluxDB and Telegraf refuse it",
        shown_by: &["m,,a=b v=1", "m,a=b,,c=d v=1", "m ,v=1", "m v=1,,w=2", "m v=1,", "m v=1, 5"],
        accepted: false,
        applies: |line| {
            let error = Point::parse(line.as_bytes()).err();
            error.is_some_and(|error| matches!(error.reason, MissingTagKey | MissingFieldKey) && line[error.column - 2..].contains(','))
        },
    },
    Difference {
        why: "a raw vertical tab or form feed in a name: Telegraf's parser ends the name there",
        shown_by: &["m,a=b\x0bc v=1", "m\x0cx v=1"],
        accepted: false,
        applies: |line| line.contains(['\x0b', '\x0c']),
    },
    Difference {
        why: "a float beyond 64 bits, which the crate makes infinite: InfluxDB and Telegraf refuse it",
        shown_by: &["m v=1e400"],
        accepted: false,
        applies: |line| Point::parse(line.as_bytes()).is_err_and(|error| error.reason == OutOfRange),
    },
];

fn ours(line: &str) -> bool {
    Point::parse(line.as_bytes()).is_ok()
}

fn theirs(line: &str) -> bool {
    let mut lines = parse_lines(line);
    matches!((lines.next(), lines.next()), (Some(Ok(_)), None))
}

fn explained(line: &str) -> bool {
    DIFFERENCES.iter().any(|difference| difference.accepted == ours(line) && (difference.applies)(line))
}

/// The values of the fields of a line that we accept.
fn values(line: &str) -> Vec<String> {
    Point::parse(line.as_bytes())
        .map_or_else(|_| Vec::new(), |point| point.fields().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect())
}

/// A line that we accept, with its strings empty.
fn without_strings(line: &str) -> String {
    values(line).iter().filter(|value| value.starts_with('"')).fold(line.to_owned(), |line, string| line.replace(string, "\"\""))
}

/// What stands before a line.
fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t', '\x0b', '\x0c', '\r', '\0']).len()]
}

fn has_digits_around_point(value: &str) -> bool {
    value
        .split_once('.')
        .is_none_or(|(whole, fraction)| whole.ends_with(|c: char| c.is_ascii_digit()) && fraction.starts_with(|c: char| c.is_ascii_digit()))
}

fn fails_at(line: &str, reason: RejectReason, byte: char) -> bool {
    Point::parse(line.as_bytes()).is_err_and(|error| error.reason == reason && line[error.column - 1..].starts_with(byte))
}

#[test]
fn each_difference_is_shown_by_its_lines() {
    for difference in DIFFERENCES {
        for line in difference.shown_by {
            assert_eq!((ours(line), theirs(line)), (difference.accepted, !difference.accepted), "{line:?}: {}", difference.why);
            assert!((difference.applies)(line), "{line:?}: {}", difference.why);
        }
    }
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn we_and_the_crate_take_and_read_the_same_lines_but_for_the_differences_listed(line in mutated()) {
        // A blank line and a comment are no lines to the crate, and never reach the scanner.
        prop_assume!(!line[leading(&line).len()..].starts_with('#') && parse_lines(&line).next().is_some());
        if ours(&line) != theirs(&line) {
            prop_assert!(explained(&line), "ours: {:?}, theirs: {:?}", Point::parse(line.as_bytes()).err(), parse_lines(&line).next());
        } else if let (Ok(point), Some(Ok(parsed))) = (Point::parse(line.as_bytes()), parse_lines(&line).next())
            // Where the two are known to read a line differently, both may still take it.
            && !without_strings(&line).contains(r"\\")
            && !without_strings(&line).contains(['\x0b', '\x0c'])
            && !leading(&line).contains(['\0', '\r'])
        {
            prop_assert_eq!(unescaped(point.measurement(), ", "), parsed.series.measurement.to_string());
            let tags: Vec<_> = point.tags().map(|(key, value)| (unescaped(key, ", ="), unescaped(value, ", ="))).collect();
            let theirs: Vec<_> = parsed.series.tag_set.iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            prop_assert_eq!(tags, theirs);
            prop_assert_eq!(point.fields().count(), parsed.field_set.len());
            for ((key, value), (their_key, their_value)) in point.fields().zip(&parsed.field_set) {
                prop_assert_eq!(unescaped(key, ", ="), their_key.to_string());
                prop_assert!(is_value(&unescaped(value, "\"\\"), their_value), "{:?} is not {:?}", value, their_value);
            }
            prop_assert_eq!(point.timestamp().map(|digits| String::from_utf8_lossy(digits).parse::<i64>().ok()), parsed.timestamp.map(Some));
        }
    }
}

/// `raw` without each backslash before one of `special`.
fn unescaped(raw: &[u8], special: &str) -> String {
    let raw = String::from_utf8_lossy(raw);
    let mut characters = raw.chars().peekable();
    let mut name = String::new();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(&next) if character == '\\' && special.contains(next) => {
                name.push(next);
                characters.next();
            }
            _ => name.push(character),
        }
    }
    name
}

fn is_value(text: &str, theirs: &FieldValue<'_>) -> bool {
    match theirs {
        FieldValue::I64(value) => text.strip_suffix('i').and_then(|digits| digits.parse().ok()) == Some(*value),
        FieldValue::U64(value) => text.strip_suffix('u').and_then(|digits| digits.parse().ok()) == Some(*value),
        FieldValue::F64(value) => text.parse().ok() == Some(*value),
        FieldValue::Boolean(value) => text.starts_with(['t', 'T']) == *value && text.starts_with(['t', 'T', 'f', 'F']),
        FieldValue::String(value) => text == format!("\"{value}\""),
    }
}
