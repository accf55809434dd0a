//! Where lines end.

use kinegraf::counters::RejectReason::{self, TooLong, Unterminated, UnterminatedString};
use kinegraf::input::line_reader::{Item, LineReader, Tail};
use kinegraf::limits::READ_SIZE;
use kinegraf::line::point::Point;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::generator::{Known, known, noise};
use crate::{Found, bad, cases, line, split, split_file};

/// The rule once more, as plainly as it can be said: over all bytes at once, one at a time.
fn plain_split(bytes: &[u8], line_size: usize, tail: Tail) -> (Vec<Found>, u64) {
    let (mut found, mut skipped, mut rest) = (Vec::new(), 0, bytes);
    while !rest.is_empty() {
        let looked_at = rest.len().min(line_size + 2);
        let (newline, quote) = plain_end(&rest[..looked_at]);
        let full = looked_at == line_size + 2;
        let size = newline.unwrap_or(looked_at);
        let text = rest[..size].strip_suffix(b"\r").unwrap_or(&rest[..size]);
        let leading = rest[..size].iter().take_while(|byte| b" \t\x0b\x0c\r\0".contains(byte)).count();
        let beginning = |text: &[u8]| text[..text.len().min(line_size)].to_vec();
        let past_newline = |from: usize| rest[from..].iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| from + at + 1);
        let string_cut = quote.and_then(|quote| rest[quote..looked_at].iter().position(|&byte| byte == b'\n').map(|at| quote + at));
        let next;
        if let (None, Some(cut)) = (newline, string_cut) {
            found.push(bad(beginning(&rest[..cut]), UnterminatedString));
            next = cut + 1;
        } else if newline.is_none() && full && leading > 0 {
            next = leading;
        } else if newline.is_none() && full {
            match rest[0] {
                b'#' => skipped += 1,
                _ => found.push(bad(beginning(rest), TooLong)),
            }
            next = past_newline(looked_at);
        } else {
            next = size + usize::from(newline.is_some());
            match text.get(leading) {
                None | Some(b'#') => skipped += 1,
                _ if text.len() > line_size => found.push(bad(beginning(text), TooLong)),
                _ if newline.is_some() => found.push(line(text)),
                _ if tail == Tail::Reject => found.push(bad(text, Unterminated)),
                _ if quote.is_some() => found.push(bad(text, UnterminatedString)),
                _ => found.push(line(text)),
            }
        }
        rest = &rest[next..];
    }
    (found, skipped)
}

/// The newline that ends the first record of `bytes`, or the quote of the string that is open at their end.
fn plain_end(bytes: &[u8]) -> (Option<usize>, Option<usize>) {
    #[derive(PartialEq)]
    enum In {
        Leading,
        Comment,
        Series,
        Key(bool),
        Value,
        String(usize),
    }
    let mut now = In::Leading;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let before = if at > 0 { bytes[at - 1] } else { 0 };
        let blank = b" \t\x0b\x0c".contains(&byte);
        now = match now {
            In::String(quote) => match byte {
                b'\\' => {
                    at += 1;
                    In::String(quote)
                }
                b'"' => In::Value,
                _ => In::String(quote),
            },
            _ if byte == b'\n' => return (Some(at), None),
            In::Leading if blank || byte == b'\r' || byte == 0 => In::Leading,
            In::Leading if byte == b'#' => In::Comment,
            In::Leading => In::Series,
            In::Series if blank && before != b'\\' => In::Key(false),
            In::Key(true) if byte == b'=' && before != b'\\' => {
                if bytes.get(at + 1) == Some(&b'"') {
                    at += 1;
                    In::String(at)
                } else {
                    In::Value
                }
            }
            In::Key(started) => In::Key(started || !blank),
            In::Value if byte == b',' => In::Key(false),
            other => other,
        };
        at += 1;
    }
    match now {
        In::String(quote) => (None, Some(quote)),
        _ => (None, None),
    }
}

fn tails() -> impl Strategy<Value = Tail> {
    select(vec![Tail::Accept, Tail::Reject])
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), Just(vec![usize::MAX]), vec(1..40usize, 1..20)]
}

