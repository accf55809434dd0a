//! The bytes of a line in a record. `influx` is the line and a newline; others come with the Telegraf drop-in.

/// What record data looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The line as it came (with its timestamp), and a newline.
    #[default]
    Influx,
}

impl Format {
    /// Appends `line` as it stands in a record. Allocates only when `out` is too small.
    pub fn append(self, line: &[u8], out: &mut Vec<u8>) {
        match self {
            Format::Influx => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
    }

    /// Bytes that `append` adds for a line of `line_size` bytes.
    pub fn size(self, line_size: usize) -> usize {
        match self {
            Format::Influx => line_size + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn influx_is_the_line_and_a_newline_and_its_size_is_known_before() {
        let mut out = Vec::new();
        for line in [b"m v=1".as_slice(), b"m v=\"two\nlines\" 5"] {
            let before = out.len();
            Format::Influx.append(line, &mut out);
            assert_eq!(out.len() - before, Format::Influx.size(line.len()));
        }
        assert_eq!(out, b"m v=1\nm v=\"two\nlines\" 5\n");
    }
}
