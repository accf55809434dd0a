//! Where a format writes: into a buffer, or into a number that only counts, so that a size is never computed by other code than what writes the bytes.

use std::fmt;

/// Takes bytes.
pub(super) trait Sink {
    /// Takes more of them.
    fn put(&mut self, bytes: &[u8]);

    /// Takes a number as text.
    fn put_text(&mut self, text: fmt::Arguments<'_>)
    where
        Self: Sized,
    {
        // A sink takes everything.
        let _ = fmt::Write::write_fmt(&mut Text(self), text);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Counts bytes.
#[derive(Debug, Default)]
pub(super) struct Count(pub(super) usize);

impl Sink for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

struct Text<'a, S>(&'a mut S);

impl<S: Sink> fmt::Write for Text<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.put(text.as_bytes());
        Ok(())
    }
}
