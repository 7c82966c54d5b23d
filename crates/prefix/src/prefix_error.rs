use std::{
    io,
    path::{Path, PathBuf},
};

/// Why kept rows cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// A file or folder that cannot be read or written.
    #[error(
        "{path}: cannot {what} it: {source}. No state is in it: make room or give another \
         folder, and run the same command again",
        path = path.display()
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },

    /// A file that is damaged, or not what its name says.
    #[error(
        "{path}: expected {expected}, found {found}. No state is in it: delete it, and it is \
         computed anew",
        path = path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },

    /// A device whose rows depend on their neighbours.
    #[error(
        "this device computes a sample otherwise in another place of a batch, so that nothing can \
         be kept of it. Train with --no-prefix-cache"
    )]
    PlaceMatters,
}

impl PrefixError {
    pub(crate) fn io(path: &Path, what: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, what, source }
    }

    pub(crate) fn other(path: &Path, expected: &str, found: &str) -> Self {
        Self::Other {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        }
    }
}
