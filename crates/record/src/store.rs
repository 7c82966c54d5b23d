use std::path::{Path, PathBuf};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::checkpoint_name::{EXTENSION, of_file, validate};
use crate::commit::{create_folder, sync_parent};
use crate::entry_kind::is;
use crate::{
    EntryKind, FsStorage, Lock, Pin, RecordError, Storage, commit, lock_folder, read_sealed, seal,
};

const POINTERS: [&str; 2] = ["latest", "best"];
const PINS: &str = "pins";
const DAMAGED: &str = "damaged";

/// The checkpoints of one run folder, and what refers to them.
///
/// A checkpoint `name` is the file `RUN/checkpoints/name.mpk`; a pointer
/// (`latest`, `best`) is the file `RUN/latest` that holds such a file's name; a pin is the
/// file `RUN/pins/name@by`. Links and other things that are no plain file or folder are
/// refused by name in all of these places, so that nothing outside of `RUN` is ever read,
/// written or removed.
#[derive(Debug, Clone)]
pub struct CheckpointStore<S = FsStorage> {
    run: PathBuf,
    storage: S,
    /// A folder that was locked and is gone must not be made anew.
    locked: Arc<AtomicBool>,
}

impl<S: Storage> CheckpointStore<S> {
    /// The store of the run folder `run`. Touches nothing: folders are made by
    /// the first [`save`](Self::save).
    pub fn new(run: impl Into<PathBuf>, storage: S) -> Self {
        Self {
            run: run.into(),
            storage,
            locked: Arc::default(),
        }
    }

    /// What it lies on.
    pub fn storage(&self) -> &S {
        &self.storage
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
    /// that name atomically. Returns its path. The run folder is made if it is not there,
    /// unless it was [locked](Self::lock).
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`], [`RecordError::Io`]; a previous checkpoint
    /// of that name is then as [`commit`] says.
    pub fn save(&self, name: &str, payload: Vec<u8>) -> Result<PathBuf, RecordError> {
        let path = self.path(name)?;
        match self.locked.load(Ordering::Relaxed) {
            false => self.create_folder()?,
            true => drop(self.check_folder()?),
        }
        commit(&self.storage, &path, &seal(payload))?;
        Ok(path)
    }

    /// The verified payload of the checkpoint `name`.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`] and those of [`read_sealed`].
    pub fn load(&self, name: &str) -> Result<Vec<u8>, RecordError> {
        let path = self.path(name)?;
        self.check_folder()?;
        match self.is(&path, EntryKind::File)? {
            true => read_sealed(&self.storage, &path),
            false => Err(RecordError::Missing { path }),
        }
    }

    /// The names of the checkpoints, sorted. Other files in the folder, such as
    /// a temporary one left by a crash, are not listed.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`]; a run without a checkpoint gives an empty list.
    pub fn list(&self) -> Result<Vec<String>, RecordError> {
        let files = self.entries(&self.checkpoints())?;
        let names = files.iter().filter_map(|file| of_file(file));
        Ok(names.map(str::to_owned).collect())
    }

