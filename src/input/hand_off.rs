//! The words of a hand-off: how `kinegraf --forward` gives a batch to a daemon and learns what became of it. `docs/hand-off.md` is its specification.
//!
//! ```text
//! forward ─▶ daemon   #kinegraf-forward 1
//! forward ◀─ daemon   kinegraf-forward 1 ready [SIZE:HASH …]        batches that were offered and whose sender left without an answer
//! forward ─▶ daemon   #offer SIZE:HASH|- SIZE:HASH|-                the whole batch; how much of its beginning is known and left out
//! forward ◀─ daemon   go
//! forward ─▶ daemon   lines …, and the end
//! forward ◀─ daemon   waiting WHY …   delivered LINES REJECTED | kept LINES REJECTED | again WHY
//! ```
//!
//! Nobody sends a word before the other's answer, so that a server that is no daemon of this kind is never given a line. Pure text; bounded.

use std::fmt;

use ring::digest::{SHA256, digest};

/// What a sender begins with: a comment in line protocol.
pub const HELLO: &str = "#kinegraf-forward 1\n";
/// What every version of it begins with.
pub const MARK: &[u8] = b"#kinegraf-forward ";
/// Bytes of a word, its newline counted.
pub const WORD_SIZE_MAX: usize = 1024;
/// Batches that a daemon remembers.
pub const REMEMBERED_MAX: usize = 8;
/// The daemon takes the batch.
pub const GO: &str = "go\n";
const READY: &str = "kinegraf-forward 1 ready";
const OFFER: &str = "#offer";
/// Bytes of SHA-256 that tell batches apart.
const HASH_SIZE: usize = 16;

/// A batch, or the beginning of one, as it is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Bytes.
    pub size: u64,
    hash: [u8; HASH_SIZE],
}

impl Batch {
    /// These bytes.
    pub fn of(bytes: &[u8]) -> Batch {
        let digest = digest(&SHA256, bytes);
        let mut hash = [0; HASH_SIZE];
        hash.copy_from_slice(&digest.as_ref()[..HASH_SIZE]);
        Batch { size: bytes.len() as u64, hash }
    }

    fn parse(text: &str) -> Option<Batch> {
        let (size, hex) = text.split_once(':')?;
        let mut hash = [0; HASH_SIZE];
        if hex.len() != 2 * HASH_SIZE || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (n, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).ok()?;
        }
        Some(Batch { size: size.parse().ok()?, hash })
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.size)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The daemon's first word.
pub fn ready(known: impl Iterator<Item = Batch>) -> String {
    let known: String = known.take(REMEMBERED_MAX).map(|batch| format!(" {batch}")).collect();
    format!("{READY}{known}\n")
}

/// What the daemon knows already; None when this is no daemon of this kind.
pub fn parse_ready(word: &str) -> Option<Vec<Batch>> {
    let rest = word.strip_suffix('\n')?.strip_prefix(READY)?;
    rest.split(' ').skip(1).take(REMEMBERED_MAX).map(Batch::parse).collect()
}

/// What a sender offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// All of it, where it is small enough to be told from others.
    pub whole: Option<Batch>,
    /// How it begins, which is not sent again.
    pub known: Option<Batch>,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |batch: Option<Batch>| batch.map_or("-".to_owned(), |batch| batch.to_string());
        writeln!(f, "{OFFER} {} {}", show(self.whole), show(self.known))
    }
}

impl Offer {
    /// Reads the sender's second word.
    pub fn parse(word: &str) -> Option<Offer> {
        let (whole, known) = word.strip_suffix('\n')?.strip_prefix(OFFER)?.strip_prefix(' ')?.split_once(' ')?;
        let read = |text: &str| if text == "-" { Some(None) } else { Batch::parse(text).map(Some) };
        Some(Offer { whole: read(whole)?, known: read(known)? })
    }
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every line is in Kinesis, or was rejected, or given up for what it is.
    Delivered {
        /// Lines that were accepted.
        lines: u64,
        /// Lines that were not.
        rejected: u64,
    },
    /// Every line is durable in the daemon's spool, or was rejected.
    Kept {
        /// Lines that were accepted.
        lines: u64,
        /// Lines that were not.
        rejected: u64,
    },
    /// Not yet, and why.
    Waiting(String),
    /// The sender has to offer it again, and why.
    Again(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Delivered { lines, rejected } => writeln!(f, "delivered {lines} {rejected}"),
            Answer::Kept { lines, rejected } => writeln!(f, "kept {lines} {rejected}"),
            Answer::Waiting(why) => writeln!(f, "waiting {why}"),
            Answer::Again(why) => writeln!(f, "again {why}"),
        }
    }
}

impl Answer {
    /// Reads one of the daemon's last words.
    pub fn parse(word: &str) -> Option<Answer> {
        let (name, rest) = word.strip_suffix('\n')?.split_once(' ')?;
        let counts = || rest.split_once(' ').and_then(|(lines, rejected)| Some((lines.parse().ok()?, rejected.parse().ok()?)));
        match name {
            "delivered" => counts().map(|(lines, rejected)| Answer::Delivered { lines, rejected }),
            "kept" => counts().map(|(lines, rejected)| Answer::Kept { lines, rejected }),
            "waiting" => Some(Answer::Waiting(rest.to_owned())),
            "again" => Some(Answer::Again(rest.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_was_written() {
        let (a, b) = (Batch::of(b"cpu v=1 1\n"), Batch::of(b"cpu v=1 1\nmem v=2 2\n"));
        assert_eq!(parse_ready(&ready([a, b].into_iter())), Some(vec![a, b]));
        assert_eq!(parse_ready(&ready(std::iter::empty())), Some(Vec::new()));
        assert!(ready(std::iter::repeat_n(Batch { size: u64::MAX, ..a }, 99)).len() <= WORD_SIZE_MAX);
        for offer in [Offer { whole: Some(b), known: Some(a) }, Offer { whole: Some(a), known: None }, Offer { whole: None, known: None }] {
            assert_eq!(Offer::parse(&offer.to_string()), Some(offer));
        }
        for answer in [
            Answer::Delivered { lines: 12, rejected: 3 },
            Answer::Kept { lines: 0, rejected: 0 },
            Answer::Waiting("no route to host".into()),
            Answer::Again("lines were dropped".into()),
        ] {
            assert_eq!(Answer::parse(&answer.to_string()), Some(answer));
        }
    }

    #[test]
    fn what_is_none_of_the_words_is_refused() {
        for word in
            ["", "\n", "HTTP/1.1 400 Bad Request\n", "kinegraf-forward 2 ready\n", "kinegraf-forward 1 ready", "kinegraf-forward 1 ready 1:zz\n"]
        {
            assert_eq!(parse_ready(word), None, "{word:?}");
        }
        for word in ["#offer\n", "#offer - \n", "#offer 1 -\n", "#offer -1:00112233445566778899aabbccddeeff -\n", "#offer - -"] {
            assert_eq!(Offer::parse(word), None, "{word:?}");
        }
        for word in ["delivered\n", "delivered 1\n", "delivered 1 -1\n", "kept a b\n", "done 1 1\n", "delivered 1 1"] {
            assert_eq!(Answer::parse(word), None, "{word:?}");
        }
    }

    #[test]
    fn every_version_begins_with_the_mark_and_is_a_comment() {
        assert!(HELLO.as_bytes().starts_with(MARK) && MARK.starts_with(b"#") && OFFER.starts_with('#'));
    }
}
