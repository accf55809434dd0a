//! Undoes `content_encoding` of Telegraf's `outputs.socket_writer`: gzip members or zlib streams, each of one metric, one behind the other.
//!
//! ```text
//! space, filled ─▶ input (fixed) ─▶ unpack ─▶ bytes of lines
//! ```
//!
//! It streams: whatever a member would unpack to, no more than the caller's slice is written at once. A member is checked against its CRC-32 and size (gzip) or
//! its Adler-32 (zlib), *after* its bytes were given out: they are whole lines before the member ends. It allocates when it is made and never again.

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// What a stream is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packed {
    /// Nothing.
    No,
    /// gzip members (RFC 1952).
    Gzip,
    /// zlib streams (RFC 1950).
    Zlib,
}

impl Packed {
    /// What the first bytes say; `None` while more of them are needed. No line begins with 1f; of the headers of zlib only those count that no line begins with
    /// (`x^` could be a measurement).
    pub fn detect(first: &[u8]) -> Option<Packed> {
        match first {
            [] | [0x1f] | [b'x'] => None,
            [0x1f, 0x8b, ..] => Some(Packed::Gzip),
            [b'x', 0x01 | 0x9c | 0xda, ..] => Some(Packed::Zlib),
            _ => Some(Packed::No),
        }
    }
}

/// The bytes are not what their format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt(pub &'static str);

/// Unpacks one stream.
#[derive(Debug)]
pub struct Unpacker {
    state: Decompress,
    input: Box<[u8]>,
    start: usize,
    end: usize,
    gzip: bool,
    at: At,
    crc: Crc,
}

/// Where in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first byte of one.
    Between,
    /// In gzip's ten bytes: so many were seen, and these are the flags.
    Header { seen: u8, flags: u8 },
    /// In the size of the extra field.
    ExtraSize { seen: u8, size: u16, flags: u8 },
    /// Bytes of the extra field are left.
    Extra { left: u16, flags: u8 },
    /// In a text that ends with a zero.
    Text { flags: u8 },
    /// In the header's checksum.
    HeaderCrc { seen: u8 },
    /// In the packed data.
    Body,
    /// In CRC and size: so many bytes were seen, this is what they say.
    Trailer { seen: u8, value: u64 },
}

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

impl Unpacker {
    /// Bytes that it holds beside its input. Measured as `spool::codec::Unpacking`, which is the same state.
    pub const MEMORY: usize = 48 << 10;

    /// With room for `input_size` packed bytes.
    pub fn new(input_size: usize) -> Unpacker {
        let input = vec![0; input_size].into_boxed_slice();
        Unpacker { state: Decompress::new(false), input, start: 0, end: 0, gzip: true, at: At::Between, crc: Crc::new() }
    }

    /// Begins a stream of this format that starts with `first`.
    ///
    /// # Panics
    /// When `first` does not fit the input.
    pub fn begin(&mut self, format: Packed, first: &[u8]) {
        self.input[..first.len()].copy_from_slice(first);
        (self.start, self.end, self.gzip, self.at) = (0, first.len(), format == Packed::Gzip, At::Between);
    }

