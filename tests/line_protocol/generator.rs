//! Lines whose content is known, written as Telegraf's serializer writes them, and bytes that are almost lines.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A line and what it says. Names are as meant, not as escaped; values and the timestamp are as written.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) measurement: Vec<u8>,
    pub(crate) tags: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) separator: &'static str,
}

impl Known {
    /// The line, without a newline at its end.
    pub(crate) fn written(&self) -> Vec<u8> {
        let mut line = escaped(&self.measurement, b", ");
        for (key, value) in &self.tags {
            line.push(b',');
            line.extend(escaped(key, b", ="));
            line.push(b'=');
            line.extend(escaped(value, b", ="));
        }
        line.extend(self.separator.bytes());
        for (at, (key, value)) in self.fields.iter().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            line.extend(escaped(key, b", ="));
            line.push(b'=');
            line.extend(value);
        }
        if let Some(timestamp) = self.timestamp {
            line.extend(self.separator.bytes());
            line.extend(timestamp.to_string().bytes());
        }
        line
    }
}

/// `name` with a backslash before each of `special`. Telegraf doubles no backslash.
pub(crate) fn escaped(name: &[u8], special: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    for &byte in name {
        if special.contains(&byte) {
            written.push(b'\\');
        }
        written.push(byte);
    }
    written
}

/// A name: any bytes that Telegraf's serializer leaves raw, and those that it escapes; no backslash at the end, which it cuts off tags and which it cannot
/// read back elsewhere.
fn name() -> impl Strategy<Value = Vec<u8>> {
    vec(select(b"ab0\"\\ ,=#.-\xc3\xa9\xff\0\r".to_vec()), 1..8).prop_map(|mut name| {
        if name.last() == Some(&b'\\') {
            name.push(b'a');
        }
        name
    })
}

/// A name that makes the line neither a comment nor start with what may stand before it.
fn measurement() -> impl Strategy<Value = Vec<u8>> {
    name().prop_map(|name| if matches!(name[0], b'#' | b'\r' | 0) { [b"m", name.as_slice()].concat() } else { name })
}

/// A string as Telegraf writes it: quotes and backslashes escaped, everything else raw.
fn string() -> impl Strategy<Value = Vec<u8>> {
    vec(select(b"ab\"\\ ,=#\n\n\r\t\0\xff".to_vec()), 0..12).prop_map(|text| [b"\"".to_vec(), escaped(&text, b"\"\\"), b"\"".to_vec()].concat())
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let boolean = select(vec!["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"]);
    let plain = select(vec!["0", "-0", "5.", ".5", "-.5", "007", "1e+10", "1E5", "2.5e-3", "007i", "-0i", "1e-400", "1.7976931348623157e308"]);
    prop_oneof![
        any::<i64>().prop_map(|n| format!("{n}i").into_bytes()),
        any::<u64>().prop_map(|n| format!("{n}u").into_bytes()),
        any::<f64>().prop_map(|n| format!("{n}").into_bytes()),
        any::<f64>().prop_map(|n| format!("{n:e}").into_bytes()),
        boolean.prop_map(|text| text.as_bytes().to_vec()),
        plain.prop_map(|text| text.as_bytes().to_vec()),
        string(),
    ]
}

pub(crate) fn known() -> impl Strategy<Value = Known> {
    (
        measurement(),
        vec((name(), name()), 0..4),
        vec((name(), value()), 1..5),
        any::<Option<i64>>(),
        select(vec![" ", " ", " ", "  ", "\t", " \t\x0b\x0c "]),
    )
        .prop_map(|(measurement, tags, fields, timestamp, separator)| Known { measurement, tags, fields, timestamp, separator })
}

/// Bytes that are made of what lines are made of, but are mostly none.
pub(crate) fn noise(size: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => select(b"ab=,\" \\#\n\n\r\t\0 1i-.5e".to_vec()).prop_map(|byte| vec![byte]),
        2 => select(vec!["m v=1", "=\"", "\"", "\n", " v=\"a", "\r\n", "m,t=u v=1i 5\n", "\\\"", "\\\\", "m v=\"a\nb\"\n", "# it's \"\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..3),
    ];
    vec(piece, 0..size).prop_map(|pieces| pieces.concat())
}

/// A line with a few changes in it: in UTF-8, without newlines.
pub(crate) fn mutated() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        0..3usize,
        select(vec![",", "=", " ", "\\", "\"", "", "1", "i", "t", "#", "\t", ".", "e", "-", "u", "x", "\u{e9}"]),
    );
    (known(), vec(change, 0..4)).prop_map(|(known, changes)| {
        let line = String::from_utf8_lossy(&known.written()).replace('\n', "/");
        let mut characters: Vec<String> = line.chars().map(String::from).collect();
        for (at, removed, put) in changes {
            let at = at.index(characters.len() + 1);
            let end = (at + removed).min(characters.len());
            characters.splice(at..end, [put.to_owned()]);
        }
        characters.concat()
    })
}
