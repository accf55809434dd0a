//! Packs the data of a block when it settles, so that fewer bytes are written to the card: raw DEFLATE, level 1, used only where it halves the data or more.
//!
//! It allocates when it is made and never again. Nothing here panics on damaged bytes, or writes more than what a block's header promised.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::spool::block::PLAIN_SIZE_MAX;

/// A block is stored packed where this many plain bytes or more become one.
const RATIO: usize = 2;

/// The stream of a block is not one, or does not give the bytes that were promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Packs blocks, one after another, with one state.
#[derive(Debug)]
pub struct Packing {
    state: Compress,
}

impl Packing {
    /// Bytes that it holds. Measured: 312 KiB; see `tests/spool`.
    pub const MEMORY: usize = 320 << 10;

    /// Allocates the state.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Packing {
        Packing { state: Compress::new(Compression::fast(), false) }
    }

    /// Puts the packed bytes into `out`, over what it held, when they are half of `plain` or less; false otherwise, and `out` is nobody's business.
    pub fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> bool {
        self.state.reset();
        out.resize(plain.len() / RATIO, 0);
        match self.state.compress(plain, out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => {
                out.truncate(usize::try_from(self.state.total_out()).expect("no more than the slice"));
                true
            }
            _ => false,
        }
    }
}

/// Unpacks blocks, one after another, with one state.
#[derive(Debug)]
pub struct Unpacking {
    state: Decompress,
}

impl Unpacking {
    /// Bytes that it holds. Measured: 43 KiB; see `tests/spool`.
    pub const MEMORY: usize = 48 << 10;

    /// Allocates the state.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Unpacking {
        Unpacking { state: Decompress::new(false) }
    }

    /// Appends exactly `plain_size` bytes to `out`, or fails and leaves `out` as it was.
    pub fn unpack(&mut self, packed: &[u8], plain_size: usize, out: &mut Vec<u8>) -> Result<(), Damaged> {
        if plain_size > PLAIN_SIZE_MAX {
            return Err(Damaged);
        }
        self.state.reset(false);
        let start = out.len();
        out.resize(start + plain_size, 0);
        let status = self.state.decompress(packed, &mut out[start..], FlushDecompress::Finish);
        let whole = self.state.total_in() == packed.len() as u64 && self.state.total_out() == plain_size as u64;
        if matches!(status, Ok(Status::StreamEnd)) && whole {
            return Ok(());
        }
        out.truncate(start);
        Err(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<u8> {
        (0..400).flat_map(|i| format!("cpu,host=a,cpu=cpu{} usage_idle={}i 1800000000{i:09}\n", i % 4, i * 7919 % 100).into_bytes()).collect()
    }

    #[test]
    fn what_was_packed_is_unpacked_and_the_states_serve_again() {
        let (mut packing, mut unpacking, mut packed) = (Packing::new(), Unpacking::new(), Vec::new());
        let plain = lines();
        for size in [500, 5000, plain.len()] {
            let mut out = b"before".to_vec();
            assert!(packing.pack(&plain[..size], &mut packed) && packed.len() * 2 <= size, "{size}");
            unpacking.unpack(&packed, size, &mut out).unwrap();
            assert_eq!(out, [b"before", &plain[..size]].concat());
        }
    }

    #[test]
    fn what_does_not_halve_stays_plain() {
        let (mut packing, mut packed) = (Packing::new(), Vec::new());
        let mut random = crate::random::Random::from_seed(1);
        let noise: Vec<u8> = (0..4000).map(|_| random.next_u64() as u8).collect();
        assert!(!packing.pack(&noise, &mut packed));
        assert!(!packing.pack(b"m v=1", &mut packed) && !packing.pack(b"", &mut packed));
        assert!(packing.pack(&lines(), &mut packed), "a failure leaves nothing behind");
    }

    #[test]
    fn a_damaged_stream_is_an_error_and_never_more_bytes_than_were_promised() {
        let (mut packing, mut unpacking, mut packed) = (Packing::new(), Unpacking::new(), Vec::new());
        let plain = lines();
        assert!(packing.pack(&plain, &mut packed));
        let mut out = Vec::new();
        for end in 0..packed.len() {
            assert_eq!(unpacking.unpack(&packed[..end], plain.len(), &mut out), Err(Damaged), "cut at {end}");
        }
        for bit in 0..packed.len() * 8 {
            let mut flipped = packed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if unpacking.unpack(&flipped, plain.len(), &mut out).is_ok() {
                assert_eq!(out.len(), plain.len());
                out.clear();
            }
            assert!(out.is_empty());
        }
        for promised in [0, plain.len() - 1, plain.len() + 1, PLAIN_SIZE_MAX + 1, usize::MAX] {
            assert_eq!(unpacking.unpack(&packed, promised, &mut out), Err(Damaged), "{promised} promised");
        }
        assert_eq!(unpacking.unpack(&[&packed[..], b"x"].concat(), plain.len(), &mut out), Err(Damaged), "bytes behind the end");
        assert!(out.is_empty() && out.capacity() <= PLAIN_SIZE_MAX);
    }
}
