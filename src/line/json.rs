//! A line as Telegraf's `json` serializer writes its metric, byte for byte: an object and a newline.
//!
//! ```text
//! {"fields":{"usage":1.5},"name":"cpu","tags":{"host":"a"},"timestamp":1519000000}
//! ```
//!
//! Telegraf hands a map to Go's `encoding/json`: keys are sorted by their bytes, the last of two equal ones counts; `<`, `>`, `&`, U+2028 and U+2029 are
//! escaped; each byte that is no UTF-8 becomes `\ufffd` (two keys that become equal so both stay); a float has the fewest digits that give it back, with an
//! exponent below 1e-6 and from 1e21 on. Integers have no leading zeros. The timestamp is a whole number of units, rounded towards zero; a line without
//! one, which only `timestamp = "keep"` lets through, has no such member.
//!
//! Names and strings are unescaped to what Telegraf's serializer was given when it wrote the line. It never holds a newline but the one at its end.

use std::str::FromStr;

use crate::line::bytes::{MEASUREMENT_ESCAPES, NAME_ESCAPES, STRING_ESCAPES, pieces};
use crate::line::float;
use crate::line::format::TimestampUnit;
use crate::line::point::Point;
use crate::line::sink::Sink;
use crate::line::sorted::by_key;

/// Bytes that an object of a line of `line_size` bytes has at most. A byte becomes six at most (`\u0000`); in the shortest field, `,a=f`, what JSON adds is
/// less than that, and the longest number of few bytes is `9e20` with its 21 digits. The rest is what stands around them.
pub(super) const fn size_max(line_size: usize) -> usize {
    6 * line_size + 80
}

/// Writes the object.
pub(super) fn write(point: &Point<'_>, unit: TimestampUnit, out: &mut impl Sink) {
    let mut open: &[u8] = b"{\"fields\":{\"";
    by_key(&point.fields(), &mut |key, value| {
        out.put(open);
        open = b",\"";
        unescape(key, NAME_ESCAPES, out);
        out.put(b"\":");
        field_value(value, out);
    });
    out.put(b"},\"name\":\"");
    unescape(point.measurement(), MEASUREMENT_ESCAPES, out);
    out.put(b"\",\"tags\":{");
    let mut open: &[u8] = b"\"";
    by_key(&point.tags(), &mut |key, value| {
        out.put(open);
        open = b"\",\"";
        unescape(key, NAME_ESCAPES, out);
        out.put(b"\":\"");
        unescape(value, NAME_ESCAPES, out);
    });
    out.put(if point.tags().section().is_empty() { b"}" } else { b"\"}" });
    if let Some(timestamp) = point.timestamp().and_then(number::<i64>) {
        out.put_text(format_args!(",\"timestamp\":{}", timestamp / unit.nanoseconds()));
    }
    out.put(b"}\n");
}

/// The value of a field, as the scanner accepts it.
fn field_value(value: &[u8], out: &mut impl Sink) {
    match value {
        [b'"', string @ .., b'"'] => {
            out.put(b"\"");
            unescape(string, STRING_ESCAPES, out);
            out.put(b"\"");
        }
        [b't' | b'T', ..] => out.put(b"true"),
        [b'f' | b'F', ..] => out.put(b"false"),
        [digits @ .., b'i' | b'u'] => integer(digits, out),
        text => float::write(text, out),
    }
}

/// A whole number without leading zeros, and without a sign where it is zero.
fn integer(digits: &[u8], out: &mut impl Sink) {
    let (sign, digits) = digits.split_at(usize::from(digits.starts_with(b"-")));
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    match &digits[zeros..] {
        [] => out.put(b"0"),
        digits => {
            out.put(sign);
            out.put(digits);
        }
    }
}

/// A number that the scanner accepted.
fn number<T: FromStr>(text: &[u8]) -> Option<T> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// What a byte of a string needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// It stands for itself.
    Plain,
    Escaped,
    /// Part of a character of several bytes, or of none.
    Wide,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' => Class::Escaped,
            0x80.. => Class::Wide,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// What stands between the quotes of a string: `raw`, unescaped.
fn unescape(raw: &[u8], escapes: &[u8], out: &mut impl Sink) {
    pieces(raw, escapes).for_each(|piece| escape(piece, out));
}

fn escape(mut rest: &[u8], out: &mut impl Sink) {
    let class = |byte: &u8| CLASSES[usize::from(*byte)];
    while !rest.is_empty() {
        let (plain, behind) = rest.split_at(rest.iter().position(|byte| class(byte) != Class::Plain).unwrap_or(rest.len()));
        out.put(plain);
        let (wide, behind) = behind.split_at(behind.iter().position(|byte| class(byte) != Class::Wide).unwrap_or(behind.len()));
        escape_wide(wide, out);
        let (escaped, behind) = behind.split_at(behind.iter().position(|byte| class(byte) != Class::Escaped).unwrap_or(behind.len()));
        escaped.iter().for_each(|&byte| escape_byte(byte, out));
        rest = behind;
    }
}

/// A control character, or one that means something in JSON or HTML.
fn escape_byte(byte: u8, out: &mut impl Sink) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => return out.put_text(format_args!("\\u{byte:04x}")),
    };
    out.put(&[b'\\', short]);
}

/// Bytes that are not ASCII.
fn escape_wide(wide: &[u8], out: &mut impl Sink) {
    for chunk in wide.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(['\u{2028}', '\u{2029}']) {
            let (plain, behind) = rest.split_at(at);
            out.put(plain.as_bytes());
            out.put(if behind.starts_with('\u{2028}') { br"\u2028" } else { br"\u2029" });
            rest = &behind['\u{2028}'.len_utf8()..];
        }
        out.put(rest.as_bytes());
        chunk.invalid().iter().for_each(|_| out.put(br"\ufffd"));
    }
}
