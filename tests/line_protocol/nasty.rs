//! Long, quoted and broken lines, through the splitter and the scanner, one by one.

use kinegraf::counters::RejectReason::*;
use kinegraf::input::line_reader::Tail;
use kinegraf::limits::LINE_SIZE;
use kinegraf::line::point::Point;

use crate::{Found, bad, line, split, split_file};

/// Good lines of every kind.
const GOOD: &[&str] = &[
    "cpu,cpu=cpu0,host=edge usage_idle=98.5,usage_user=1.5 1519000000000000000",
    "every,t=1 f=1.5,g=-2e-3,i=-7i,u=7u,s=\"text\",a=t,b=T,c=true,d=True,e=TRUE,h=f,j=F,k=false,l=False,m=FALSE -1",
    r"escaped\ name\,here,tag\ key\=x=va\,lue\ y,path=C:\Program\ Files\x fie\=ld\,key\ 1=1i",
    r#"strings a="",b="with \"quotes\" and \\ backslashes, commas = and spaces",c="\n is no newline""#,
    "log,host=edge message=\"first\nsecond, \\\"quoted\\\"\n\n# fourth\n\" 1519000000000000000",
    "dos message=\"first\r\nsecond\"",
    "quo\"te,t\"=\"v\" f\"=\"x\",\"\"=1",
    "measurement\twith=1i \t 5",
];

/// Broken lines, each with its column, counted in bytes from 1.
const BROKEN: &[(&str, usize, kinegraf::counters::RejectReason)] = &[
    (",host=a v=1", 1, MissingMeasurement),
    ("cpu,=a v=1", 5, MissingTagKey),
    ("cpu,host=a, v=1", 12, MissingTagKey),
    ("cpu,host v=1", 9, MissingTagValue),
    ("cpu,host= v=1", 10, MissingTagValue),
    ("cpu,host=,b=c v=1", 10, MissingTagValue),
    ("cpu,host=a=b v=1", 11, InvalidTagValue),
    ("cpu", 4, MissingFields),
    ("cpu,host=a", 11, MissingFields),
    ("cpu,host=a ", 12, MissingFields),
    ("cpu =1", 5, MissingFieldKey),
    ("cpu v=1, w=2", 9, MissingFieldKey),
    ("cpu v=1,", 9, MissingFieldKey),
    ("cpu v 1", 6, MissingFieldValue),
    ("cpu v=", 7, MissingFieldValue),
    ("cpu v=,w=1", 7, MissingFieldValue),
    ("cpu v=yes", 7, InvalidFieldValue),
    ("cpu v=+1", 7, InvalidFieldValue),
    ("cpu v=NaN", 7, InvalidFieldValue),
    ("cpu v=1.2.3", 10, InvalidFieldValue),
    ("cpu v=truely", 11, InvalidFieldValue),
    ("cpu v=12I", 9, InvalidFieldValue),
    ("cpu v=-1u", 9, InvalidFieldValue),
    ("cpu v=1e", 9, InvalidFieldValue),
    ("cpu a=1,v=9223372036854775808i", 11, OutOfRange),
    ("cpu v=18446744073709551616u", 7, OutOfRange),
    ("cpu v=1e309", 7, OutOfRange),
    ("cpu v=1 15x", 11, InvalidTimestamp),
    ("cpu v=1 1.5", 10, InvalidTimestamp),
    ("cpu v=1 -", 10, InvalidTimestamp),
    ("cpu v=1 9223372036854775808", 9, InvalidTimestamp),
    ("cpu v=1 15 16", 12, TrailingText),
    ("cpu v=\"a\"b 15", 10, TrailingText),
    ("cpu \u{e9}t\u{e9}=x", 11, InvalidFieldValue),
];

#[test]
fn good_and_broken_lines_are_told_apart_one_by_one() {
    let mut bytes = Vec::new();
    let mut lines = Vec::new();
    // Each broken line stands between two good ones, which must not suffer.
    for (at, (broken, ..)) in BROKEN.iter().enumerate() {
        for text in [GOOD[at % GOOD.len()], broken] {
            bytes.extend_from_slice(format!("{text}\n").as_bytes());
            lines.push(line(text));
        }
    }
    assert_eq!(split_file(&bytes), lines);
    for text in GOOD {
        assert!(Point::parse(text.as_bytes()).is_ok(), "{text}");
    }
    for &(text, column, reason) in BROKEN {
        let error = Point::parse(text.as_bytes()).expect_err(text);
        assert_eq!((error.column, error.reason), (column, reason), "{text}");
    }
}

