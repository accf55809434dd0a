//! Standard input as what it is: a regular file, a terminal, or something that may be cut (a pipe or a socket).

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;

use crate::input::line_reader::Tail;

/// Bytes, and what their end means.
pub struct Input {
    /// Where bytes come from.
    pub reader: Box<dyn Read + Send>,
    /// What they come from.
    pub kind: InputKind,
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// It has an end, whoever started us still has it, and its last line is whole.
    RegularFile,
    /// Somebody types.
    Terminal,
    /// A pipe, a socket, a device: may be cut.
    Pipe,
    /// No standard input but sockets that are listened on: there is no end but a stop.
    Sockets,
}

impl InputKind {
    /// What becomes of a last line without a newline.
    pub fn tail(self) -> Tail {
        if matches!(self, InputKind::Pipe | InputKind::Sockets) { Tail::Reject } else { Tail::Accept }
    }
}

/// Opens standard input without a buffer in between.
pub fn open() -> io::Result<Input> {
    let (file, kind) = open_file()?;
    Ok(Input { reader: Box::new(file), kind })
}

/// The same as a file.
pub fn open_file() -> io::Result<(File, InputKind)> {
    let stdin = io::stdin();
    let file = File::from(stdin.as_fd().try_clone_to_owned()?);
    let kind = if file.metadata()?.is_file() {
        InputKind::RegularFile
    } else if stdin.is_terminal() {
        InputKind::Terminal
    } else {
        InputKind::Pipe
    };
    Ok((file, kind))
}
