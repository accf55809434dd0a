//! Nasty metrics from a seed, as line protocol that Telegraf's own parser takes. The same seed gives the same lines.
//!
//! What the parser cannot be told is not among them: control characters in names and keys, a backslash before a character that has to be escaped in a
//! measurement or field key, values that are no number. Those metrics come from other parsers; `unlike.rs` has them one by one. Nor is what no key
//! of Kinesis can hold: names and values of the tag `host` stay below 256 characters.

use super::support::mix;

/// The first timestamp; each line has its own.
const FIRST_NS: i64 = 1_795_305_600_000_000_000;

/// Pieces of names, keys and values of tags. Each is legal there, once escaped.
const NAMES: [&[u8]; 34] = [
    b"cpu",
    b"usage",
    b"a",
    b"0",
    b"_",
    b".",
    b"-",
    b"/",
    b" ",
    b",",
    b"=",
    b"\"",
    b"'",
    b"\\",
    b"\\\\",
    b"\\n",
    b"#",
    b"<&>",
    b"{x}",
    b"[1]",
    b"$HOME",
    b"%s",
    b"\x00",
    b"\x01",
    b"\x1b[0m",
    b"\x7f",
    b"\x08",
    "Zürich".as_bytes(),
    "温度".as_bytes(),
    "😀".as_bytes(),
    "\u{2028}\u{2029}".as_bytes(),
    "e\u{301}\u{feff}".as_bytes(),
    b"\xff",
    b"\xe2\x82",
];

/// Pieces of strings.
const STRINGS: [&[u8]; 34] = [
    b"text",
    b" ",
    b",",
    b"=",
    b"\"",
    b"\\",
    b"\\\"",
    b"\n",
    b"\n\n# no comment\n",
    b"\r",
    b"\r\n",
    b"\t",
    b"\x00",
    b"\x08\x0b\x0c",
    b"\x1f\x7f",
    b"\\n\\t",
    b"<script>&amp;</script>",
    b"m,host=a v=1i 5\n",
    b"\" 5\nm v=\"",
    b"{\"a\":[1,null]}",
    "Ж✓".as_bytes(),
    "温度".as_bytes(),
    "😀".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{2029}".as_bytes(),
    "\u{85}\u{a0}\u{feff}".as_bytes(),
    "\u{fffd}\u{10ffff}".as_bytes(),
    b"\xff\xfe",
    b"\xc0\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\x80",
    b"''",
];

/// Floats at the edges: of the type, of precision, and of where a notation changes to one with an exponent.
const FLOATS: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    0.1,
    42.0,
    1e-6,
    9.999_999e-7,
    1e-7,
    -1e-7,
    1e20,
    999_999_999_999_999_900_000.0,
    1e21,
    -1e21,
    1.5e300,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    2.225_073_858_507_201e-308,
    9_007_199_254_740_993.0,
    0.300_000_000_000_000_04,
    123_456_789.012_345_67,
    1e15,
];

const INTEGERS: [i64; 8] = [0, -1, 7, i64::MAX, i64::MIN, 9_007_199_254_740_993, -9_007_199_254_740_993, i64::MAX - 1];
const UNSIGNED: [u64; 6] = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, i64::MAX as u64];
const BOOLEANS: [&str; 10] = ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"];
const TIMES: [i64; 8] = [0, -1, -999_999_999, -1_000_000_000, 1, 999_999, i64::MAX, i64::MIN];

