use std::io;
use std::path::PathBuf;

/// What can go wrong with a torch file and with what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PthError {
    /// The operating system refused something.
    #[error(
        "{}: could not {operation}: {source}. Check the path and that the file may be read",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried, as in "could not ...".
        operation: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// The file is not in the zip format of torch.save.
    #[error("{}: expected a file of torch.save's zip format, found {found}. {advice}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: String,
        /// What to do.
        advice: &'static str,
    },

    /// The container is damaged, or is not as torch writes it.
    #[error(
        "{}: {place}: expected {expected}, found {found}. The file is damaged or cut short: copy \
         it again, or save it again with torch.save", path.display()
    )]
    Archive {
        /// The file.
        path: PathBuf,
        /// The part or the entry of the archive.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A pickle is damaged or says something that this crate does not read.
    #[error("{}: {entry} at byte {offset}: expected {expected}, found {found}. {advice}", path.display())]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The archive's entry.
        entry: String,
        /// Where the opcode is in the entry.
        offset: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        advice: &'static str,
    },

    /// A pickle names a class or a function that is not on the list.
    #[error(
        "{}: {entry} at byte {offset}: expected one of torch's tensors or plain values, found the \
         global `{global}`, which is never executed. If you trust the file, load it in Python and \
         save only dicts, lists, numbers, strings and tensors (model.state_dict(), not the model)",
        path.display()
    )]
    Global {
        /// The file.
        path: PathBuf,
        /// The archive's entry.
        entry: String,
        /// Where the opcode is in the entry.
        offset: usize,
        /// Module and name, as in `os.system`.
        global: String,
    },

    /// A value in the file is not the one asked for.
    #[error(
        "{}: {place}: expected {expected}, found {found}. Check that this is the right file",
        path.display()
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// The way to the value: `optimizer_state_dict.state[3].exp_avg`.
        place: String,
        /// What was asked for.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A tensor's bytes do not fit its shape.
    #[error(
        "a tensor of {dtype} of shape {shape:?}: expected {expected} bytes, found {found}. Give \
         as many bytes as the shape has"
    )]
    Tensor {
        /// torch's name of the dtype.
        dtype: &'static str,
        /// The shape.
        shape: Vec<usize>,
        /// Bytes of the shape, or that they cannot be counted.
        expected: String,
        /// Bytes that were given.
        found: usize,
    },

    /// A value cannot be written.
    #[error("{place}: expected {expected}, found {found}. {advice}")]
    Unwritable {
        /// The way to the value.
        place: String,
        /// What can be written.
        expected: &'static str,
        /// What was given.
        found: String,
        /// What to do.
        advice: &'static str,
    },
}
