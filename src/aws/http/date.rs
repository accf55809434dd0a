//! The date of an answer, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate). The two obsolete forms are not read: no AWS service sends them.

use std::time::Duration;

/// Time since the Unix epoch, or nothing for any other text and for dates before 1970. The day of the week is not compared.
pub fn parse_http_date(text: &str) -> Option<Duration> {
    const MONTHS: [&[u8]; 12] = [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let text = text.trim().as_bytes();
    if text.len() != 29 || &text[3..5] != b", " || &text[25..] != b" GMT" {
        return None;
    }
    if [text[7], text[11], text[16]] != *b"   " || [text[19], text[22]] != *b"::" {
        return None;
    }
    let month = 1 + MONTHS.iter().position(|month| *month == &text[8..11])? as u64;
    let (day, year) = (number(&text[5..7])?, number(&text[12..16])?);
    since_epoch([year, month, day, number(&text[17..19])?, number(&text[20..22])?, number(&text[23..25])?])
}

/// Time since the Unix epoch of year, month, day, hour, minute, second (UTC).
pub(super) fn since_epoch([year, month, day, hour, minute, second]: [u64; 6]) -> Option<Duration> {
    // 60 is a leap second.
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(Duration::from_secs(days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second))
}

pub(super) fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))
}

/// Days from 1970-01-01 in the Gregorian calendar, for years from 1970 on: whole years begun in March, so that a leap day comes last.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let days_of_months = (153 * month + 2) / 5;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    days_of_years + days_of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_seconds_that_other_tools_give() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sat, 29 Feb 2020 00:00:00 GMT", 1_582_934_400),
            ("Sun, 01 Mar 2020 00:00:00 GMT", 1_583_020_800),
            ("Thu, 31 Dec 2099 23:59:60 GMT", 4_102_444_800),
            ("Tue, 01 Mar 2101 00:00:00 GMT", 4_139_078_400),
        ] {
            assert_eq!(parse_http_date(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "now",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GM\u{e9}",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
