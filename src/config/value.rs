//! One value: what a key may hold, how it is read from text and how it is written again. Knows neither files nor flags.
//!
//! Every error is the second half of a sentence whose first half is the key, the flag or the variable: `is 11MiB, must be at most 10MiB`. It shows
//! what was found only as far as that cannot be a secret ([`quote`]).

use std::time::Duration;

use super::near;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Text with a check of its own.
    Text {
        /// What it is, for messages: `a stream name`.
        what: &'static str,
        /// The second half of a sentence when the text is wrong. Must not show the text of a secret.
        check: fn(&str) -> Result<(), String>,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Bytes: an integer, or text with a unit.
    Size {
        /// Smallest, in bytes.
        min: u64,
        /// Largest, in bytes.
        max: u64,
    },
    /// Text with units.
    Duration {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// `true` or `false`.
    Boolean,
    /// `10%`.
    Percent {
        /// Largest.
        max: u8,
    },
    /// A whole number.
    Count {
        /// Smallest.
        min: u32,
        /// Largest.
        max: u32,
    },
    /// One text or an array of them; an option that may be repeated.
    List {
        /// What one is, for messages: `an address`.
        what: &'static str,
        /// The second half of a sentence when the text is wrong.
        check: fn(&str) -> Result<(), String>,
        /// Most of them.
        max: usize,
    },
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Word(&'static str),
    Size(u64),
    Duration(Duration),
    Boolean(bool),
    Percent(u8),
    Count(u32),
    List(Vec<String>),
}

impl Kind {
    /// With its article: `a size such as 262144 or "256KiB"`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Kind::Text { what, .. } => format!("{what} in quotes"),
            Kind::Word(words) => one_of(words),
            Kind::Size { .. } => "a size such as 262144 or \"256KiB\"".into(),
            Kind::Duration { .. } => "text with a unit such as \"10s\" or \"1h30m\"".into(),
            Kind::Boolean => "true or false".into(),
            Kind::Percent { .. } => "a percentage such as \"10%\"".into(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::List { what, .. } => format!("{what} in quotes, or an array of them"),
        }
    }

    /// Whether a value of this kind can be shown without a thought: it cannot hold a secret of any use.
    pub(crate) fn is_harmless(&self) -> bool {
        !matches!(self, Kind::Text { .. } | Kind::List { .. })
    }

    /// Reads the text of a flag, of a variable or of a TOML string.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Text { check, .. } => check(text).map(|()| Value::Text(text.to_owned())),
            Kind::Word(words) => match words.iter().find(|word| **word == text) {
                Some(word) => Ok(Value::Word(word)),
                None => Err(format!("is {}, must be {}{}", quote(text), one_of(words), meant(text, words))),
            },
            Kind::Size { .. } => self.read_size(size(text).map_err(|reason| format!("is {}, {reason}", quote(text)))?),
            Kind::Duration { .. } => self.read_duration(duration(text).map_err(|reason| format!("is {}, {reason}", quote(text)))?),
            Kind::Percent { max } => match text.strip_suffix('%').map(|number| number.trim_end().parse::<u8>()) {
                Some(Ok(found)) if found <= *max => Ok(Value::Percent(found)),
                Some(Ok(found)) => Err(format!("is {found}%, must be at most {max}%")),
                _ => Err(format!("is {}, must be a whole number and a per cent sign, such as \"10%\"", quote(text))),
            },
            Kind::Count { .. } => match text.parse::<u64>() {
                Ok(found) => self.read_count(found),
                Err(_) => Err(format!("is {}, must be {}", quote(text), self.describe())),
            },
            Kind::List { .. } => self.read_list(vec![text.to_owned()]),
            Kind::Boolean => match text {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err(format!("is {}, must be true or false", quote(text))),
            },
        }
    }

    /// Checks a size in bytes; an error for every kind that is no size.
    pub(crate) fn read_size(&self, bytes: u64) -> Result<Value, String> {
        match self {
            Kind::Size { min, .. } if bytes < *min => Err(format!("is {}, must be at least {}", show_size(bytes), show_size(*min))),
            Kind::Size { max, .. } if bytes > *max => Err(format!("is {}, must be at most {}", show_size(bytes), show_size(*max))),
            Kind::Size { .. } => Ok(Value::Size(bytes)),
            _ => Err(format!("is an integer, must be {}", self.describe())),
        }
    }

    /// Checks a whole number; an error for every kind that is none.
    pub(crate) fn read_count(&self, found: u64) -> Result<Value, String> {
        match self {
            Kind::Count { min, .. } if found < u64::from(*min) => Err(format!("is {found}, must be at least {min}")),
            Kind::Count { max, .. } if found > u64::from(*max) => Err(format!("is {found}, must be at most {max}")),
            Kind::Count { max, .. } => Ok(Value::Count(u32::try_from(found).unwrap_or(*max))),
            _ => self.read_size(found),
        }
    }

    /// Checks several texts; an error for every kind that takes only one.
    pub(crate) fn read_list(&self, found: Vec<String>) -> Result<Value, String> {
        let Kind::List { what, check, max } = self else { return Err(format!("is an array, must be {}", self.describe())) };
        match found.len() {
            0 => Err(format!("is empty, must be {what}")),
            count if count > *max => Err(format!("has {count} entries, must have at most {max}")),
            _ => {
                found.iter().try_for_each(|text| check(text))?;
                match found.iter().enumerate().find(|(index, text)| found[..*index].contains(text)) {
                    Some((_, text)) => Err(format!("has {} twice, must have it once", quote(text))),
                    None => Ok(Value::List(found)),
                }
            }
        }
    }

    /// Checks a time; an error for every kind that is none.
    pub(crate) fn read_duration(&self, found: Duration) -> Result<Value, String> {
        match self {
            Kind::Duration { min, .. } if found < *min => Err(format!("is {}, must be at least {}", show_duration(found), show_duration(*min))),
            Kind::Duration { max, .. } if found > *max => Err(format!("is {}, must be at most {}", show_duration(found), show_duration(*max))),
            Kind::Duration { .. } => Ok(Value::Duration(found)),
            _ => Err(format!("is a time, must be {}", self.describe())),
        }
    }
}

