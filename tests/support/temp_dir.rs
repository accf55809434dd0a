//! A directory of one test, removed with what is in it when the test ends, however it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Removed on drop.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new, empty directory that only this test knows.
    pub fn new() -> TempDir {
        TempDir::below(&std::env::temp_dir())
    }

    /// The same in memory, where the system has such a place.
    pub fn in_memory() -> Option<TempDir> {
        let place = Path::new("/dev/shm");
        place.is_dir().then(|| TempDir::below(place))
    }

    fn below(place: &Path) -> TempDir {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("kinegraf-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = place.join(name);
        // A directory of an earlier process with our number may have been left by a kill.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file into it and says where.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Default for TempDir {
    fn default() -> TempDir {
        TempDir::new()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
