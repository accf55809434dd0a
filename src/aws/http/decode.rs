//! Undoes a content coding that we did not ask for: some middleboxes compress whatever passes. Bounded before and after.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// How an answer's body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    /// Zlib by the book, or raw deflate as some servers understand the word.
    Deflate,
}

/// Why a body could not be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    TooLarge,
    Garbage(String),
}

impl Coding {
    /// Reads `Content-Encoding`; nothing for a coding that we do not know.
    pub(super) fn of(header: Option<&str>) -> Option<Coding> {
        match header.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Coding::Identity),
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            _ => None,
        }
    }

    /// Replaces `body` by what it means, at most `size_max` bytes of it.
    pub(super) fn decode(self, body: &mut Vec<u8>, size_max: usize) -> Result<(), DecodeError> {
        if self == Coding::Identity {
            return Ok(());
        }
        // Reserved for the worst; what is not reached is not touched.
        let mut plain = Vec::with_capacity(size_max + 1);
        let read = match self {
            Coding::Identity => Ok(0),
            Coding::Gzip => read_bounded(MultiGzDecoder::new(body.as_slice()), &mut plain, size_max),
            Coding::Deflate if is_zlib(body) => read_bounded(ZlibDecoder::new(body.as_slice()), &mut plain, size_max),
            Coding::Deflate => read_bounded(DeflateDecoder::new(body.as_slice()), &mut plain, size_max),
        };
        read.map_err(|error| DecodeError::Garbage(error.to_string()))?;
        if plain.len() > size_max {
            return Err(DecodeError::TooLarge);
        }
        // Not `*body = plain`: the caller's buffer keeps its capacity.
        body.clear();
        body.extend_from_slice(&plain);
        Ok(())
    }
}

/// Reads at most one byte more than `size_max`, which tells that there is more.
pub(super) fn read_bounded(source: impl Read, into: &mut Vec<u8>, size_max: usize) -> io::Result<usize> {
    source.take(size_max as u64 + 1).read_to_end(into)
}

/// RFC 1950: compression method 8, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
}
