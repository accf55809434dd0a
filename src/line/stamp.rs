//! The arrival time of a line that has no timestamp, appended as its timestamp in nanoseconds. It neither reads a clock nor judges one.

use std::time::Duration;

use crate::limits::STAMP_SIZE_MAX;
use crate::line::bytes::is_separator;

/// Appends a space and `wall` (since the Unix epoch) in nanoseconds to the line at the end of `out`, at most `STAMP_SIZE_MAX` bytes. Separators at the end of
/// the line go; a valid line has none there that mean anything. A time beyond 64 bits (year 2262) becomes the latest that a timestamp holds.
pub fn append_stamp(out: &mut Vec<u8>, wall: Duration) {
    while out.last().is_some_and(|&byte| is_separator(byte)) {
        out.pop();
    }
    let mut rest = u64::try_from(wall.as_nanos()).map_or(i64::MAX as u64, |nanoseconds| nanoseconds.min(i64::MAX as u64));
    let mut digits = [0; STAMP_SIZE_MAX];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(b' ');
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::point::Point;

    fn stamped(line: &[u8], wall: Duration) -> Vec<u8> {
        let mut out = line.to_vec();
        append_stamp(&mut out, wall);
        out
    }

    #[test]
    fn a_stamp_is_a_timestamp_in_nanoseconds() {
        assert_eq!(stamped(b"m v=1", Duration::new(1_519_000_000, 7)), b"m v=1 1519000000000000007");
        assert_eq!(stamped(b"m v=1", Duration::ZERO), b"m v=1 0");
        let line = stamped(b"m v=\" \"", Duration::from_millis(1));
        assert_eq!(Point::parse(&line).expect("a stamped line").timestamp(), Some(b"1000000".as_slice()));
    }

    #[test]
    fn a_stamp_stands_behind_one_space_whatever_the_line_ended_with() {
        assert_eq!(stamped(b"m v=1 \t \x0b\x0c", Duration::from_nanos(5)), b"m v=1 5");
    }

    #[test]
    fn a_stamp_beyond_the_last_timestamp_is_the_last_and_keeps_its_bound() {
        let line = stamped(b"", Duration::MAX);
        assert_eq!(line, b" 9223372036854775807");
        assert!(line.len() <= STAMP_SIZE_MAX);
    }
}
