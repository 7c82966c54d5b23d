//! What a reader sees, and what is on the disk.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::content::Content;

/// A file's content as it is seen, and as it was last synced.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) seen: Vec<u8>,
    durable: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    File(usize),
    Folder,
}

/// A change of names that may or may not be on the disk.
#[derive(Debug, Clone)]
enum Change {
    Put(PathBuf, Entry),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Entry),
}

impl Change {
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            // A rename between folders: either's sync takes it to the disk.
            Self::Rename(from, to, _) => [from, to].iter().any(|at| at.parent() == Some(folder)),
            Self::Put(at, _) | Self::Remove(at) => at.parent() == Some(folder),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        match self {
            Self::Put(at, entry) => {
                names.insert(at.clone(), *entry);
            }
            Self::Remove(at) => {
                names.remove(at);
            }
            Self::Rename(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    files: Vec<File>,
    names: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// Since the last sync of their folders, in order.
    pending: Vec<Change>,
}

impl State {
    pub(crate) fn entry(&self, path: &Path) -> Option<Entry> {
        // What lies above all folders is there.
        match path.as_os_str().is_empty() || path.parent().is_none() {
            true => Some(Entry::Folder),
            false => self.names.get(path).copied(),
        }
    }

    pub(crate) fn file(&self, path: &Path) -> io::Result<&File> {
        match self.entry(path) {
            Some(Entry::File(index)) => Ok(&self.files[index]),
            Some(Entry::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (&PathBuf, &Entry)> {
        self.names.iter()
    }

    pub(crate) fn write_new(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if self.entry(parent) != Some(Entry::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.entry(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let entry = Entry::File(self.files.len());
        self.files.push(File {
            seen: bytes.to_vec(),
            durable: None,
        });
        self.change(Change::Put(path.to_owned(), entry));
        Ok(())
    }

    pub(crate) fn sync_file(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        if let Some(Entry::File(index)) = self.entry(path) {
            let file = &mut self.files[index];
            file.durable = Some(file.seen.clone());
        }
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let Some(entry) = self.entry(from) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.change(Change::Rename(from.to_owned(), to.to_owned(), entry));
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file(path)?;
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    pub(crate) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut new = Vec::new();
        for folder in path.ancestors() {
            match self.entry(folder) {
                Some(Entry::Folder) => break,
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => new.push(folder.to_owned()),
            }
        }
        for folder in new.into_iter().rev() {
            self.change(Change::Put(folder, Entry::Folder));
        }
        Ok(())
    }

    pub(crate) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.entry(path) != Some(Entry::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let (synced, pending): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.is_in(path));
        for change in synced {
            change.apply(&mut self.durable);
        }
        self.pending = pending;
        Ok(())
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    /// Every state that a power cut may leave.
    pub(crate) fn after_power_cuts(&self) -> Vec<Self> {
        let count = self.pending.len();
        assert!(
            count < 12,
            "{count} changes wait for a sync: too many to try"
        );
        let mut states = Vec::new();
        for chosen in 0..1u32 << count {
            for content in Content::ALL {
                states.push(self.cut(chosen, content));
            }
        }
        states
    }

    fn cut(&self, chosen: u32, content: Content) -> Self {
        let mut names = self.durable.clone();
        for (at, change) in self.pending.iter().enumerate() {
            if chosen >> at & 1 == 1 {
                change.apply(&mut names);
            }
        }
        // What lay in a folder that is lost is lost.
        let whole = names.clone();
        names.retain(|path, _| {
            path.ancestors()
                .skip(1)
                .filter(|above| !above.as_os_str().is_empty() && above.parent().is_some())
                .all(|above| whole.get(above) == Some(&Entry::Folder))
        });
        let files = self.files.iter().map(|file| {
            let left = match (&file.durable, content) {
                (Some(durable), _) => durable.clone(),
                (None, Content::Nothing) => Vec::new(),
                (None, Content::Half) => file.seen[..file.seen.len() / 2].to_vec(),
                (None, Content::All) => file.seen.clone(),
            };
            File {
                seen: left.clone(),
                durable: Some(left),
            }
        });
        Self {
            files: files.collect(),
            durable: names.clone(),
            names,
            pending: Vec::new(),
        }
    }
}
