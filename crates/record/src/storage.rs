use std::io;
use std::path::Path;

use crate::{EntryKind, Lock};

/// The file operations that this crate needs, so that tests can make each of
/// them fail. [`FsStorage`](crate::FsStorage) is the real one.
pub trait Storage {
    /// The whole content of a file.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is no such file, else the system's.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Creates a file with this content; not yet durable.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is one. After another error a
    /// part of the content may be there.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes a file's content durable.
    ///
    /// # Errors
    ///
    /// The system's.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Renames a file within a file system, replacing the target atomically.
    ///
    /// # Errors
    ///
    /// The system's; the target is then as it was.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes a folder's entries durable.
    ///
    /// # Errors
    ///
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names of a folder's entries, sorted; names that are not UTF-8 are
    /// left out.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotFound`] if there is no such folder, else the system's.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// What is there under this name, links not followed; nothing if nothing is.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot tell.
    fn entry(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Whether the file at `path` holds exactly `bytes`.
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read).
    fn holds(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        Ok(self.read(path)? == bytes)
    }

    /// Creates a folder and its parents, unless they exist.
    ///
    /// # Errors
    ///
    /// The system's.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock that the file at `path` stands for, and writes `holder` into the
    /// file; it is made if it is not there. The lock ends with the process at the latest.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if it is taken, else the system's.
    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock>;
}

impl<S: Storage + ?Sized> Storage for &S {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (**self).read(path)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).write_new(path, bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        (**self).sync_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        (**self).sync_dir(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (**self).remove(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        (**self).list(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        (**self).entry(path)
    }

    fn holds(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        (**self).holds(path, bytes)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        (**self).create_dir_all(path)
    }

    fn lock(&self, path: &Path, holder: &str) -> io::Result<Lock> {
        (**self).lock(path, holder)
    }
}