fn joined(lines: &[Known]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.written(), b"\n".to_vec()].concat()).collect()
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn joined_lines_split_into_the_same_lines(lines in vec(known(), 0..8), pieces in pieces(), end in tails()) {
        let found = split(&joined(&lines), 4096, end, &pieces);
        prop_assert_eq!(found, (lines.iter().map(|known| line(known.written())).collect(), 0));
    }

    #[test]
    fn any_bytes_in_any_pieces_split_as_the_plain_rule_says(bytes in noise(60), line_size in 1..48usize, pieces in pieces(), end in tails()) {
        prop_assert_eq!(split(&bytes, line_size, end, &pieces), plain_split(&bytes, line_size, end));
    }

    #[test]
    fn an_ordinary_bound_splits_any_bytes_as_the_plain_rule_says(bytes in noise(200), pieces in pieces(), end in tails()) {
        prop_assert_eq!(split(&bytes, 256, end, &pieces), plain_split(&bytes, 256, end));
    }

    #[test]
    fn every_byte_is_in_an_item_or_a_newline_where_nothing_is_skipped(bytes in noise(60)) {
        // A prefix keeps records from being blank or comments; CR is the one byte that is dropped.
        let bytes: Vec<u8> = bytes.split(|&byte| byte == b'\n').flat_map(|part| [b"x".as_slice(), part, b"\n"].concat()).filter(|&byte| byte != b'\r').collect();
        let (found, skipped) = split(&bytes, 4096, Tail::Reject, &[7]);
        let items: Vec<u8> = found.iter().flat_map(|item| match item { Found::Line(text) | Found::Bad(text, _) => [text.as_slice(), b"\n"].concat() }).collect();
        prop_assert_eq!(skipped, 0);
        prop_assert_eq!(items.strip_suffix(b"\n").unwrap_or(&items), bytes.strip_suffix(b"\n").unwrap_or(&bytes));
    }

    #[test]
    fn a_line_that_is_accepted_is_itself_when_split_alone(bytes in noise(60)) {
        for item in split_file(&bytes) {
            if let Found::Line(text) = item
                && Point::parse(&text).is_ok()
            {
                prop_assert_eq!(split_file(&[text.as_slice(), b"\n"].concat()), vec![line(text)]);
            }
        }
    }

    #[test]
    fn what_the_scanner_accepts_is_one_line_to_the_splitter(text in noise(20)) {
        if Point::parse(&text).is_ok() {
            prop_assert_eq!(split_file(&[text.as_slice(), b"\n"].concat()), vec![line(text)]);
        }
    }
}

#[test]
fn blank_lines_and_comments_are_skipped_and_counted() {
    let (found, skipped) = split(b"\n \t\n\r\n# a \"comment\n  # v=\"x\nm v=1\n\0\0\n#", 256, Tail::Reject, &[3]);
    assert_eq!((found, skipped), (vec![line("m v=1")], 7));
}

#[test]
fn one_trailing_cr_goes_with_the_newline() {
    assert_eq!(split_file(b"m v=1\r\nm v=2\r\r\nm v=\"a\r\nb\"\r\nm v=3\r"), [line("m v=1"), line("m v=2\r"), line("m v=\"a\r\nb\""), line("m v=3")]);
}

#[test]
fn a_line_of_exactly_the_bound_passes_and_one_more_byte_is_too_long() {
    for end in ["\n", "\r\n", ""] {
        let text = |size: usize| format!("m v={}", "1".repeat(size - 4));
        for piece in [1, 7, usize::MAX] {
            let (found, _) = split(format!("{}{end}", text(300)).as_bytes(), 300, Tail::Accept, &[piece]);
            assert_eq!(found, [line(text(300))], "{end:?} {piece}");
            let (found, _) = split(format!("{}{end}", text(301)).as_bytes(), 300, Tail::Accept, &[piece]);
            assert_eq!(found, [bad(text(300), TooLong)], "{end:?} {piece}");
        }
    }
}

#[test]
fn an_over_long_line_is_reported_once_and_the_next_one_is_good() {
    let bytes = format!("m v=1\nlong {}\nm v=2\n", "x".repeat(1_000_000));
    let (found, _) = split(bytes.as_bytes(), 256, Tail::Reject, &[1000]);
    assert_eq!(found, [line("m v=1"), bad(&bytes.as_bytes()[6..262], TooLong), line("m v=2")]);
}

#[test]
fn an_over_long_comment_is_a_comment() {
    let bytes = format!("  #{}\nm v=2\n", "x".repeat(10_000));
    assert_eq!(split(bytes.as_bytes(), 256, Tail::Reject, &[100]), (vec![line("m v=2")], 1));
}

#[test]
fn a_line_behind_megabytes_of_nul_survives() {
    let bytes = [vec![0; 3_000_000], b"m v=1\nm v=2\n".to_vec()].concat();
    let (found, _) = split(&bytes, 256, Tail::Reject, &[4096]);
    assert!(matches!(&found[..], [Found::Line(first), second] if first.ends_with(b"m v=1") && *second == line("m v=2")), "{found:?}");
}