#[test]
fn a_line_of_71_kb_is_one_line() {
    let text = format!("log,host=edge message=\"{}\" 1519000000000000000", "all work and no play\n".repeat(3400));
    assert!(text.len() > 71_000);
    let found = split(format!("{text}\nm v=1\n").as_bytes(), LINE_SIZE, Tail::Reject, &[4096]).0;
    assert_eq!(found, [line(&text), line("m v=1")]);
    let point = Point::parse(text.as_bytes()).expect("a line");
    assert_eq!(point.fields().next().map(|(_, value)| value.len()), Some(21 * 3400 + 2));
}

#[test]
fn a_string_that_is_never_closed_is_found_by_the_scanner_too() {
    assert_eq!(Point::parse(b"m a=1,v=\"x 5").map_err(|error| (error.column, error.reason)).err(), Some((9, UnterminatedString)));
    assert_eq!(split_file(b"m v=\"x 5\nm v=1"), [bad("m v=\"x 5", UnterminatedString), line("m v=1")]);
}

#[test]
fn a_newline_outside_a_string_is_an_error_wherever_it_stands() {
    for (text, column, reason) in [
        (b"m\n v=1".as_slice(), 2, MissingFields),
        (b"m\\\n v=1", 3, MissingFields),
        (b"m,a\n=b v=1", 4, MissingTagValue),
        (b"m,a=b\n v=1", 6, MissingFields),
        (b"m \nv=1", 3, MissingFields),
        (b"m v\n=1", 4, MissingFieldValue),
        (b"m v=\n1", 5, MissingFieldValue),
        (b"m v=1\n", 6, InvalidFieldValue),
        (b"m v=1 \n", 7, InvalidTimestamp),
        (b"m v=1 5\n", 8, InvalidTimestamp),
        (b"m v=1 5 \n", 9, TrailingText),
        (b"m v=\"\"\n", 7, TrailingText),
        (b"\nm v=1", 1, MissingMeasurement),
        (b"", 1, MissingMeasurement),
        (b"#m v=1", 1, MissingMeasurement),
    ] {
        assert_eq!(
            Point::parse(text).map_err(|error| (error.column, error.reason)).err(),
            Some((column, reason)),
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
}

#[test]
fn a_float_of_any_length_is_taken_unless_it_is_beyond_64_bits() {
    let parse = |value: &str| Point::parse(format!("m v={value}").as_bytes()).map(|_| ()).map_err(|error| error.reason);
    let nines = |count| "9".repeat(count);
    // Telegraf writes floats without exponent: 1e300 has 301 digits.
    for value in [
        &format!("1{}", "0".repeat(300)),
        &nines(308),
        &format!("{}1", "0".repeat(400)),
        &format!("1.{}", nines(5000)),
        &format!("0.{}1e309", "0".repeat(9)),
    ] {
        assert_eq!(parse(value), Ok(()), "{value}");
    }
    for value in [
        "1e99999999999999999999",
        &format!("2{}", "0".repeat(308)),
        &nines(309),
        &format!("-{}", nines(309)),
        &format!("{}e5", nines(305)),
        "1e00309",
    ] {
        assert_eq!(parse(value), Err(OutOfRange), "{value}");
    }
    for value in [&format!("1{}e-300", "0".repeat(400)), "1e-99999999999999999999", "0e99999999999999999999", "1e00308"] {
        assert_eq!(parse(value), Ok(()), "{value}");
    }
}

#[test]
fn bytes_that_are_no_text_at_all_harm_nothing() {
    let noise: Vec<u8> = (0..=255).collect();
    let bytes = [b"m v=1\n".as_slice(), &noise.repeat(3), b"\nm v=2\n"].concat();
    let found = split_file(&bytes);
    assert_eq!((found.first(), found.last()), (Some(&line("m v=1")), Some(&line("m v=2"))));
    assert!(found.iter().filter(|item| matches!(item, Found::Line(text) if Point::parse(text).is_ok())).count() == 2);
}