fn one_of(words: &[&str]) -> String {
    match words {
        [only] => format!("\"{only}\""),
        [first, second] => format!("\"{first}\" or \"{second}\""),
        _ => format!("one of \"{}\"", words.join("\", \"")),
    }
}

fn meant(text: &str, words: &[&str]) -> String {
    if words.len() < 2 {
        return String::new();
    }
    near::nearest(text, words.iter().copied()).map_or(String::new(), |word| format!(", did you mean \"{word}\"?"))
}

/// Characters of a found value that a message shows.
const QUOTED_MAX: usize = 48;

/// Text of unknown origin for a message: quoted, control characters escaped, cut, and only `"***"` when it looks like a key of AWS.
pub(crate) fn quote(text: &str) -> String {
    if looks_secret(text) {
        return "\"***\"".into();
    }
    let cut = if text.chars().nth(QUOTED_MAX).is_some() { "..." } else { "" };
    format!("\"{}\"{cut}", escape(text.chars().take(QUOTED_MAX)))
}

/// Whether `text` may be an access key or a secret that came into the wrong place: 16 or more characters of base64 with both cases and digits, or `AKIA…`, `ASIA…`.
pub(crate) fn looks_secret(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/' | '=')).any(|word| {
        let has = |class: fn(&u8) -> bool| word.as_bytes().iter().any(class);
        let key_id = (word.starts_with("AKIA") || word.starts_with("ASIA")) && word.len() >= 16;
        let mixed = word.len() >= 16 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
        key_id || mixed
    })
}

