//! Makes what others wrote fit for a diagnostic: printable ASCII, bounded, and without what a service may echo of our `Authorization` header.
//!
//! It does not know what a message means; see `kinesis/classify.rs`.

use std::fmt::Write;

/// Bytes of a foreign text that are looked at, so that a huge one costs nothing.
const LOOKED_AT: usize = 4 << 10;
/// What follows one of these, up to the next delimiter, is replaced by `***`. Lower case.
const SECRET_MARKS: [&str; 4] = ["credential=", "signature=", "security-token:", "security-token="];

/// `text` in printable ASCII, at most `size_max` bytes, on one line; a cut is shown as `...`.
pub fn fit(text: &str, size_max: usize) -> String {
    let mut fitted = String::with_capacity(text.len().min(size_max));
    // Where to cut when more comes than fits.
    let mut cut_at = 0;
    let mut rest = cut(text.trim(), LOOKED_AT);
    while let Some(next) = rest.chars().next() {
        if fitted.len() + 3 <= size_max {
            cut_at = fitted.len();
        }
        match SECRET_MARKS.iter().find(|mark| starts_with(rest, mark)) {
            Some(mark) => {
                fitted.push_str(&rest[..mark.len()]);
                fitted.push_str("***");
                rest = rest[mark.len()..].trim_start_matches([' ', '\'', '"']).trim_start_matches(|c: char| !is_delimiter(c));
            }
            None => {
                rest = &rest[next.len_utf8()..];
                match next {
                    ' '..='~' => fitted.push(next),
                    // Writing into a String does not fail.
                    _ => drop(write!(fitted, "{}", next.escape_default())),
                }
            }
        }
        if fitted.len() > size_max {
            fitted.truncate(cut_at);
            fitted.push_str("...");
            break;
        }
    }
    fitted
}

/// The same for bytes that should be UTF-8.
pub fn fit_bytes(text: &[u8], size_max: usize) -> String {
    fit(&String::from_utf8_lossy(&text[..text.len().min(LOOKED_AT)]), size_max)
}

fn cut(text: &str, size_max: usize) -> &str {
    let mut end = text.len().min(size_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn starts_with(text: &str, mark: &str) -> bool {
    text.as_bytes().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark.as_bytes()))
}

fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '&' | '\'' | '"' | '<' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echoed_authorization_header_loses_its_key_signature_and_token() {
        let echoed = "needs a date. Authorization=AWS4-HMAC-SHA256 Credential=AKID/20200101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=abc123 \
                      x-amz-security-token: TOKEN\nX-Amz-Security-Token=T2&x=1";
        let shown = fit(echoed, 1000);
        assert!(!shown.contains("AKID") && !shown.contains("abc123") && !shown.contains("TOKEN") && !shown.contains("T2"), "{shown}");
        assert!(shown.contains("SignedHeaders=host") && shown.ends_with("&x=1"), "{shown}");
    }

    #[test]
    fn a_message_is_one_line_of_printable_ascii_within_its_bound() {
        assert_eq!(fit(" tab\there\r\nnull\0 \u{e9} \u{1f600} ", 100), "tab\\there\\r\\nnull\\u{0} \\u{e9} \\u{1f600}");
        assert_eq!(fit("twelve chars", 12), "twelve chars");
        assert_eq!(fit("thirteen char", 12), "thirteen ...");
        assert_eq!(fit_bytes(b"\xff\xfe", 100), "\\u{fffd}\\u{fffd}");
        for size in 3..80 {
            for text in ["\u{1f600}".repeat(40), "Signature=".repeat(40), "a".repeat(5000)] {
                assert!(fit(&text, size).len() <= size, "{size} {text}");
            }
        }
    }
}
