use std::path::Path;

use crate::{RecordError, Storage};

/// What a name in a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A pipe, a socket, a device.
    Other,
}

impl EntryKind {
    /// For messages, as in "found ...".
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Other => "a pipe, a socket or a device",
        }
    }
}

/// Whether this is there, as a plain file or folder; another thing is refused.
pub(crate) fn is(
    storage: &(impl Storage + ?Sized),
    path: &Path,
    kind: EntryKind,
) -> Result<bool, RecordError> {
    let entry = storage.entry(path);
    match entry.map_err(|error| RecordError::io(path, "look for it", error))? {
        None => Ok(false),
        Some(found) if found == kind => Ok(true),
        Some(found) => Err(RecordError::Irregular {
            path: path.to_owned(),
            expected: kind.described(),
            found: found.described(),
        }),
    }
}