/// Characters as a terminal may see them: whatever moves the cursor, hides or reorders text is written out.
pub(crate) fn escape(characters: impl IntoIterator<Item = char>) -> String {
    let mut out = String::new();
    for c in characters {
        match c {
            '\t' => out.push_str("    "),
            c if is_plain(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out
}

/// The first line of `text` as Telegraf can show it: printable ASCII, at most `size_max` bytes.
pub(crate) fn ascii_line(text: &str, size_max: usize) -> String {
    let mut out = String::new();
    for c in text.lines().next().unwrap_or_default().chars().take(size_max) {
        if c == ' ' || c.is_ascii_graphic() { out.push(c) } else { out.extend(c.escape_unicode()) }
    }
    out.truncate(size_max);
    out
}

/// Whether `c` takes its own cells and does nothing else.
fn is_plain(c: char) -> bool {
    let invisible = matches!(u32::from(c), 0xAD | 0x300..=0x36F | 0x61C | 0x180B..=0x180F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x200B..=0x200F
        | 0x2028..=0x202E | 0x2060..=0x206F | 0x20D0..=0x20FF | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFE20..=0xFE2F | 0xFEFF | 0xFFF0..=0xFFFB | 0xE0000..);
    !c.is_control() && !invisible
}

/// Reads `262144`, `256KiB`, `64kB`, `1 MiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start_matches(' ').to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err("must be bytes or a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as \"256KiB\"".into()),
    };
    if number.is_empty() {
        return Err("must begin with a whole number, such as \"256KiB\"".into());
    }
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(|| "which is more than 64 bits can count".into())
}

/// Units of time and their nanoseconds.
const UNITS: [(&str, u64); 7] =
    [("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

/// Reads `10s`, `500ms`, `1h30m`: each unit at most once, larger ones first. At most 584 years.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "must be whole numbers with the units d, h, m, s, ms, us or ns, larger ones first, such as \"10s\" or \"1h30m\"".to_owned();
    let (mut rest, mut larger, mut total_ns) = (text, 0, 0u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) = after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        if larger == 0 && unit.is_empty() && after.is_empty() && !number.is_empty() {
            return Err(format!("which has no unit, write \"{}s\" for seconds", escape(number.chars().take(QUOTED_MAX))));
        }
        let index = UNITS.iter().position(|(name, _)| *name == unit).filter(|index| *index >= larger).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total_ns = number.checked_mul(UNITS[index].1).and_then(|ns| total_ns.checked_add(ns)).ok_or("which is more than 64 bits of nanoseconds")?;
        (rest, larger) = (after, index + 1);
    }
    if larger == 0 { Err(wrong()) } else { Ok(Duration::from_nanos(total_ns)) }
}

/// `256KiB` where that is exact, else `262145 bytes`.
pub(crate) fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes} bytes")
}

/// `1h30m`, `500ms`, `0s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let (mut out, mut rest_ns) = (String::new(), duration.as_nanos());
    for (unit, unit_ns) in UNITS.map(|(unit, ns)| (unit, u128::from(ns))) {
        if rest_ns >= unit_ns {
            out.push_str(&format!("{}{unit}", rest_ns / unit_ns));
            rest_ns %= unit_ns;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_both_families_of_units_and_written_again() {
        for (text, bytes) in
            [("0", 0), ("262144", 262_144), ("7B", 7), ("64kB", 64_000), ("64KB", 64_000), ("256KiB", 262_144), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "KiB", "-1", "+1", "1.5MiB", "1e3", "1k", "1 KiB x", "0x10", "1_000", "99999999999999999999", "99999999999GiB", "１"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bytes in [1, 1023, 1024, 1536, 262_144, 10 << 20, 1 << 40] {
            assert_eq!(size(show_size(bytes).trim_end_matches("ytes").trim()), Ok(bytes));
        }
    }

    #[test]
    fn durations_are_read_with_units_and_written_again() {
        for (text, ms) in
            [("0s", 0), ("500ms", 500), ("10s", 10_000), ("4m", 240_000), ("1h30m", 5_400_000), ("1d1h1m1s1ms", 90_061_001), ("90s", 90_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(duration(&show_duration(Duration::from_millis(ms))), Ok(Duration::from_millis(ms)));
        }
        for bad in ["", "s", "10", "-1s", "1.5s", "1s1s", "1s1m", "1m 1s", "1 s", "1S", "1h30", "99999999999999999999s", "999999999999999999d", "1µs"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("4").is_err_and(|reason| reason.contains("write \"4s\"")));
    }

    #[test]
    fn a_found_value_is_escaped_cut_and_hidden_when_it_looks_like_a_key() {
        assert_eq!(quote("a\u{1b}[31m\u{202e}b\u{301}"), "\"a\\u{1b}[31m\\u{202e}b\\u{301}\"");
        assert_eq!(quote(&"x".repeat(60)).len(), QUOTED_MAX + 5);
        assert_eq!(quote("grün 緑"), "\"grün 緑\"");
        for secret in ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "key=wJalrXUtnFEMI7K7MDENG"] {
            assert_eq!(quote(secret), "\"***\"");
        }
        assert!(
            !looks_secret("eu-central-1")
                && !looks_secret("My-Stream_01.Production")
                && !looks_secret("https://vpce-0a1b2c3d-x.kinesis.eu-central-1.vpce.amazonaws.com")
        );
    }
}
