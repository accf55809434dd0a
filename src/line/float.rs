//! A float as Go's `encoding/json` writes it: the fewest digits that give the number back, with an exponent below 1e-6 and from 1e21 on.
//!
//! Rust finds the same digits but for one case: where two numbers with the fewest digits are equally near, it takes the upper one, Go the even one
//! (1514774195327183.25 is `…183.3` in Rust and `…183.2` in Go).

use std::fmt::Write;

use crate::line::sink::Sink;

/// Digits that a float needs at most to be told from every other.
const DIGITS_MAX: usize = 17;
/// Digits up to which no two decimal numbers are the same float, so that each is its own shortest form.
const DIGITS_EXACT: usize = 15;
/// The longest text of Rust's: `-1.2345678901234567e-308`.
const TEXT_SIZE_MAX: usize = 24;

/// Writes the float that `text` says, which the scanner has accepted.
pub(super) fn write(text: &[u8], out: &mut impl Sink) {
    if is_canonical(text) {
        return out.put(text);
    }
    let value: f64 = str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
    if value.is_sign_negative() {
        out.put(b"-");
    }
    match Digits::of(value.abs()) {
        Some(digits) => digits.write(out),
        None => out.put(b"0"),
    }
}

/// Whether `text` is what `write` would make of it: as many digits as are exact, no exponent, no zeros that mean nothing, and not below 1e-6.
fn is_canonical(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let point = digits.iter().position(|&byte| byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(point);
    let is_number = |digits: &[u8]| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    digits.len() <= DIGITS_EXACT + 1
        && is_number(whole)
        && whole.len() <= DIGITS_EXACT
        && (whole[0] != b'0' || whole.len() == 1)
        && match fraction.strip_prefix(b".") {
            None => true,
            Some(fraction) => is_number(fraction) && !fraction.ends_with(b"0") && !(whole == b"0" && fraction.starts_with(b"00000")),
        }
}

/// `digits[0].digits[1]digits[2]… * 10^exponent`.
struct Digits {
    digits: [u8; DIGITS_MAX],
    count: usize,
    exponent: i32,
}

impl Digits {
    /// The shortest of a number above zero; of equally near ones the even one.
    fn of(value: f64) -> Option<Digits> {
        let mut text = Text { bytes: [0; TEXT_SIZE_MAX], size: 0 };
        write!(text, "{value:e}").ok()?;
        let (mantissa, exponent) = text.as_str().split_once('e')?;
        let mut found = Digits { digits: [b'0'; DIGITS_MAX], count: 0, exponent: exponent.parse().ok()? };
        for (digit, byte) in found.digits.iter_mut().zip(mantissa.bytes().filter(|&byte| byte != b'.')) {
            *digit = byte;
            found.count += 1;
        }
        found.make_even(value);
        (value > 0.0).then_some(found)
    }

    /// In binary a number with f digits behind its point has f in decimal too, the last of them 5. Where the shortest form has one fewer, that 5 was
    /// rounded; Rust rounds it up.
    fn make_even(&mut self, value: f64) {
        let decimals = self.count as i32 - 1 - self.exponent;
        let last = self.count - 1;
        if binary_decimals(value) != decimals + 1 || self.digits[last].is_multiple_of(2) {
            return;
        }
        self.digits[last] -= 1;
        // Right above a power of two, numbers are less dense than right below: the lower one may belong to another float.
        let mut text = Text { bytes: [0; TEXT_SIZE_MAX], size: 0 };
        let (first, rest) = self.split(1);
        let written = write!(text, "{}.{}e{}", first, rest, self.exponent);
        if written.is_err() || text.as_str().parse() != Ok(value) {
            self.digits[last] += 1;
        }
    }

    /// The first `count` digits, and the others.
    fn split(&self, count: usize) -> (&str, &str) {
        str::from_utf8(&self.digits[..self.count]).unwrap_or_default().split_at(count.min(self.count))
    }

    fn write(&self, out: &mut impl Sink) {
        let exponent = self.exponent;
        if !(-6..21).contains(&exponent) {
            let (first, rest) = self.split(1);
            out.put(first.as_bytes());
            if !rest.is_empty() {
                out.put(b".");
                out.put(rest.as_bytes());
            }
            return out.put_text(format_args!("e{exponent:+}"));
        }
        let (whole, fraction) = self.split(usize::try_from(exponent + 1).unwrap_or(0));
        out.put(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        // 100 has one digit and an exponent of 2.
        (self.count as i32..=exponent).for_each(|_| out.put(b"0"));
        if !fraction.is_empty() {
            out.put(b".");
            (exponent..-1).for_each(|_| out.put(b"0"));
            out.put(fraction.as_bytes());
        }
    }
}

/// Binary digits behind the point of a number above zero; not above zero for a whole number.
fn binary_decimals(value: f64) -> i32 {
    let bits = value.to_bits();
    let (exponent, mantissa) = ((bits >> 52) as i32 & 0x7ff, bits & ((1 << 52) - 1));
    // A subnormal number has no implicit first bit.
    let mantissa = if exponent == 0 { mantissa } else { mantissa | 1 << 52 };
    1075 - exponent.max(1) - mantissa.trailing_zeros() as i32
}

/// A short text on the stack.
struct Text {
    bytes: [u8; TEXT_SIZE_MAX],
    size: usize,
}

impl Text {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.size]).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.size + text.len();
        self.bytes.get_mut(self.size..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.size = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write(text.as_bytes(), &mut out);
        String::from_utf8(out).expect("digits")
    }

    #[test]
    fn a_float_is_written_as_go_writes_it() {
        // What Go 1.26 prints for each.
        for (text, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("-0.0", "-0"),
            ("5.", "5"),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("1E5", "100000"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("123456789012345680000", "123456789012345680000"),
            ("1.5e300", "1.5e+300"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
            ("1.5e-9", "1.5e-9"),
            ("1e-10", "1e-10"),
            ("1e-400", "0"),
            ("-1e-400", "-0"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9007199254740993", "9007199254740992"),
            ("0.30000000000000004", "0.30000000000000004"),
        ] {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn of_two_equally_near_numbers_the_even_one_is_written() {
        assert_eq!(written("1514774195327183.25"), "1514774195327183.2");
        assert_eq!(written("1514774195327183.75"), "1514774195327183.8");
        assert_eq!(written("161964452458649.625"), "161964452458649.62");
        assert_eq!(written("2.98023223876953125e-08"), "2.9802322387695312e-8");
    }

    proptest! {
        #[test]
        fn a_number_keeps_its_value_and_a_short_one_its_text(bits: u64, whole in 0..1_000_000_000u32, fraction in 1..100_000u32) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}")] {
                prop_assert_eq!(written(&text).parse::<f64>().expect("a number").to_bits(), bits);
            }
            let text = format!("{whole}.{fraction}");
            let text = text.trim_end_matches('0');
            let mut long = Vec::new();
            Digits::of(text.parse().expect("a number")).expect("not zero").write(&mut long);
            prop_assert!(is_canonical(text.as_bytes()));
            prop_assert_eq!(String::from_utf8(long).expect("digits"), text);
        }
    }
}
