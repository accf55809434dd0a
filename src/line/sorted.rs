//! Tags or fields of a line in the order of their keys, each key once: where a key stands twice, the last value counts, as in Telegraf.
//!
//! Nothing is allocated. Up to [`FEW`] pairs are sorted on the stack. Of more, each pass over the line sorts the least that are left, at least half of
//! [`MANY`]; so a line of n pairs costs n / 2048 passes.

use std::cmp::Ordering;

use crate::line::bytes::compare_names;
use crate::line::point::Pairs;

/// Pairs of an ordinary line, sorted in one pass in 768 bytes of stack.
const FEW: usize = 64;
/// Pairs that a pass over a larger line holds at most, in 48 KiB of stack.
const MANY: usize = 4096;

/// Where a pair stands in its section of the line.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    key_size: u32,
    value_size: u32,
}

impl Span {
    fn key<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        &section[self.start as usize..][..self.key_size as usize]
    }

    fn value<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        // A `=` stands between them.
        &section[(self.start + self.key_size + 1) as usize..][..self.value_size as usize]
    }
}

/// Calls `each` with key and value, as they stand in the line, of each of `pairs`, ordered by unescaped keys.
pub(super) fn by_key<'a>(pairs: &Pairs<'a>, each: &mut dyn FnMut(&'a [u8], &'a [u8])) {
    if let Some(last) = pass(pairs, None, &mut [Span::default(); FEW], each) {
        passes(pairs, last, each);
    }
}

/// The rest of a line of many pairs, behind the key `last`.
#[cold]
#[inline(never)]
fn passes<'a>(pairs: &Pairs<'a>, mut last: &'a [u8], each: &mut dyn FnMut(&'a [u8], &'a [u8])) {
    let mut spans = [Span::default(); MANY];
    while let Some(next) = pass(pairs, Some(last), &mut spans, each) {
        last = next;
    }
}

/// Calls `each` for as many of the least pairs behind `after` as `spans` has room for; returns the last key of them when there may be more.
fn pass<'a>(pairs: &Pairs<'a>, after: Option<&[u8]>, spans: &mut [Span], each: &mut dyn FnMut(&'a [u8], &'a [u8])) -> Option<&'a [u8]> {
    let section = pairs.section();
    // By key; of equal ones the last comes first.
    let order = |a: &Span, b: &Span| compare_names(a.key(section), b.key(section)).then(b.start.cmp(&a.start));
    let beyond = |key: &[u8], limit: Option<&[u8]>| limit.is_some_and(|limit| compare_names(key, limit) == Ordering::Greater);
    let (mut count, mut limit) = (0, None);
    let mut rest = pairs.clone();
    loop {
        let start = section.len() - rest.section().len();
        let Some((key, value)) = rest.next() else { break };
        if after.is_some() && !beyond(key, after) || beyond(key, limit) {
            continue;
        }
        if count == spans.len() {
            // The greater half is left to a later pass.
            count /= 2;
            spans.select_nth_unstable_by(count - 1, order);
            limit = Some(spans[count - 1].key(section));
            if beyond(key, limit) {
                continue;
            }
        }
        spans[count] = Span { start: start as u32, key_size: key.len() as u32, value_size: value.len() as u32 };
        count += 1;
    }
    spans[..count].sort_unstable_by(order);
    let mut before: Option<&[u8]> = None;
    for span in &spans[..count] {
        let key = span.key(section);
        if before != Some(key) {
            each(key, span.value(section));
        }
        before = Some(key);
    }
    limit
}
