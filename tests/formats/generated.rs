//! What holds for every line: JSON is JSON and says what the line says, keys stand in order and once, lines of many pairs included.

use std::collections::BTreeMap;

use kinegraf::line::format::{Format, TimestampUnit};
use kinegraf::line::partition_key::PartitionMethod;
use kinegraf::line::point::Point;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::{formatted, key_of};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn json(line: &[u8]) -> Vec<u8> {
    formatted(Format::Json(TimestampUnit::default()), line)
}

/// A name in which each byte that must be is escaped.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> =
        vec![b"a", b"b", b"\\ ", b"\\,", b"\\=", b"\\\\a", b"\"", b"<", b"\x01", b"\xc3\xa9", b"\xe2\x80\xa8", b"\xe2\x80", b"\xff", b"0"];
    vec(select(pieces), 1..5).prop_map(|pieces| pieces.concat())
}

/// A field's value.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![b"a", b"\\\"", b"\\\\", b"\\n", b"\n", b"\r", b"\0", b" ", b",", b"=", b">", b"\xe2\x80\xa9", b"\xf0\x9f"];
    prop_oneof![
        any::<i64>().prop_map(|n| format!("{n}i").into_bytes()),
        any::<u64>().prop_map(|n| format!("{n}u").into_bytes()),
        any::<f64>().prop_filter("a line has no such number", |n| n.is_finite()).prop_map(|n| format!("{n:e}").into_bytes()),
        select(vec!["t", "F", "True", "false", "007", ".5", "5.", "-0", "9e20", "1e308", "1e-6"]).prop_map(|text| text.as_bytes().to_vec()),
        vec(select(pieces), 0..8).prop_map(|pieces| [b"\"", pieces.concat().as_slice(), b"\""].concat()),
    ]
}

/// Pairs of which some have the same key; now and then very many.
fn pairs(value: impl Strategy<Value = Vec<u8>> + 'static, least: usize) -> impl Strategy<Value = Pairs> {
    let pair = (name(), value).boxed();
    prop_oneof![20 => vec(pair.clone(), least..6), 1 => vec(pair.clone(), 60..70), 1 => vec(pair, 200)]
}

fn line(tags: &Pairs, fields: &Pairs, timestamp: Option<i64>) -> Vec<u8> {
    let pair = |(key, value): &(Vec<u8>, Vec<u8>)| [key.as_slice(), b"=", value].concat();
    let series: Vec<_> = [b"m".to_vec()].into_iter().chain(tags.iter().map(pair)).collect();
    let fields: Vec<_> = fields.iter().map(pair).collect();
    let timestamp = timestamp.map_or(String::new(), |timestamp| format!(" {timestamp}"));
    [series.join(&b','), fields.join(&b','), timestamp.into_bytes()].join(&b' ')
}

fn unescaped(raw: &[u8]) -> Vec<u8> {
    let escapes = |at: usize| raw[at] == b'\\' && raw.get(at + 1).is_some_and(|byte| b" ,=".contains(byte));
    (0..raw.len()).filter(|&at| !escapes(at)).map(|at| raw[at]).collect()
}

/// Each key once, unescaped and in order, with its last value.
fn sorted(pairs: &Pairs) -> BTreeMap<Vec<u8>, &Vec<u8>> {
    pairs.iter().map(|(key, value)| (unescaped(key), value)).collect()
}

