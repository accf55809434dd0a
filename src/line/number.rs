//! Numbers in a line: where one ends, and whether it fits its 64 bits.
//!
//! It does not convert them, since only the bytes are passed on. Accepted is what InfluxDB or Telegraf's parser takes: `5.` `.5` `-0` `007` `007i` `1e+10`;
//! not `+5` `.` `1e` `0x10` `NaN` `Inf`. A float too small becomes zero everywhere and is accepted; one too large is refused everywhere.

use crate::counters::RejectReason;
use crate::counters::RejectReason::{InvalidFieldValue, OutOfRange};

/// The highest power of ten that a float holds.
const EXPONENT_MAX: usize = 308;

/// What is wrong with a value: where, and how.
pub(super) type ValueError = (usize, RejectReason);

/// The end of the field value that starts at `start` with a digit, `-` or `.`.
#[inline(always)]
pub(super) fn number_end(line: &[u8], start: usize) -> Result<usize, ValueError> {
    let negative = line[start] == b'-';
    let first = start + usize::from(negative);
    let mut at = digits_end(line, first);
    let whole = at - first;
    match line.get(at) {
        Some(b'.') => {
            let fraction = at + 1;
            at = digits_end(line, fraction);
            if whole + (at - fraction) == 0 {
                return Err((at, InvalidFieldValue));
            }
        }
        _ if whole == 0 => return Err((at, InvalidFieldValue)),
        Some(b'i') => return in_range(&line[first..at], if negative { I64_MIN } else { I64_MAX }).then_some(at + 1).ok_or((start, OutOfRange)),
        Some(b'u') if !negative => return in_range(&line[first..at], U64_MAX).then_some(at + 1).ok_or((start, OutOfRange)),
        _ => {}
    }
    if matches!(line.get(at), Some(b'e' | b'E')) {
        return exponent_end(line, start, whole, at + 1);
    }
    if whole > EXPONENT_MAX && !is_finite(&line[start..at]) {
        return Err((start, OutOfRange));
    }
    Ok(at)
}

/// The end of the float that starts at `start` with `whole` digits before its point, and whose exponent starts at `at`.
#[cold]
fn exponent_end(line: &[u8], start: usize, whole: usize, at: usize) -> Result<usize, ValueError> {
    let negative = line.get(at) == Some(&b'-');
    let first = at + usize::from(matches!(line.get(at), Some(b'-' | b'+')));
    let end = digits_end(line, first);
    if end == first {
        return Err((end, InvalidFieldValue));
    }
    let exponent = line[first..end].iter().fold(0usize, |value, digit| value.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    let power = if negative { whole.saturating_sub(exponent) } else { whole.saturating_add(exponent) };
    if power > EXPONENT_MAX && !is_finite(&line[start..end]) {
        return Err((start, OutOfRange));
    }
    Ok(end)
}

/// The end of the timestamp that starts at `start`: a whole number of 64 bits.
#[inline(always)]
pub(super) fn timestamp_end(line: &[u8], start: usize) -> Result<usize, ValueError> {
    let negative = line[start] == b'-';
    let first = start + usize::from(negative);
    let end = digits_end(line, first);
    if end == first {
        return Err((end, RejectReason::InvalidTimestamp));
    }
    if !in_range(&line[first..end], if negative { I64_MIN } else { I64_MAX }) {
        return Err((start, RejectReason::InvalidTimestamp));
    }
    Ok(end)
}

#[inline(always)]
fn digits_end(line: &[u8], mut at: usize) -> usize {
    while at < line.len() && line[at].is_ascii_digit() {
        at += 1;
    }
    at
}

const I64_MAX: &[u8] = b"9223372036854775807";
const I64_MIN: &[u8] = b"9223372036854775808";
const U64_MAX: &[u8] = b"18446744073709551615";

/// Whether `digits` are at most `max`, which has no leading zeros.
#[inline(always)]
fn in_range(digits: &[u8], max: &[u8]) -> bool {
    digits.len() < max.len() || long_in_range(digits, max)
}

/// Nanoseconds of today have as many digits as the largest integer: this is no rare case.
fn long_in_range(digits: &[u8], max: &[u8]) -> bool {
    if digits.len() == max.len() {
        return digits <= max;
    }
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[zeros..];
    digits.len() < max.len() || (digits.len() == max.len() && digits <= max)
}

#[cold]
fn is_finite(number: &[u8]) -> bool {
    str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}
