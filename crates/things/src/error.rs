use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file, an image, a list of names or an argument was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ThingsError {
    /// The operating system refused to give, or to take, a file.
    #[error("{}: expected {expected}, found: {source}. {advice}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What should be possible.
        expected: &'static str,
        /// What to do next.
        advice: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },

    /// A file or an argument is as a whole not what it should be.
    #[error("{origin}: expected {expected}, found {found}. {advice}")]
    Content {
        /// The path, or the name of the argument.
        origin: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// A row of a file of targets is not one.
    #[error(
        "{}: row {row} (the header is row 1), image {}: expected {expected}, found {found}. \
         {advice}", path.display(), quoted(image)
    )]
    Target {
        /// The file.
        path: PathBuf,
        /// The row, from 1, the header included.
        row: usize,
        /// The row's image name, empty if it has none.
        image: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// A name in a list of images cannot stand there.
    #[error(
        "image names: name {position}, counted from 1, {}: expected {expected}, found {found}. \
         {advice}",
        quoted(image)
    )]
    Name {
        /// The name's place in the list, from 1.
        position: usize,
        /// The name.
        image: String,
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// Images are not in the folder.
    #[error(
        "{}: expected {expected} images, found {} of them missing: {}. {advice}",
        folder.display(), missing.len(), first_of(missing)
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// How many images should be there.
        expected: usize,
        /// The names of all that are missing, in the order of the list, each with a file
        /// of the folder that may be meant.
        missing: Vec<(String, Option<String>)>,
        /// What to do next.
        advice: &'static str,
    },

    /// A file is there but no image that can be used.
    #[error(
        "{}: image {}: expected {expected}, found {found}. {advice}",
        path.display(), quoted(image)
    )]
    Image {
        /// The file.
        path: PathBuf,
        /// The image's name in the list.
        image: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },
}

/// So many missing images are named in a message.
const NAMED: usize = 20;

fn first_of(missing: &[(String, Option<String>)]) -> String {
    let named = missing.iter().take(NAMED).map(|(name, near)| match near {
        None => quoted(name),
        Some(near) => format!("{} (but {} is there)", quoted(name), quoted(near)),
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if missing.len() > NAMED {
        text.push_str(&format!(" and {} more", missing.len() - NAMED));
    }
    text
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ThingsError> {
    read_plain(path).map_err(|source| {
        let advice = match source.kind() {
            io::ErrorKind::NotFound => "Check the path",
            io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => "Give the path of a file",
            _ => "Check the owner and the permissions of the file, and the disk",
        };
        ThingsError::Io {
            path: path.to_owned(),
            expected: "a file that can be read",
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