/// What Go's `%+v` prints.
fn map(tags: &Pairs) -> Vec<u8> {
    let tags: Vec<_> = sorted(tags).iter().map(|(key, value)| [key.as_slice(), b":", &unescaped(value)].concat()).collect();
    [b"map[", tags.join(&b' ').as_slice(), b"]"].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_of_any_line_is_json_in_one_line_and_says_what_the_line_says(
        tags in pairs(name(), 0), fields in pairs(value(), 1), timestamp in any::<Option<i64>>(),
    ) {
        let line = line(&tags, &fields, timestamp);
        let out = json(&line);
        prop_assert_eq!(out.iter().position(|&byte| byte == b'\n'), Some(out.len() - 1));
        let read: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&read["name"], "m");
        prop_assert_eq!(read.get("timestamp").and_then(Value::as_i64), timestamp.map(|timestamp| timestamp / 1_000_000_000));
        prop_assert_eq!(read["tags"].is_object() && read["fields"].is_object(), true);
        prop_assert_eq!(read.as_object().unwrap().len(), 3 + usize::from(timestamp.is_some()));
        for (key, value) in sorted(&fields) {
            let Ok(key) = String::from_utf8(key) else { continue };
            // Another key may have become equal to one with U+FFFD in it, but none here has that.
            let read = &read["fields"][&key];
            match str::from_utf8(value).unwrap_or("\"") {
                text if text.starts_with('"') => prop_assert!(read.is_string()),
                text if text.starts_with(['t', 'T', 'f', 'F']) => prop_assert_eq!(read, text.starts_with(['t', 'T'])),
                text if text.ends_with('i') => prop_assert_eq!(read.as_i64(), text.trim_end_matches('i').parse().ok()),
                text if text.ends_with('u') => prop_assert_eq!(read.as_u64(), text.trim_end_matches('u').parse().ok()),
                text => {
                    // serde_json reads floats but for their last bit; `line/float.rs` tests them to it.
                    let (read, written) = (read.as_f64().unwrap(), text.parse::<f64>().unwrap());
                    prop_assert!((read - written).abs() <= written.abs() * 1e-15 + f64::MIN_POSITIVE, "{} {}", read, written);
                }
            }
        }
    }

    #[test]
    fn custom_prints_each_tag_once_in_the_order_of_its_key(tags in pairs(name(), 0)) {
        let line = line(&tags, &vec![(b"v".to_vec(), b"1".to_vec())], Some(5));
        prop_assert_eq!(formatted(Format::Custom, &line), [b"m,", map(&tags).as_slice(), b",", &line].concat());
    }

    #[test]
    fn a_series_does_not_depend_on_the_order_of_tags(mut tags in pairs(name(), 0), at: prop::sample::Index) {
        let mut seen = BTreeMap::new();
        tags.retain(|(key, _)| seen.insert(key.clone(), ()).is_none());
        let fields = vec![(b"v".to_vec(), b"1".to_vec())];
        let key = key_of(&PartitionMethod::Series, &line(&tags, &fields, None));
        prop_assert!(key.0.len() == 16 && !key.1);
        if !tags.is_empty() {
            let middle = at.index(tags.len());
            tags.rotate_left(middle);
            prop_assert_eq!(key_of(&PartitionMethod::Series, &line(&tags, &fields, None)), key);
        }
    }

    #[test]
    fn what_is_hardly_a_line_is_formatted_without_a_panic(bytes in vec(select(b"mab,= \"\\\n1i-.e5t".to_vec()), 0..40)) {
        for format in [Format::Influx, Format::String, Format::Custom, Format::Json(TimestampUnit::default())] {
            formatted(format, &bytes);
        }
    }
}

/// As many tags as fit a line of 1 MiB: far more than are sorted in one pass.
#[test]
fn tags_and_fields_are_sorted_however_many_there_are_and_however_they_stand() {
    let keys: Vec<String> = (0..20_000u32).map(|i| format!("{:05}", i.wrapping_mul(2_654_435_761) % 100_003)).collect();
    let pairs = |keys: &mut dyn Iterator<Item = &String>| keys.map(|key| (key.clone().into_bytes(), b"1".to_vec())).collect::<Pairs>();
    let ascending = sorted(&pairs(&mut keys.iter())).into_keys().map(|key| (key, b"1".to_vec())).collect::<Pairs>();
    let descending = ascending.iter().rev().cloned().collect();
    let equal = pairs(&mut std::iter::repeat_n(&keys[0], 20_000));
    // Each key of some thousands three times, the last of them with another value.
    let mut again = pairs(&mut keys[..5000].iter().cycle().take(15_000));
    again[10_000..].iter_mut().for_each(|(_, value)| *value = b"2".to_vec());
    for pairs in [pairs(&mut keys.iter()), ascending, descending, equal, again] {
        let line = line(&pairs, &pairs, Some(5));
        assert!(Point::parse(&line).is_ok() && line.len() < 1 << 20);
        let members = |quote: &str| {
            let members = sorted(&pairs).into_iter().map(|(key, value)| format!("\"{}\":{quote}{}{quote}", text(&key), text(value)));
            members.collect::<Vec<_>>().join(",")
        };
        let expected = format!("{{\"fields\":{{{}}},\"name\":\"m\",\"tags\":{{{}}},\"timestamp\":0}}\n", members(""), members("\""));
        assert!(json(&line) == expected.as_bytes(), "{} pairs from {:?}", pairs.len(), pairs[0]);
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}
