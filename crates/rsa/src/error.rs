use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file, a matrix, predictions or a comparison was refused.
///
/// Rows and columns are counted from 1, as MATLAB and spreadsheets do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RsaError {
    /// The operating system refused to give a file.
    #[error("{}: expected a file that can be read, found: {source}. {advice}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What to do next.
        advice: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// A file, a variable of it, or an argument is as a whole not what it should be.
    #[error("{origin}: expected {expected}, found {found}. {advice}")]
    Content {
        /// The path, the path and the variable, or the name of the argument.
        origin: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// An element of a matrix of dissimilarities cannot be one.
    #[error("{origin}: element ({row}, {column}): expected {expected}, found {found}. {advice}")]
    Element {
        /// The path, the path and the variable, or the name of the argument.
        origin: String,
        /// The element's row, from 1.
        row: usize,
        /// The element's column, from 1.
        column: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// A row of predictions has no correlation with the others.
    #[error("predictions: row {row}, counted from 1: expected {expected}, found {found}. {advice}")]
    Prediction {
        /// The row, from 1.
        row: usize,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// Two matrices are not of the same objects.
    #[error(
        "comparison: expected two matrices of the same objects, found {first} objects in the first \
         and {second} in the second. Select the same objects, in the same order, for both"
    )]
    Sizes {
        /// Objects of the first matrix.
        first: usize,
        /// Objects of the second matrix.
        second: usize,
    },

    /// A matrix has nothing that could be ranked.
    #[error(
        "comparison: expected different dissimilarities in both matrices, found {value} in all \
         {pairs} places below the diagonal of the {which}. Check where that matrix comes from"
    )]
    Constant {
        /// "first" or "second".
        which: &'static str,
        /// How many places there are.
        pairs: usize,
        /// The value in all of them.
        value: f64,
    },

    /// There is no p-value for these numbers.
    #[error("p-value: expected {expected}, found {found}. Give the rho of a rank correlation")]
    Correlation {
        /// What should be given.
        expected: &'static str,
        /// What was given.
        found: String,
    },
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, RsaError> {
    read_plain(path).map_err(|source| {
        let advice = match source.kind() {
            io::ErrorKind::NotFound => "Check the path",
            io::ErrorKind::PermissionDenied => "Check the owner and the permissions of the file",
            io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => "Give the path of a file",
            _ => "Check the disk and try again",
        };
        RsaError::Io {
            path: path.to_owned(),
            advice,
            source,
        }
    })
}

/// Neither a folder nor a pipe or a device, whose opening would wait for its other end.
fn read_plain(path: &Path) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() && !kind.is_dir() {
        let what = "a pipe, a device or the like";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    std::fs::read(path)
}

/// Whether a quoted field never ends. Quotation marks come in pairs, two inside a quoted field
/// for one of its own; a reader of CSV takes what follows a single one, to the end of the
/// file, for its content.
pub(crate) fn has_open_quote(bytes: &[u8]) -> bool {
    let quotes = bytes.iter().filter(|byte| **byte == b'"').count();
    !quotes.is_multiple_of(2)
}

/// A text out of a file, for a message: quoted and escaped, and not of any length.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}..", &text[..end]),
    }
}