/// `count` lines, each with its newline.
pub(crate) fn nasty(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    (0..count).map(|index| random.line(index)).collect()
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(1);
        usize::try_from(mix(self.0) % limit as u64).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    fn line(&mut self, index: usize) -> Vec<u8> {
        let mut line = separable(&self.name(), b" ,");
        // What begins with the one is a comment, and kinegraf skips the other (see `unlike.rs`).
        if matches!(line[0], b'#' | 0) {
            line.insert(0, b'm');
        }
        if !self.one_in(3) {
            line.extend_from_slice(b",host=");
            line.extend(escaped(&self.tag_text(), b" ,="));
        }
        for _ in 0..self.pick(&[0, 0, 1, 2, 5]) {
            line.push(b',');
            line.extend(escaped(&self.tag_text(), b" ,="));
            line.push(b'=');
            line.extend(escaped(&self.tag_text(), b" ,="));
        }
        line.push(b' ');
        let fields = if self.one_in(200) { 300 } else { 1 + self.below(6) };
        for at in 0..fields {
            if at > 0 {
                line.push(b',');
            }
            line.extend(separable(&self.name(), b" ,="));
            line.push(b'=');
            line.extend(self.value());
        }
        let time = if self.one_in(10) { self.pick(&TIMES) } else { FIRST_NS + i64::try_from(index).unwrap() * 1_234_567 };
        // Without one, Telegraf gives it the time at which it read the file.
        if !self.one_in(50) {
            line.extend_from_slice(format!(" {time}").as_bytes());
        }
        line.push(b'\n');
        line
    }

    fn text(&mut self, pieces: &[&[u8]], count: usize) -> Vec<u8> {
        (0..count).flat_map(|_| self.pick(pieces).to_vec()).collect()
    }

    /// A measurement or the key of a field, as it is meant.
    fn name(&mut self) -> Vec<u8> {
        let count = 1 + self.below(5);
        self.text(&NAMES, count)
    }

    /// Key or value of a tag: no backslash at its end, which Telegraf's serializer would take off.
    fn tag_text(&mut self) -> Vec<u8> {
        let mut text = self.name();
        if text.ends_with(b"\\") {
            text.push(b'.');
        }
        text
    }

    fn value(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => self.pick(&FLOATS).to_string().into_bytes(),
            1 => format!("{:e}", self.pick(&FLOATS)).into_bytes(),
            2 => {
                let any = f64::from_bits(self.number());
                format!("{}", if any.is_finite() { any } else { 0.5 }).into_bytes()
            }
            3 => format!("{}i", if self.one_in(2) { self.pick(&INTEGERS) } else { self.number().cast_signed() }).into_bytes(),
            4 => format!("{}u", if self.one_in(2) { self.pick(&UNSIGNED) } else { self.number() }).into_bytes(),
            5 => self.pick(&BOOLEANS).as_bytes().to_vec(),
            _ => self.string(),
        }
    }

    fn string(&mut self) -> Vec<u8> {
        let count = match self.below(400) {
            // Some 45 KB.
            0 => 8_000,
            1..40 => 0,
            _ => self.below(8),
        };
        [b"\"".to_vec(), escaped(&self.text(&STRINGS, count), b"\"\\"), b"\"".to_vec()].concat()
    }
}

/// `text` with a backslash before each of `special`.
fn escaped(text: &[u8], special: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for byte in text {
        if special.contains(byte) {
            written.push(b'\\');
        }
        written.push(*byte);
    }
    written
}

/// The same for measurements and keys of fields, where Telegraf's parser takes two backslashes as a pair: a point stands between a backslash and what
/// has to be escaped, and at the end.
fn separable(text: &[u8], special: &[u8]) -> Vec<u8> {
    let mut written: Vec<u8> = Vec::with_capacity(text.len());
    for byte in text {
        if special.contains(byte) {
            if written.ends_with(b"\\") {
                written.push(b'.');
            }
            written.push(b'\\');
        }
        written.push(*byte);
    }
    if written.ends_with(b"\\") {
        written.push(b'.');
    }
    written
}

/// What makes these lines nasty, each with how many of them have it: so that nobody takes the edge off them without noticing.
pub(crate) fn kinds(lines: &[Vec<u8>]) -> Vec<(&'static str, usize)> {
    let count = |test: &dyn Fn(&[u8]) -> bool| lines.iter().filter(|line| test(line)).count();
    let has = |piece: &'static [u8]| move |line: &[u8]| memchr::memmem::find(line, piece).is_some();
    vec![
        ("invalid UTF-8", count(&|line| std::str::from_utf8(line).is_err())),
        ("a newline in a string", count(&|line| line[..line.len() - 1].contains(&b'\n'))),
        ("an escaped quote", count(&has(b"\\\""))),
        ("an escaped comma", count(&has(b"\\,"))),
        ("an escaped space", count(&has(b"\\ "))),
        ("an escaped equals sign", count(&has(b"\\="))),
        ("a NUL", count(&has(b"\0"))),
        ("U+2028", count(&has("\u{2028}".as_bytes()))),
        ("HTML", count(&has(b"<script>"))),
        ("an empty string", count(&has(b"=\"\""))),
        ("a negative zero", count(&has(b"=-0,"))),
        ("a timestamp before 1970", count(&|line| line.rsplit(|byte| *byte == b' ').next().is_some_and(|time| time.starts_with(b"-")))),
        ("no tag host", count(&|line| !has(b",host=")(line))),
        ("more than 30 KB", count(&|line| line.len() > 30_000)),
        ("300 fields", count(&|line| memchr::memchr_iter(b'=', line).count() > 300)),
    ]
}