#[test]
fn a_newline_in_a_string_is_data() {
    let text = "m,t=a\"b,u=c\\ d v\"=\"one\ntwo \\\"three\\\\\",w=1,x=\"\n\n\" 5";
    assert_eq!(split_file(format!("{text}\n{text}\n").as_bytes()), [line(text), line(text)]);
}

#[test]
fn a_quote_that_opens_no_string_does_not_hide_a_newline() {
    for text in ["m,t=\"a v=1", "m\" v=1", "m \"v=1", "m v=1 \"", "m v\\=\"=1", "m =\"", "m v=1\"", "m,t=\" v=1", "m v=a\"b"] {
        assert_eq!(split_file(format!("{text}\nm v=2\n").as_bytes()), [line(text), line("m v=2")], "{text}");
    }
}

#[test]
fn an_unterminated_string_costs_its_own_line_only() {
    let bytes = format!("m v=\"cut\n{}", "m w=1i 1519000000000000000\n".repeat(50));
    for (line_size, end) in [(256, Tail::Accept), (4096, Tail::Accept), (4096, Tail::Reject)] {
        let (found, _) = split(bytes.as_bytes(), line_size, end, &[10]);
        assert_eq!(found[0], bad("m v=\"cut", UnterminatedString));
        assert_eq!(found[1..], vec![line("m w=1i 1519000000000000000"); 50]);
    }
}

#[test]
fn a_string_without_a_newline_in_reach_is_too_long() {
    let bytes = format!("m v=\"{}\nm v=2\n", "x".repeat(1000));
    assert_eq!(split(bytes.as_bytes(), 256, Tail::Accept, &[100]).0, [bad(&bytes[..256], TooLong), line("m v=2")]);
}

#[test]
fn a_tail_is_taken_from_a_file_and_rejected_from_a_pipe() {
    let tail = |bytes: &str, tail: Tail| split(bytes.as_bytes(), 256, tail, &[2]);
    assert_eq!(tail("m v=1\nm v=2 15", Tail::Accept), (vec![line("m v=1"), line("m v=2 15")], 0));
    assert_eq!(tail("m v=1\nm v=2 15", Tail::Reject), (vec![line("m v=1"), bad("m v=2 15", Unterminated)], 0));
    assert_eq!(tail("m v=\"a", Tail::Accept), (vec![bad("m v=\"a", UnterminatedString)], 0));
    assert_eq!(tail("m v=\"a", Tail::Reject), (vec![bad("m v=\"a", Unterminated)], 0));
    for skipped in ["# comment", "  ", "\r"] {
        assert_eq!(tail(skipped, Tail::Reject), (vec![], 1), "{skipped:?}");
    }
    assert_eq!(tail("", Tail::Reject), (vec![], 0));
}

#[test]
fn there_is_room_for_a_whole_read_whenever_more_bytes_are_needed() {
    let mut reader = LineReader::new(256);
    let bytes = b"m v=1\nunfinished and ".repeat(40_000);
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        while reader.next_item().is_some() {}
        let space = reader.space();
        assert!(space.len() >= READ_SIZE, "{}", space.len());
        let size = space.len().min(rest.len());
        space[..size].copy_from_slice(&rest[..size]);
        reader.filled(size);
        rest = &rest[size..];
    }
}

#[test]
fn a_long_line_that_comes_byte_by_byte_is_not_read_again_for_each_byte() {
    // A reader that began again at each byte would look at 2^39 bytes: many minutes.
    let text = format!("m v=\"{}\\\",=\"", "a\\\"\n,=".repeat((1 << 20) / 6 - 10));
    let mut reader = LineReader::new(1 << 20);
    for &byte in text.as_bytes() {
        assert_eq!(reader.next_item(), None);
        reader.space()[0] = byte;
        reader.filled(1);
    }
    reader.space()[0] = b'\n';
    reader.filled(1);
    assert_eq!(reader.next_item(), Some(Item::Line(text.as_bytes())));
}

#[test]
fn an_item_is_never_longer_than_the_bound_whatever_is_wrong_with_it() {
    let bytes = ["m v=\"", &"x".repeat(252), "\n", &"y".repeat(600), "\nm v=\"", &"x".repeat(300), "\n"].concat();
    let reasons: Vec<RejectReason> = split(bytes.as_bytes(), 256, Tail::Accept, &[50])
        .0
        .into_iter()
        .map(|item| match item {
            Found::Bad(text, reason) if text.len() <= 256 => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [UnterminatedString, TooLong, TooLong]);
}
