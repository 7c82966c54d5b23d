use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint_name::{EXTENSION, of_file, validate};
use crate::commit::sync_parent;
use crate::{FsStorage, RecordError, Storage, commit, read_sealed, seal};

const POINTERS: [&str; 2] = ["latest", "best"];

/// The checkpoints of one run folder, and the pointers to them.
///
/// A checkpoint `name` is the file `RUN/checkpoints/name.mpk`; a pointer
/// (`latest`, `best`) is the file `RUN/latest` that holds such a file's name.
#[derive(Debug, Clone)]
pub struct CheckpointStore<S = FsStorage> {
    run: PathBuf,
    storage: S,
}

impl<S: Storage> CheckpointStore<S> {
    /// The store of the run folder `run`. Touches nothing: folders are made by
    /// the first [`save`](Self::save).
    pub fn new(run: impl Into<PathBuf>, storage: S) -> Self {
        Self {
            run: run.into(),
            storage,
        }
    }

    /// The run folder.
    pub fn run_dir(&self) -> &Path {
        &self.run
    }

    /// Where the checkpoint `name` lies, whether or not it exists.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`].
    pub fn path(&self, name: &str) -> Result<PathBuf, RecordError> {
        validate(name)?;
        Ok(self.checkpoints().join(format!("{name}{EXTENSION}")))
    }

    /// Seals and commits `payload` as the checkpoint `name`, replacing one of
    /// that name atomically. Returns its path.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`], [`RecordError::Io`]; a previous checkpoint
    /// of that name is then as [`commit`] says.
    pub fn save(&self, name: &str, payload: Vec<u8>) -> Result<PathBuf, RecordError> {
        let path = self.path(name)?;
        self.create_folder()?;
        commit(&self.storage, &path, &seal(payload))?;
        Ok(path)
    }

    /// The verified payload of the checkpoint `name`.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`] and those of [`read_sealed`].
    pub fn load(&self, name: &str) -> Result<Vec<u8>, RecordError> {
        read_sealed(&self.storage, &self.path(name)?)
    }

    /// The names of the checkpoints, sorted. Other files in the folder, such as
    /// a temporary one left by a crash, are not listed.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`]; a run without a checkpoint gives an empty list.
    pub fn list(&self) -> Result<Vec<String>, RecordError> {
        let folder = self.checkpoints();
        match self.storage.list(&folder) {
            Ok(files) => Ok(files
                .iter()
                .filter_map(|file| of_file(file))
                .map(str::to_owned)
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(RecordError::io(&folder, "list it", error)),
        }
    }

    /// Removes the checkpoint `name`.
    ///
    /// # Errors
    ///
    /// [`RecordError::StillReferenced`] if a pointer names it,
    /// [`RecordError::Missing`], [`RecordError::InvalidName`],
    /// [`RecordError::Io`], and those of a malformed pointer.
    pub fn remove(&self, name: &str) -> Result<(), RecordError> {
        let path = self.path(name)?;
        for pointer in POINTERS {
            if self.read_pointer(pointer)?.as_deref() == Some(name) {
                return Err(RecordError::StillReferenced { path, pointer });
            }
        }
        self.storage
            .remove(&path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => RecordError::Missing { path: path.clone() },
                _ => RecordError::io(&path, "remove it", error),
            })?;
        sync_parent(&self.storage, &path)
    }

    /// Points `pointer` (`"latest"` or `"best"`) at the checkpoint `name`, which
    /// must have been saved.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownPointer`], [`RecordError::InvalidName`],
    /// [`RecordError::Missing`] if there is no such checkpoint, and
    /// [`RecordError::Io`]; the pointer is then as [`commit`] says.
    pub fn set_pointer(&self, pointer: &str, name: &str) -> Result<(), RecordError> {
        let file = self.pointer_path(pointer)?;
        let target = self.path(name)?;
        if !self.target_exists(&target)? {
            return Err(RecordError::Missing { path: target });
        }
        commit(
            &self.storage,
            &file,
            format!("{name}{EXTENSION}\n").as_bytes(),
        )
    }

    /// The name of the checkpoint that `pointer` (`"latest"` or `"best"`) names;
    /// nothing if the pointer was never set.
    ///
    /// # Errors
    ///
    /// [`RecordError::UnknownPointer`], [`RecordError::MalformedPointer`],
    /// [`RecordError::DanglingPointer`], [`RecordError::Io`].
    pub fn pointer(&self, pointer: &str) -> Result<Option<String>, RecordError> {
        let Some(name) = self.read_pointer(pointer)? else {
            return Ok(None);
        };
        let target = self.path(&name)?;
        if !self.target_exists(&target)? {
            return Err(RecordError::DanglingPointer {
                path: self.pointer_path(pointer)?,
                target: format!("{name}{EXTENSION}"),
            });
        }
        Ok(Some(name))
    }

    fn read_pointer(&self, pointer: &str) -> Result<Option<String>, RecordError> {
        let path = self.pointer_path(pointer)?;
        let bytes = match self.storage.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RecordError::io(&path, "read it", error)),
        };
        // One final newline, with or without the carriage return of an editor.
        let name = std::str::from_utf8(&bytes)
            .ok()
            .map(|text| text.strip_suffix('\n').unwrap_or(text))
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
            .and_then(of_file);
        match name {
            Some(name) => Ok(Some(name.to_owned())),
            None => {
                let start = String::from_utf8_lossy(&bytes[..bytes.len().min(64)]);
                Err(RecordError::MalformedPointer {
                    path,
                    found: format!("{} bytes: {start:?}", bytes.len()),
                })
            }
        }
    }

    fn pointer_path(&self, pointer: &str) -> Result<PathBuf, RecordError> {
        if POINTERS.contains(&pointer) {
            Ok(self.run.join(pointer))
        } else {
            Err(RecordError::UnknownPointer {
                name: pointer.to_owned(),
            })
        }
    }

    fn target_exists(&self, target: &Path) -> Result<bool, RecordError> {
        self.storage
            .exists(target)
            .map_err(|error| RecordError::io(target, "look for it", error))
    }

    fn checkpoints(&self) -> PathBuf {
        self.run.join("checkpoints")
    }

    fn create_folder(&self) -> Result<(), RecordError> {
        let folder = self.checkpoints();
        if self.target_exists(&folder)? {
            return Ok(());
        }
        let new_run = !self.target_exists(&self.run)?;
        self.storage
            .create_dir_all(&folder)
            .map_err(|error| RecordError::io(&folder, "create it", error))?;
        sync_parent(&self.storage, &folder)?;
        if new_run {
            sync_parent(&self.storage, &self.run)?;
        }
        Ok(())
    }
}
