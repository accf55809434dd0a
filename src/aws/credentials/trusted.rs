//! Whether a file says what only root or we ourselves could have written: every directory on the way to it counts, and every link.
//!
//! Access control lists are not looked at, beyond what they show in the mode.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Links that are followed.
const LINKS_MAX: usize = 40;
/// Of a mode: the group or others may write.
const WRITABLE: u32 = 0o022;
/// Of a directory's mode: what is in it may be moved or removed by its owner only.
const STICKY: u32 = 0o1000;

/// Checks `path`, which exists.
///
/// # Errors
/// Who else may change it, and what to do; or that it cannot be looked at.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let us = rustix::process::geteuid().as_raw();
    let absolute = std::path::absolute(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (mut at, mut links) = (PathBuf::from("/"), 0);
    let mut ahead = components(&absolute);
    check_one(&at, us)?;
    while let Some(name) = ahead.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(name);
        if check_one(&at, us)? {
            links += 1;
            if links > LINKS_MAX {
                return Err(format!("{}: more than {LINKS_MAX} links", path.display()));
            }
            let target = fs::read_link(&at).map_err(|error| format!("{}: {error}", at.display()))?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            } else {
                at.pop();
            }
            ahead.extend(components(&target));
        }
    }
    Ok(())
}

/// True for a link.
fn check_one(at: &Path, us: u32) -> Result<bool, String> {
    let metadata = fs::symlink_metadata(at).map_err(|error| format!("{}: {error}", at.display()))?;
    let (mode, owner, shown) = (metadata.mode(), metadata.uid(), at.display());
    if owner != 0 && owner != us {
        return Err(format!("{shown} belongs to user {owner}, who could change it: chown it to root or to the user that runs kinegraf"));
    }
    if metadata.is_symlink() || mode & WRITABLE == 0 || metadata.is_dir() && mode & STICKY != 0 {
        return Ok(metadata.is_symlink());
    }
    Err(format!("{shown} may be written by others (mode {:04o}): chmod go-w {shown}", mode & 0o7777))
}

/// The names on the way, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    let named = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_could_change_or_replace_is_not_trusted() {
        let root = std::env::temp_dir().join(format!("kinegraf-trusted-{}", std::process::id()));
        drop(fs::remove_dir_all(&root));
        let (inner, link) = (root.join("inner"), root.join("link"));
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(root.join("elsewhere")).unwrap();
        symlink("inner/../inner", &link).unwrap();
        let file = inner.join("config");
        fs::write(&file, "").unwrap();
        for path in [&root, &inner, &root.join("elsewhere")] {
            set_mode(path, 0o755);
        }
        let through_link = link.join("config");
        for mode in [0o600, 0o644] {
            set_mode(&file, mode);
            assert_eq!((check(&file), check(&through_link)), (Ok(()), Ok(())));
        }
        for mode in [0o666, 0o664, 0o602] {
            set_mode(&file, mode);
            for path in [&file, &through_link] {
                let error = check(path).unwrap_err();
                assert!(error.contains(&format!("mode {mode:04o}")) && error.contains("chmod go-w"), "{error}");
            }
        }
        set_mode(&file, 0o600);
        for (directory, mode, trusted) in [(&inner, 0o777, false), (&inner, 0o1777, true), (&root, 0o775, false), (&root, 0o1775, true)] {
            set_mode(directory, mode);
            assert_eq!((check(&file).is_ok(), check(&through_link).is_ok()), (trusted, trusted), "{mode:o}");
            set_mode(directory, 0o755);
        }
        // The directory that holds the link counts, not only the one it leads to.
        symlink(&file, root.join("elsewhere/config")).unwrap();
        set_mode(&root.join("elsewhere"), 0o777);
        assert!(check(&root.join("elsewhere/config")).is_err() && check(&file).is_ok());
        symlink("loop", root.join("loop")).unwrap();
        assert!(check(&root.join("loop")).unwrap_err().contains("links") && check(&root.join("none")).is_err());
        fs::remove_dir_all(&root).unwrap();
    }
}