    /// Removes the checkpoint `name`.
    ///
    /// # Errors
    ///
    /// [`RecordError::StillReferenced`] if a pointer or a pin names it,
    /// [`RecordError::Missing`], [`RecordError::InvalidName`],
    /// [`RecordError::Io`], and those of a malformed pointer.
    pub fn remove(&self, name: &str) -> Result<(), RecordError> {
        let path = self.path(name)?;
        for pointer in POINTERS {
            if self.read_pointer(pointer)?.as_deref() == Some(name) {
                let by = pointer.to_owned();
                return Err(RecordError::StillReferenced { path, by });
            }
        }
        if let Some(pin) = self.pins()?.iter().find(|pin| pin.checkpoint == name) {
            let by = format!("{PINS}/{}", pin.file());
            return Err(RecordError::StillReferenced { path, by });
        }
        if !self.is(&path, EntryKind::File)? {
            return Err(RecordError::Missing { path });
        }
        self.storage
            .remove(&path)
            .map_err(|error| RecordError::io(&path, "remove it", error))?;
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
        if !self.is(&target, EntryKind::File)? {
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
        if !self.is(&target, EntryKind::File)? {
            return Err(RecordError::DanglingPointer {
                path: self.pointer_path(pointer)?,
                target: format!("{name}{EXTENSION}"),
            });
        }
        Ok(Some(name))
    }

    /// Keeps other processes out of the run folder, which is made if it is not there, until
    /// what is returned is dropped. `holder` is what they are told: "process 12 on host".
    ///
    /// # Errors
    ///
    /// [`RecordError::Locked`], [`RecordError::Irregular`], [`RecordError::Io`].
    pub fn lock(&self, holder: &str) -> Result<Lock, RecordError> {
        self.create_folder()?;
        let lock = lock_folder(&self.storage, &self.run, holder)?;
        self.locked.store(true, Ordering::Relaxed);
        Ok(lock)
    }

    /// Pins the checkpoint `name`, which must have been saved: it is not removed any more.
    /// `by` (letters, digits, `.`, `_`, `-`) tells pins of one checkpoint apart; `note` is
    /// for people.
    ///
    /// # Errors
    ///
    /// [`RecordError::InvalidName`], [`RecordError::Missing`], [`RecordError::Io`].
    pub fn pin(&self, name: &str, by: &str, note: &str) -> Result<(), RecordError> {
        validate(by)?;
        let target = self.path(name)?;
        if !self.is(&target, EntryKind::File)? {
            return Err(RecordError::Missing { path: target });
        }
        let folder = self.run.join(PINS);
        if !self.is(&folder, EntryKind::Folder)? {
            create_folder(&self.storage, &folder)?;
        }
        let pin = Pin {
            checkpoint: name.to_owned(),
            by: by.to_owned(),
            note: note.to_owned(),
        };
        commit(
            &self.storage,
            &folder.join(pin.file()),
            format!("{note}\n").as_bytes(),
        )
    }

    /// The pins, sorted by checkpoint and holder.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`], [`RecordError::Irregular`].
    pub fn pins(&self) -> Result<Vec<Pin>, RecordError> {
        let folder = self.run.join(PINS);
        let mut pins = Vec::new();
        for file in self.entries(&folder)? {
            let Some((name, by)) = file.split_once('@') else {
                continue;
            };
            if validate(name).is_err() || validate(by).is_err() {
                continue;
            }
            let path = folder.join(&file);
            self.is(&path, EntryKind::File)?;
            let note = self
                .storage
                .read(&path)
                .map_err(|error| RecordError::io(&path, "read it", error))?;
            pins.push(Pin {
                checkpoint: name.to_owned(),
                by: by.to_owned(),
                note: String::from_utf8_lossy(&note).trim_end().to_owned(),
            });
        }
        Ok(pins)
    }

    /// Moves a file of the run folder into `RUN/damaged`, under the first free of the names
    /// `FILE`, `FILE.1`, `FILE.2`, ...; returns where it is now.
    ///
    /// # Errors
    ///
    /// [`RecordError::Io`], [`RecordError::Irregular`].
    pub fn set_aside(&self, file: &Path) -> Result<PathBuf, RecordError> {
        let folder = self.run.join(DAMAGED);
        if !self.is(&folder, EntryKind::Folder)? {
            create_folder(&self.storage, &folder)?;
        }
        let name = file.file_name().unwrap_or_default();
        let mut target = folder.join(name);
        for number in 1u32.. {
            let there = self.storage.entry(&target);
            match there.map_err(|error| RecordError::io(&target, "look for it", error))? {
                None => break,
                Some(_) => {
                    let mut numbered = name.to_owned();
                    numbered.push(format!(".{number}"));
                    target = folder.join(numbered);
                }
            }
        }
        self.storage
            .rename(file, &target)
            .map_err(|error| RecordError::io(file, "move it", error))?;
        sync_parent(&self.storage, &target)?;
        sync_parent(&self.storage, file)?;
        Ok(target)
    }

    fn read_pointer(&self, pointer: &str) -> Result<Option<String>, RecordError> {
        let path = self.pointer_path(pointer)?;
        if !self.is(&path, EntryKind::File)? {
            return Ok(None);
        }
        let bytes = match self.storage.read(&path) {
            Ok(bytes) => bytes,
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

    fn is(&self, path: &Path, kind: EntryKind) -> Result<bool, RecordError> {
        is(&self.storage, path, kind)
    }

    /// The names in a folder, which need not exist.
    fn entries(&self, folder: &Path) -> Result<Vec<String>, RecordError> {
        if !self.is(folder, EntryKind::Folder)? {
            return Ok(Vec::new());
        }
        let names = self.storage.list(folder);
        names.map_err(|error| RecordError::io(folder, "list it", error))
    }

    fn checkpoints(&self) -> PathBuf {
        self.run.join("checkpoints")
    }

    fn check_folder(&self) -> Result<bool, RecordError> {
        self.is(&self.checkpoints(), EntryKind::Folder)
    }

    fn create_folder(&self) -> Result<(), RecordError> {
        let folder = self.checkpoints();
        match self.check_folder()? {
            true => Ok(()),
            // The run folder itself may be reached through a link: that is its owner's choice.
            false => create_folder(&self.storage, &folder),
        }
    }
}
