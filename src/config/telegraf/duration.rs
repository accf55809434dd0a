//! A time as Telegraf's configuration has it: what Go reads (`1.5s`, `1µs`, `1h1m`, with a sign), days as well, and a bare number as seconds. Source:
//! Telegraf 1.39.3, `config/types.go`, and what its JSON serializer made of each text of the tests here.

use std::time::Duration;

use crate::config::value::quote;

/// Units and their nanoseconds; the micro sign and the Greek letter are both in use.
const UNITS: [(&str, u128); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
/// Digits of a fraction that make a difference: the longest unit has fewer nanoseconds.
const DECIMALS_MAX: usize = 18;

/// The time that `text` says; what is below zero is zero. An error is the second half of a sentence.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let duration = match text.parse::<f64>() {
        Ok(seconds) if seconds < 0.0 => Some(Duration::ZERO),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => with_units(text),
    };
    duration.ok_or_else(|| format!("is {}, must be a time such as \"1ms\", \"1.5s\" or \"1h30m\", or a number of seconds", quote(text)))
}

fn with_units(text: &str) -> Option<Duration> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mut rest, mut total_ns) = (unsigned, 0u128);
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), digits);
        let (unit, after) = after.split_at(after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len()));
        let unit_ns = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ns)| *ns)?;
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let number = |digits: &str| if digits.is_empty() { Some(0u128) } else { digits.parse().ok() };
        let fraction = &fraction[..fraction.len().min(DECIMALS_MAX)];
        let fraction_ns = number(fraction)? * unit_ns / 10u128.pow(fraction.len() as u32);
        total_ns = number(whole)?.checked_mul(unit_ns)?.checked_add(fraction_ns)?.checked_add(total_ns)?;
        rest = after;
    }
    let total_ns = u64::try_from(total_ns).ok().filter(|_| !unsigned.is_empty())?;
    Some(if text.starts_with('-') { Duration::ZERO } else { Duration::from_nanos(total_ns) })
}

/// The digits that `text` begins with, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_telegraf_reads_it() {
        for (text, ns) in [
            ("1ns", 1u64),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("0.1us", 100),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("+1s", 1_000_000_000),
            ("-1s", 0),
            ("30m1h", 5_400_000_000_000),
            ("1h1h", 7_200_000_000_000),
            ("1d12h", 129_600_000_000_000),
            ("1.5d", 129_600_000_000_000),
            ("5", 5_000_000_000),
            ("0.5", 500_000_000),
            ("1e3", 1_000_000_000_000),
            ("-1", 0),
            ("0", 0),
            ("0.00000000000000000000001s", 0),
        ] {
            assert_eq!(read(text), Ok(Duration::from_nanos(ns)), "{text}");
        }
        for text in ["", "s", "-", "+", ".", ".s", "1S", "1w", " 1s ", "1s ", "1e3s", "1 s", "--1s", "inf", "nan", "1e400", "1é", "99999999999d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
