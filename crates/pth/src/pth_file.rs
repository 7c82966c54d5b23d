use std::fs::File;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::{Archive, Source};
use crate::pickle::Machine;
use crate::place::shortened;
use crate::{Node, PthError, Value};

/// A torch file whose values were read and whose tensors are read on demand.
#[derive(Debug)]
pub struct PthFile {
    path: PathBuf,
    value: Value,
    script: bool,
}

impl PthFile {
    /// Opens the file at `path`: reads its directory and its values, not its tensors.
    /// The file stays open as long as a tensor of it lives.
    ///
    /// # Errors
    ///
    /// [`PthError::Io`], [`PthError::Foreign`], [`PthError::Archive`],
    /// [`PthError::Pickle`], [`PthError::Global`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PthError> {
        let path = path.as_ref();
        let io = |source| PthError::Io {
            path: path.to_owned(),
            operation: "open it",
            source,
        };
        // Before it is opened: opening a pipe would wait for its other end.
        let kind = std::fs::metadata(path).map_err(io)?;
        if !kind.is_file() {
            let found = match kind.is_dir() {
                true => "a folder",
                false => "a pipe, a device or the like",
            };
            return Err(PthError::Foreign {
                path: path.to_owned(),
                found: found.to_owned(),
                advice: "Give the path of a file",
            });
        }
        let file = File::open(path).map_err(io)?;
        Self::parse(path, Box::new(BufReader::new(file)))
    }

    /// The same of a file's bytes. `path` is for the messages.
    ///
    /// # Errors
    ///
    /// Those of [`PthFile::open`].
    pub fn from_bytes(path: impl AsRef<Path>, bytes: Vec<u8>) -> Result<Self, PthError> {
        Self::parse(path.as_ref(), Box::new(Cursor::new(bytes)))
    }

    /// The file's value.
    pub fn root(&self) -> Node<'_> {
        Node::root(&self.path, &self.value)
    }

    /// The file's value.
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Whether this is a TorchScript archive (of `torch.jit.save`): its value is the
    /// tree of its modules' attributes, [`Node::tensors`] is its state dict.
    pub fn is_torch_script(&self) -> bool {
        self.script
    }

    fn parse(path: &Path, mut source: Box<dyn Source>) -> Result<Self, PthError> {
        let start = Archive::first_bytes(path, &mut *source)?;
        if !start.starts_with(b"PK\x03\x04") {
            return Err(foreign(path, &start));
        }
        let archive = Arc::new(Archive::open(path, source)?);
        let folder = folder(&archive)?;
        if let Some(order) = entry(&archive, &folder, "byteorder")?
            && order != b"little"
        {
            let order = order.escape_ascii().to_string();
            let found = format!("\"{}\"", shortened(&order));
            return Err(PthError::Foreign {
                path: path.to_owned(),
                found: format!("a file of byte order {found}"),
                advice: "Save it again on a little-endian machine",
            });
        }
        let name = format!("{folder}/data.pkl");
        let pickle = archive.read(&name)?;
        let script = archive
            .entry_len(&format!("{folder}/constants.pkl"))
            .is_some();
        let machine = Machine::new(&archive, &folder, &name, &pickle, script);
        Ok(Self {
            path: path.to_owned(),
            value: machine.run()?,
            script,
        })
    }
}

/// The one folder of the archive that holds the pickle.
fn folder(archive: &Archive) -> Result<String, PthError> {
    let mut folders = archive
        .names()
        .filter_map(|name| name.strip_suffix("/data.pkl"))
        .filter(|folder| !folder.contains('/'));
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder.to_owned()),
        (Some(_), Some(_)) => Err(archive.damaged("the directory", "one entry data.pkl", "two")),
        (None, _) => Err(PthError::Foreign {
            path: archive.path().to_owned(),
            found: "a zip archive without data.pkl".to_owned(),
            advice: "Check the path; if an old torch.jit.save wrote it, load it with \
                     torch.jit.load and save its state_dict() with torch.save",
        }),
    }
}

fn entry(archive: &Archive, folder: &str, name: &str) -> Result<Option<Vec<u8>>, PthError> {
    let name = format!("{folder}/{name}");
    let exists = archive.entry_len(&name).is_some();
    exists.then(|| archive.read(&name)).transpose()
}

/// Says what the file is instead.
fn foreign(path: &Path, start: &[u8]) -> PthError {
    const RESAVE: &str = "Load it in Python and save it again with a torch of 1.6 or newer: \
                          torch.save(torch.load(path, map_location='cpu', weights_only=True), path)";
    const CHECK: &str = "Check the path";
    // The pickle of a number that torch before 1.6 wrote first.
    const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
    let (found, advice) = if start.is_empty() {
        ("an empty file", CHECK)
    } else if start.starts_with(OLD) {
        ("a file of torch before 1.6", RESAVE)
    } else if start.get(257..262) == Some(b"ustar") {
        ("a tar archive, as torch before 0.1.10 wrote", RESAVE)
    } else if start.starts_with(b"\x80") {
        ("a pickle without torch's archive", RESAVE)
    } else if start.get(8) == Some(&b'{') {
        (
            "a file of safetensors",
            "Read it with the safetensors crate",
        )
    } else {
        ("another kind of file", CHECK)
    };
    let first = &start[..start.len().min(8)];
    PthError::Foreign {
        path: path.to_owned(),
        found: format!("{found} (first bytes {first:02x?})"),
        advice,
    }
}
