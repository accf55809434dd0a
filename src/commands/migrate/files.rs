//! The files that `migrate` makes and changes. Nothing is overwritten and no link is followed where a file is made; what was begun and failed is removed.
//!
//! Every file exists under its name only with all of its content on the disk, or is a new one that nobody else knows of.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Backups of one file, so that a disk is not filled by a script that repeats itself.
const BACKUPS_MAX: usize = 100;
/// Read and written by their owner alone, from the first moment.
const PRIVATE: u32 = 0o600;

/// A file that is to be changed, as it is now.
pub(super) struct Original {
    /// Where it is, all links followed.
    pub(super) path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
}

impl Original {
    /// The file at `path`, which must still have these bytes.
    pub(super) fn open(path: &Path, bytes: &[u8]) -> io::Result<Original> {
        let path = fs::canonicalize(path)?;
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::Error::other("is no regular file"));
        }
        // It is replaced, not written to: another name would keep what it was, and Telegraf may know that one.
        if metadata.nlink() > 1 {
            return Err(io::Error::other(format!("has {} names, of which --write would change one: do without --write", metadata.nlink())));
        }
        let original = Original { path, bytes: bytes.to_owned(), mode: metadata.mode() & 0o7777, owner: (metadata.uid(), metadata.gid()) };
        original.check()?;
        Ok(original)
    }

    fn check(&self) -> io::Result<()> {
        if fs::read(&self.path)? == self.bytes { Ok(()) } else { Err(io::Error::other("was changed by somebody else at the same time")) }
    }

    /// Copies it to a file beside it, of the same mode and owner, and says where.
    pub(super) fn back_up(&self) -> io::Result<PathBuf> {
        let name = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(".before-kinegraf");
            if number > 0 {
                name.push(format!(".{number}"));
            }
            PathBuf::from(name)
        };
        for path in (0..BACKUPS_MAX).map(name) {
            match create(&path, &self.bytes, |file| self.dress(file)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|()| path),
            }
        }
        Err(io::Error::other(format!("there are {BACKUPS_MAX} backups already")))
    }

    /// Puts `bytes` in its place at once; until then it is as it was.
    pub(super) fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.path.with_file_name(format!(".{name}.kinegraf-{}", std::process::id()));
        create(&temporary, bytes, |file| self.dress(file))?;
        let moved = self.check().and_then(|()| fs::rename(&temporary, &self.path));
        if moved.is_err() {
            _ = fs::remove_file(&temporary);
        }
        moved?;
        // It is replaced: a directory that cannot be synced now is written a little later.
        _ = sync_directory(&self.path);
        Ok(())
    }

    /// Mode and owner. Somebody who may not give files away keeps the new one, in its old group where that is permitted.
    fn dress(&self, file: &File) -> io::Result<()> {
        if fchown(file, Some(self.owner.0), Some(self.owner.1)).is_err() {
            _ = fchown(file, None, Some(self.owner.1));
        }
        file.set_permissions(Permissions::from_mode(self.mode))
    }
}

/// Makes a file that only its owner can read: `owner`, where one is given and whoever runs this may give files away. One that is there with this very
/// content, and private, is as good: somebody looked at what would be done, and does it now.
pub(super) fn create_private(path: &Path, content: &str, owner: Option<u32>) -> io::Result<()> {
    let made = create(path, content.as_bytes(), |file| {
        if owner.is_some() {
            _ = fchown(file, owner, None);
        }
        // A umask may have taken the owner's rights too.
        file.set_permissions(Permissions::from_mode(PRIVATE))
    });
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_there(path, content) => Ok(()),
        made => made,
    }
}

fn is_there(path: &Path, content: &str) -> bool {
    let is_private = |metadata: fs::Metadata| metadata.is_file() && metadata.mode() & 0o077 == 0 && metadata.len() == content.len() as u64;
    fs::symlink_metadata(path).is_ok_and(is_private) && fs::read(path).is_ok_and(|bytes| bytes == content.as_bytes())
}

/// Makes a file, whole and on the disk, or none.
fn create(path: &Path, bytes: &[u8], dress: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    // Fails for whatever has that name, a link to nowhere too.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    let written = file.write_all(bytes).and_then(|()| dress(&file)).and_then(|()| file.sync_all()).and_then(|()| sync_directory(path));
    if written.is_err() {
        _ = fs::remove_file(path);
    }
    written
}

/// Writes the directory that `path` is in, where that can be done: some can be written to and not be opened.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = [io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported, io::ErrorKind::PermissionDenied];
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Err(error) if cannot.contains(&error.kind()) => Ok(()),
        result => result,
    }
}

/// A path that is the same from everywhere.
pub(super) fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if !path.components().any(|part| part == std::path::Component::ParentDir) {
        return Ok(path);
    }
    let name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
    Ok(fs::canonicalize(path.parent().unwrap_or(Path::new("/")))?.join(name))
}

/// The file that this program was started from.
pub(super) fn program() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/exe")
}

/// Whose a file is; none when that cannot be known.
pub(super) fn owner(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_given_to_whoever_needs_it_where_that_is_permitted() {
        const NOBODY: u32 = 65_534;
        let directory = std::env::temp_dir().join(format!("kinegraf-private-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, probe) = (directory.join("kinegraf.toml"), directory.join("probe"));
        fs::write(&probe, "").unwrap();
        let own = fs::metadata(&probe).unwrap().uid();
        let is_permitted = std::os::unix::fs::chown(&probe, Some(NOBODY), None).is_ok();
        create_private(&path, "secret", Some(NOBODY)).unwrap();
        let made = fs::metadata(&path).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((made.mode() & 0o7777, made.uid()), (0o600, if is_permitted { NOBODY } else { own }));
    }

    #[test]
    fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
        let directory = std::env::temp_dir().join(format!("kinegraf-migrate-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("telegraf.conf");
        fs::write(&path, "old").unwrap();
        assert!(Original::open(&path, b"other").is_err());
        let original = Original::open(&path, b"old").unwrap();
        fs::write(&path, "theirs").unwrap();
        let error = original.replace(b"ours").unwrap_err();
        let left = (fs::read_to_string(&path).unwrap(), fs::read_dir(&directory).unwrap().count());
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((left, error.to_string().as_str()), (("theirs".to_owned(), 1), "was changed by somebody else at the same time"));
    }
}
