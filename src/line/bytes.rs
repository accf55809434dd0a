//! What each byte means in a line: the splitter, the scanner and the partition key read the same tables, so that they agree.
//!
//! Outside strings a byte is escaped if and only if the byte right before it is a backslash; how many backslashes precede does not matter, since
//! Telegraf's serializer and InfluxDB never double one there.

use std::cmp::Ordering;

use memchr::memchr;

/// Ends a measurement, unescaped.
pub(crate) const ENDS_MEASUREMENT: u8 = 1;
/// Ends a tag key, a tag value or a field key, unescaped.
pub(crate) const ENDS_NAME: u8 = 2;
/// Separates the sections of a line: space, tab, vertical tab and form feed, as Telegraf's parser takes them.
const SEPARATES: u8 = 4;
/// May stand before a line: a separator, CR, or NUL (what a power cut leaves in a file), as InfluxDB takes them.
const LEADS: u8 = 8;

const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    classes[b'\\' as usize] = ENDS_MEASUREMENT | ENDS_NAME;
    classes[b'\n' as usize] = ENDS_MEASUREMENT | ENDS_NAME;
    classes[b',' as usize] = ENDS_MEASUREMENT | ENDS_NAME;
    classes[b'=' as usize] = ENDS_NAME;
    classes[b' ' as usize] = ENDS_MEASUREMENT | ENDS_NAME | SEPARATES | LEADS;
    classes[b'\t' as usize] = ENDS_MEASUREMENT | ENDS_NAME | SEPARATES | LEADS;
    classes[0x0b] = ENDS_MEASUREMENT | ENDS_NAME | SEPARATES | LEADS;
    classes[0x0c] = ENDS_MEASUREMENT | ENDS_NAME | SEPARATES | LEADS;
    classes[b'\r' as usize] = LEADS;
    classes[0] = LEADS;
    classes
};

/// Whether `byte` separates sections.
#[inline(always)]
pub(crate) const fn is_separator(byte: u8) -> bool {
    CLASSES[byte as usize] & SEPARATES != 0
}

/// Bytes at the start of `bytes` that come before a line.
pub(crate) fn leading_size(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !leads(byte)).unwrap_or(bytes.len())
}

/// Whether `byte` may stand before a line.
#[inline(always)]
pub(crate) const fn leads(byte: u8) -> bool {
    CLASSES[byte as usize] & LEADS != 0
}

/// Where the name that starts at `at` ends: at the first unescaped byte of `class`, at a newline, or at the end of `line`.
#[inline(always)]
pub(crate) fn name_end(line: &[u8], mut at: usize, class: u8) -> usize {
    while at < line.len() {
        let byte = line[at];
        if CLASSES[usize::from(byte)] & class == 0 {
            at += 1;
        } else if byte == b'\\' {
            at = escaped_end(line, at);
        } else {
            break;
        }
    }
    at
}

/// Behind the byte that the backslash at `at` escapes. Another backslash is escaped too, and escapes what follows. A newline never is.
#[cold]
fn escaped_end(line: &[u8], mut at: usize) -> usize {
    while line.get(at) == Some(&b'\\') {
        at += 1;
    }
    match line.get(at) {
        None | Some(b'\n') => at,
        Some(_) => at + 1,
    }
}

/// The end of the separators that start at `at`.
#[inline(always)]
pub(crate) fn skip_separators(line: &[u8], mut at: usize) -> usize {
    while at < line.len() && is_separator(line[at]) {
        at += 1;
    }
    at
}

/// Bytes that a backslash escapes in a measurement.
pub(crate) const MEASUREMENT_ESCAPES: &[u8] = b", ";
/// Bytes that a backslash escapes in a tag key, a tag value or a field key.
pub(crate) const NAME_ESCAPES: &[u8] = b", =";

/// The first backslash in `raw` that escapes one of `escapes`, so that it is not part of the name; all others are, as in Telegraf's parser.
pub(crate) fn escape_in(raw: &[u8], escapes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        from += memchr(b'\\', raw.get(from..)?)?;
        if raw.get(from + 1).is_some_and(|next| escapes.contains(next)) {
            return Some(from);
        }
        from += 1;
    }
}

/// `raw` without the backslashes that escape one of `escapes`.
pub(crate) fn unescaped<'a>(raw: &'a [u8], escapes: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    raw.iter().enumerate().filter(|&(at, &byte)| byte != b'\\' || !raw.get(at + 1).is_some_and(|next| escapes.contains(next))).map(|(_, &byte)| byte)
}

/// Bytes that a backslash escapes in a string, another backslash included.
pub(crate) const STRING_ESCAPES: &[u8] = b"\"\\";

/// `raw` in pieces, without the backslashes that escape one of `escapes`.
pub(crate) fn pieces<'a>(raw: &'a [u8], escapes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    // A piece behind an escape starts with the byte that was escaped, which escapes nothing itself.
    let (mut rest, mut literal) = (raw, 0);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, behind) = rest.split_at(escape_in(&rest[literal..], escapes).map_or(rest.len(), |at| literal + at));
        (rest, literal) = (behind.get(1..).unwrap_or_default(), 1);
        Some(piece)
    })
}

/// Compares two names of tags or fields, byte for byte as they are unescaped.
pub(crate) fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let backslash = |name: &[u8], at: usize| name.get(at) == Some(&b'\\');
    // Where an escape may stand at the first difference, or right before it, what follows says whether it is one.
    if backslash(a, same) || backslash(b, same) || (same > 0 && backslash(a, same - 1)) {
        return unescaped(a, NAME_ESCAPES).cmp(unescaped(b, NAME_ESCAPES));
    }
    a[same..].cmp(&b[same..])
}