    /// Where the next packed bytes go; empty while there is input that was not unpacked.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end { &mut self.input } else { &mut [] }
    }

    /// `n` bytes were written to the start of `space`.
    pub fn filled(&mut self, n: usize) {
        assert!(self.start == self.end && n <= self.input.len(), "{n} bytes of {}", self.input.len());
        (self.start, self.end) = (0, n);
    }

    /// Whether the stream may end here: no member is cut.
    pub fn is_between(&self) -> bool {
        self.at == At::Between && self.start == self.end
    }

    /// Unpacks into `out`, which is not empty; 0 when more packed bytes are needed.
    ///
    /// # Errors
    /// The bytes are corrupt; what was unpacked before was given out.
    pub fn unpack(&mut self, out: &mut [u8]) -> Result<usize, Corrupt> {
        loop {
            if self.at == At::Body {
                let n = self.unpack_body(out)?;
                if n > 0 || self.at == At::Body {
                    return Ok(n);
                }
                continue;
            }
            if self.start == self.end {
                return Ok(0);
            }
            if !self.gzip && self.at == At::Between {
                // The header belongs to what Decompress reads.
                self.at = self.begin_body(true);
                continue;
            }
            let byte = self.input[self.start];
            self.start += 1;
            self.step(byte)?;
        }
    }

    fn unpack_body(&mut self, out: &mut [u8]) -> Result<usize, Corrupt> {
        let (had_in, had_out) = (self.state.total_in(), self.state.total_out());
        let status = self.state.decompress(&self.input[self.start..self.end], out, FlushDecompress::None);
        let status = status.map_err(|_| Corrupt("the packed data is damaged"))?;
        // Both are bounded by the slices.
        self.start += usize::try_from(self.state.total_in() - had_in).unwrap_or_default();
        let n = usize::try_from(self.state.total_out() - had_out).unwrap_or_default();
        if self.gzip {
            self.crc.update(&out[..n]);
        }
        if n == 0 && status != Status::StreamEnd && self.start < self.end {
            return Err(Corrupt("the packed data does not go on"));
        }
        if status == Status::StreamEnd {
            self.at = if self.gzip { At::Trailer { seen: 0, value: 0 } } else { At::Between };
        }
        Ok(n)
    }

    fn begin_body(&mut self, zlib: bool) -> At {
        self.state.reset(zlib);
        self.crc.reset();
        At::Body
    }

    /// One byte of gzip's header or trailer.
    fn step(&mut self, byte: u8) -> Result<(), Corrupt> {
        const NO_MEMBER: Corrupt = Corrupt("what stands behind a gzip member is none");
        self.at = match self.at {
            At::Between if byte == 0x1f => At::Header { seen: 1, flags: 0 },
            At::Header { seen: 1, .. } if byte == 0x8b => At::Header { seen: 2, flags: 0 },
            At::Between | At::Header { seen: 1, .. } => return Err(NO_MEMBER),
            At::Header { seen: 2, .. } if byte != 8 => return Err(Corrupt("a gzip member has a method that nobody knows")),
            At::Header { seen: 3, .. } if byte & RESERVED != 0 => return Err(Corrupt("a gzip member has flags that nobody knows")),
            At::Header { seen: 3, .. } => At::Header { seen: 4, flags: byte },
            At::Header { seen: 9, flags } if flags & EXTRA != 0 => At::ExtraSize { seen: 0, size: 0, flags },
            At::Header { seen: 9, flags } => self.after_extra(flags),
            At::Header { seen, flags } => At::Header { seen: seen + 1, flags },
            At::ExtraSize { seen: 0, flags, .. } => At::ExtraSize { seen: 1, size: byte.into(), flags },
            At::ExtraSize { size, flags, .. } => match size | u16::from(byte) << 8 {
                0 => self.after_extra(flags),
                left => At::Extra { left, flags },
            },
            At::Extra { left: 1, flags } => self.after_extra(flags),
            At::Extra { left, flags } => At::Extra { left: left - 1, flags },
            At::Text { flags } if byte == 0 => self.after_extra(flags),
            At::Text { flags } => At::Text { flags },
            At::HeaderCrc { seen: 0 } => At::HeaderCrc { seen: 1 },
            At::HeaderCrc { .. } => self.begin_body(false),
            At::Trailer { seen, value } => {
                let value = value | u64::from(byte) << (8 * seen);
                if seen == 7 {
                    let found = u64::from(self.crc.sum()) | u64::from(self.crc.amount()) << 32;
                    if found != value {
                        return Err(Corrupt("a gzip member does not match its checksum"));
                    }
                    At::Between
                } else {
                    At::Trailer { seen: seen + 1, value }
                }
            }
            At::Body => At::Body,
        };
        Ok(())
    }

    /// Behind the extra field, or a text: the texts and the checksum that are still to come.
    fn after_extra(&mut self, flags: u8) -> At {
        if flags & NAME != 0 {
            At::Text { flags: flags & !NAME }
        } else if flags & COMMENT != 0 {
            At::Text { flags: flags & !COMMENT }
        } else if flags & HEADER_CRC != 0 {
            At::HeaderCrc { seen: 0 }
        } else {
            self.begin_body(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &str) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// Unpacks `bytes` that come in pieces, into pieces.
    fn unpack(format: Packed, bytes: &[u8], piece: usize, out_size: usize) -> (String, Result<bool, Corrupt>) {
        let mut unpacker = Unpacker::new(64);
        unpacker.begin(format, &bytes[..bytes.len().min(2)]);
        let (mut text, mut out) = (Vec::new(), vec![0; out_size]);
        let mut pieces = bytes[bytes.len().min(2)..].chunks(piece);
        loop {
            match unpacker.unpack(&mut out) {
                Err(corrupt) => return (String::from_utf8(text).unwrap(), Err(corrupt)),
                Ok(0) => match pieces.next() {
                    None => return (String::from_utf8(text).unwrap(), Ok(unpacker.is_between())),
                    Some(piece) => {
                        unpacker.space()[..piece.len()].copy_from_slice(piece);
                        unpacker.filled(piece.len());
                    }
                },
                Ok(n) => text.extend_from_slice(&out[..n]),
            }
        }
    }

    #[test]
    fn members_one_behind_the_other_are_one_stream_however_they_arrive() {
        let texts: Vec<String> = (0..20).map(|i| format!("m{i} v={}\n", i * 7919)).collect();
        for (format, pack) in [(Packed::Gzip, gzip as fn(&str) -> Vec<u8>), (Packed::Zlib, zlib)] {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| pack(text)).collect();
            assert_eq!(Packed::detect(&bytes), Some(format));
            for (piece, out_size) in [(1, 1), (1, 100), (7, 3), (64, 1), (64, 100)] {
                assert_eq!(unpack(format, &bytes, piece, out_size), (texts.concat(), Ok(true)), "{format:?}, {piece}, {out_size}");
            }
        }
    }

    #[test]
    fn every_field_that_a_gzip_header_may_have_is_passed_over() {
        let mut encoder = GzBuilder::new().extra(vec![1; 300]).filename("name").comment("comment").write(Vec::new(), Compression::default());
        encoder.write_all(b"m v=1\n").unwrap();
        let bytes = encoder.finish().unwrap();
        assert_eq!(unpack(Packed::Gzip, &bytes, 64, 100), ("m v=1\n".to_owned(), Ok(true)));
    }

    #[test]
    fn every_cut_is_seen_and_no_flipped_bit_ends_in_bytes_that_were_not_sent() {
        let text = "cpu,host=a usage_idle=98.2,usage_user=1.1 1800000000000000000\n";
        for (format, bytes) in [(Packed::Gzip, gzip(text)), (Packed::Zlib, zlib(text))] {
            for end in 2..bytes.len() {
                assert_eq!(unpack(format, &bytes[..end], 64, 100).1, Ok(false), "{format:?} cut at {end}");
            }
            // The first two bytes have told the format; time, level and system in the header mean nothing.
            for bit in 16..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let (found, result) = unpack(format, &flipped, 64, 100);
                assert!(result != Ok(true) || found == text, "{format:?} bit {bit}: {found}");
            }
        }
    }

    #[test]
    fn a_line_is_never_taken_for_a_packed_stream() {
        for line in ["x v=1", "x^2 v=1", "xx", "m", "\n"] {
            assert_eq!(Packed::detect(line.as_bytes()), Some(Packed::No), "{line}");
        }
        assert_eq!((Packed::detect(b""), Packed::detect(b"x"), Packed::detect(b"\x1f")), (None, None, None));
    }
}
