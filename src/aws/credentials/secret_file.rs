//! A file with one secret in it, a token or a key: read whole, into a buffer that never moves and is wiped.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// What the file holds, up to one byte more than `size_max`, so that a longer one is noticed.
///
/// # Errors
/// It cannot be read, or is no regular file: to open a pipe would wait for whoever writes into it.
pub(super) fn read(path: &Path, size_max: usize) -> io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    // With room for the look whether there is more: growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size_max + 64));
    File::open(path)?.take(size_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes, metadata))
}
