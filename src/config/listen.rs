//! Where lines come from, as it is written: `stdin`, `unix:///PATH`, `unixgram:///PATH`. And the mode of a socket.

use std::fmt;
use std::path::PathBuf;

use super::near;
use super::value::quote;

/// Bytes of a socket's path. Source: `sun_path` of unix(7), without its last zero.
const SOCKET_PATH_MAX: usize = 107;
/// Who may write to a socket when nothing else is said: its owner and its group.
pub(super) const SOCKET_MODE: u32 = 0o660;

/// One place where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Standard input.
    Stdin,
    /// A stream socket at this absolute path.
    Unix(PathBuf),
    /// A datagram socket at this absolute path.
    Unixgram(PathBuf),
}

impl Listen {
    /// Reads an address; the error is the second half of a sentence.
    pub(crate) fn parse(text: &str) -> Result<Listen, String> {
        if text == "stdin" {
            return Ok(Listen::Stdin);
        }
        let wrong = |why: &str| Err(format!("is {}, {why}", quote(text)));
        let Some((scheme, path)) = text.split_once("://") else {
            let meant = if text.starts_with('/') { format!(", did you mean \"unix://{text}\"?") } else { String::new() };
            return wrong(&format!("must be stdin, unix:///PATH or unixgram:///PATH{meant}"));
        };
        if !matches!(scheme, "unix" | "unixgram") {
            let meant = near::nearest(scheme, ["unix", "unixgram"]).map_or(String::new(), |near| format!(", did you mean \"{near}://\"?"));
            return wrong(&format!("must be stdin, unix:///PATH or unixgram:///PATH{meant}"));
        }
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return wrong("must have an absolute path, as in unix:///run/kinegraf.sock");
        }
        if path.len() > SOCKET_PATH_MAX {
            return Err(format!("has a path of {} bytes, must have at most {SOCKET_PATH_MAX}", path.len()));
        }
        Ok(if scheme == "unix" { Listen::Unix(path.into()) } else { Listen::Unixgram(path.into()) })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Stdin => f.write_str("stdin"),
            Listen::Unix(path) => write!(f, "unix://{}", path.display()),
            Listen::Unixgram(path) => write!(f, "unixgram://{}", path.display()),
        }
    }
}

/// Three or four octal digits.
pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && (3..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(mode),
        _ => Err(format!("is {}, must be three or four octal digits such as \"0660\"", quote(text))),
    }
}
