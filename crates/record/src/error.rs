use std::io;
use std::path::PathBuf;

/// What can go wrong with a record file, a run folder or a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The operating system refused something.
    #[error("{}: could not {operation}: {source}. {advice}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as in "could not ...".
        operation: &'static str,
        /// What to do next.
        advice: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// A file that should be read is not there.
    #[error(
        "{}: expected a checkpoint, found no such file. Check the path; the checkpoints of a run \
         lie in its `checkpoints` folder", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },

    /// The file has no bytes.
    #[error(
        "{}: expected a checkpoint, found an empty file. Use another checkpoint of the run: \
         `dacapo repair` finds the newest whole one",
        path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },

    /// The file's length is not the one that its trailer needs.
    #[error(
        "{}: expected {expected}, found {found}: the file is cut short or has been added to. Copy \
         it again or use another checkpoint of the run (`dacapo repair` finds the newest whole one); \
         if another program wrote it, it is no dacapo checkpoint", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The length or the part that should be there.
        expected: String,
        /// What is there.
        found: String,
    },

    /// The file is not dacapo's.
    #[error(
        "{}: expected a dacapo checkpoint (it ends in a trailer that begins with \"\\x89DACAPO\\n\"), \
         found {found}. Check the path", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The first bytes and the length.
        found: String,
    },

    /// A checksum disagrees.
    #[error(
        "{}: the {part} is damaged: expected {expected}, found {found}. Copy the file again or use \
         another checkpoint of the run: `dacapo repair` finds the newest whole one", path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// "payload" or "trailer".
        part: &'static str,
        /// The value that the file declares.
        expected: String,
        /// The value that its bytes give.
        found: String,
    },

    /// A later dacapo wrote the file.
    #[error(
        "{}: expected format version {supported} or lower, found {found}. Read it with dacapo \
         {needed} or later", path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The newest version that this build reads.
        supported: u32,
        /// The file's version.
        found: u32,
        /// The first dacapo version that reads it.
        needed: String,
    },

    /// A checkpoint name cannot be one.
    #[error(
        "checkpoint name {name:?}: expected 1 to {max} letters, digits, `.`, `_` or `-`, without a \
         leading `.` and without the extension `.mpk`. Choose such a name"
    )]
    InvalidName {
        /// The name.
        name: String,
        /// The longest length allowed.
        max: usize,
    },

    /// A pointer was asked for that does not exist.
    #[error("pointer {name:?}: expected `latest` or `best`. Use one of these")]
    UnknownPointer {
        /// The pointer's name.
        name: String,
    },

    /// A pointer file's content is not a checkpoint's file name.
    #[error(
        "{}: expected one line with the file name of a checkpoint, such as `step-000100.mpk`, \
         found {found}. Write the name of a file in `checkpoints` into it, or let `dacapo repair`", path.display()
    )]
    MalformedPointer {
        /// The pointer file.
        path: PathBuf,
        /// Its content, shortened.
        found: String,
    },

    /// A pointer names a checkpoint that is not there.
    #[error(
        "{}: expected it to name an existing checkpoint, found `{target}`, which is not in \
         `checkpoints`. Restore that file, or write the name of another one into the pointer, or let \
         `dacapo repair`",
        path.display()
    )]
    DanglingPointer {
        /// The pointer file.
        path: PathBuf,
        /// The file name it holds.
        target: String,
    },

    /// A checkpoint that a pointer or a pin names would have been removed.
    #[error(
        "{}: expected a checkpoint that nothing refers to, found that `{by}` does. Set the \
         pointer to another checkpoint, or remove the pin, first", path.display()
    )]
    StillReferenced {
        /// The checkpoint.
        path: PathBuf,
        /// The pointer's or the pin's file, from the run folder on.
        by: String,
    },

    /// Something else than a plain file or folder is in a run folder's place for one.
    #[error(
        "{}: expected {expected}, found {found}. Put the real one in its place: a run folder is \
         written to and cleaned up, and nothing outside of it must be", path.display()
    )]
    Irregular {
        /// The place.
        path: PathBuf,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },

    /// Another process works in the run folder.
    #[error(
        "{}: the run folder is in use by {holder}. Nothing was changed. Wait until it has ended, \
         or stop it", path.display()
    )]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// What the lock's file says.
        holder: String,
    },

    /// The run folder is gone while a process works in it.
    #[error(
        "{}: the run folder was removed, renamed or replaced while the run was going on. Nothing \
         more was written. If it was renamed, its last checkpoint is whole: resume it there; if it \
         was removed, put it back from a copy", path.display()
    )]
    Vanished {
        /// The run folder.
        path: PathBuf,
    },

    /// A file that has just been written reads back otherwise.
    #[error(
        "{}: expected the {length} bytes that were written and synced without an error, found \
         others. The previous file is whole. Check the disk or the network file system, or put the \
         run on another one", path.display()
    )]
    Unfaithful {
        /// The temporary file.
        path: PathBuf,
        /// How many bytes were written.
        length: usize,
    },

    /// The payload is not one MessagePack value.
    #[error(
        "{}: expected one MessagePack value, found {found}. The file was written by a faulty \
         program: use another checkpoint", path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },

    /// A leaf or a key of the payload cannot be taken in.
    #[error(
        "{}: {leaf}: expected {expected}, found {found}. The file was written by a faulty program: \
         use another checkpoint", path.display()
    )]
    Leaf {
        /// The file.
        path: PathBuf,
        /// The path of the leaf, or of the map that holds the key.
        leaf: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// `EMFILE`, for which the standard library has no name.
const TOO_MANY_FILES: i32 = 24;

impl RecordError {
    /// Wraps an operating-system error with advice that fits its kind.
    pub(crate) fn io(path: &std::path::Path, operation: &'static str, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "Check the owner and the permissions of the folder"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "Free some space; the previous file is whole"
            }
            io::ErrorKind::NotFound => "Check that the folder exists",
            io::ErrorKind::Unsupported => {
                "This file system cannot do it: put the run on another one"
            }
            io::ErrorKind::NotADirectory => "Check that every part of the path is a folder",
            io::ErrorKind::IsADirectory => "Give the path of a file",
            _ if source.raw_os_error() == Some(TOO_MANY_FILES) => {
                "Raise the limit of open files (`ulimit -n`); the previous file is whole"
            }
            _ => "Check the disk and try again; the previous file is whole",
        };
        Self::Io {
            path: path.to_owned(),
            operation,
            advice,
            source,
        }
    }
}
