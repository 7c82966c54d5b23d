use std::io;
use std::path::Path;

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

    /// Whether something is there.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot tell.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Creates a folder and its parents, unless they exist.
    ///
    /// # Errors
    ///
    /// The system's.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
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

    fn exists(&self, path: &Path) -> io::Result<bool> {
        (**self).exists(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        (**self).create_dir_all(path)
    }
}
