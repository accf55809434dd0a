//! Lines through Telegraf 1.39.3, built with Go 1.26. `tests/golden/formats/telegraf-1.39.3.txt` has for each, separated by tabs:
//!
//! `json_timestamp_units` in nanoseconds · the line · what the `json` serializer made of its metric, without the newline · name and tags as `FormatMetric`
//! prints them (with Go's `%+v`) · `Metric.HashID` in hexadecimal.
//!
//! `\xNN` stands for a byte that is not printable, `\\` for a backslash. About half of the lines were written by Telegraf's `influx` serializer, and what
//! stands behind them was made of the metric that it was given; the others were read by Telegraf's parser. A line without a timestamp has none here, where
//! Telegraf takes its clock. These are some of 118,000 lines that were compared; the kinds of those that differed are in [`DIFFERENT`].

use std::time::Duration;

use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::PartitionMethod;

use crate::{formatted, key_of};

const GOLDEN: &str = include_str!("../golden/formats/telegraf-1.39.3.txt");

fn bytes(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'x' => u8::from_str_radix(&String::from_utf8(rest.by_ref().take(2).collect()).unwrap(), 16).unwrap(),
                other => other,
            },
            other => other,
        });
    }
    out
}

/// Compares without a page of numbers when they differ.
#[track_caller]
fn same(ours: &[u8], theirs: &[u8], line: &str) {
    assert!(ours == theirs, "{line}\nours:   {}\ntheirs: {}", ours.escape_ascii(), theirs.escape_ascii());
}

#[test]
fn every_line_gets_the_json_the_custom_format_and_the_series_that_telegraf_gives_it() {
    assert!(GOLDEN.lines().count() > 300);
    for case in GOLDEN.lines() {
        let [unit, text, json, custom, series] = case.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (unit, line) = (TimestampUnit::from_duration(Duration::from_nanos(unit.parse().unwrap())), bytes(text));
        same(&formatted(Format::Json(unit), &line), &[bytes(json).as_slice(), b"\n"].concat(), text);
        same(&formatted(Format::Custom, &line), &[bytes(custom).as_slice(), b",", &line].concat(), text);
        same(key_of(&PartitionMethod::Series, &line).0.as_bytes(), series.as_bytes(), text);
    }
}

/// A line, what Telegraf's parser and serializer make of it, what we do, and why.
const DIFFERENT: &[(&[u8], &str, &str, &str)] = &[
    (
        br#"m,a=x\"\ y v=1 5"#,
        r#"{"fields":{"v":1},"name":"m","tags":{"a":"x\" y"},"timestamp":0}"#,
        r#"{"fields":{"v":1},"name":"m","tags":{"a":"x\\\" y"},"timestamp":0}"#,
        "Telegraf's parser takes the backslash off a quote in a tag or a field key that also has a separator; its serializer puts none there, so the backslash is data",
    ),
    (
        br"m\\,a=b v=1 5",
        r#"{"fields":{"v":1},"name":"m\\\\","tags":{"a":"b"},"timestamp":0}"#,
        r#"{"fields":{"v":1},"name":"m\\,a=b","tags":{},"timestamp":0}"#,
        r"two backslashes before what ends a name: Telegraf's serializer writes them for the name `m\,a=b`, though its parser reads a pair",
    ),
    (
        b"\0m v=1 5",
        r#"{"fields":{"v":1},"name":"\u0000m","tags":{},"timestamp":0}"#,
        r#"{"fields":{"v":1},"name":"m","tags":{},"timestamp":0}"#,
        "NUL before a line is what a power cut leaves in a file, and InfluxDB skips it",
    ),
    (
        b"m v=1",
        r#"{"fields":{"v":1},"name":"m","tags":{},"timestamp":1234567890}"#,
        r#"{"fields":{"v":1},"name":"m","tags":{}}"#,
        "Telegraf takes its clock; `input.timestamp` has put one there before, unless it is \"keep\"",
    ),
];

#[test]
fn what_differs_from_telegraf_differs_for_a_reason() {
    for (line, theirs, ours, why) in DIFFERENT {
        assert_ne!(theirs, ours, "{why}");
        assert_eq!(String::from_utf8(formatted(Format::Json(TimestampUnit::default()), line)).unwrap(), format!("{ours}\n"), "{why}");
    }
}

#[test]
fn a_line_that_only_one_of_influxdb_and_telegraf_takes_is_formatted_too() {
    let json = |line: &[u8]| String::from_utf8(formatted(Format::Json(TimestampUnit::default()), line)).unwrap();
    assert_eq!(
        json(b"m v=007i,w=-00i,x=007u,y=00000000000000000000005i 5"),
        "{\"fields\":{\"v\":7,\"w\":0,\"x\":7,\"y\":5},\"name\":\"m\",\"tags\":{},\"timestamp\":0}\n"
    );
    assert_eq!(json(b"m v=1 00000000000000000000005000000000"), "{\"fields\":{\"v\":1},\"name\":\"m\",\"tags\":{},\"timestamp\":5}\n");
    assert_eq!(json(br#"m,a==b s="a\nb\" 5"#.as_slice()), "m,a==b s=\"a\\nb\\\" 5\n", "a string that is not closed makes it no line");
    assert_eq!(json(br#"m,a==b s="a\nb\\" 5"#), "{\"fields\":{\"s\":\"a\\\\nb\\\\\"},\"name\":\"m\",\"tags\":{\"a\":\"=b\"},\"timestamp\":0}\n");
}
