//! A storage in memory that fails on command and can lose its power.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use dacapo_record::Storage;

/// A file: what a reader sees, and what the disk holds.
#[derive(Debug, Clone, Default)]
struct File {
    seen: Vec<u8>,
    durable: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    files: Vec<File>,
    /// Names as a reader sees them, and as the disk holds them.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    folders: Vec<PathBuf>,
    calls: Vec<String>,
    fail_at: Option<usize>,
    dead_after: Option<usize>,
}

/// What a power cut leaves of the names that were not synced.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// The old names.
    LosesNames,
    /// The new names, as journals often write them early.
    KeepsNames,
}

#[derive(Debug, Default)]
pub struct FaultyStorage(RefCell<State>);

impl FaultyStorage {
    /// A storage with one durable file.
    pub fn with(path: &Path, bytes: &[u8]) -> Self {
        let storage = Self::default();
        storage
            .create_dir_all(path.parent().expect("a folder"))
            .expect("works");
        storage.write_new(path, bytes).expect("works");
        storage.sync_file(path).expect("works");
        storage
            .sync_dir(path.parent().expect("a folder"))
            .expect("works");
        storage.0.borrow_mut().calls.clear();
        storage
    }

    /// Makes the `call`-th operation from now (0 is the next) fail once.
    pub fn fail_at(&self, call: usize) {
        let mut state = self.0.borrow_mut();
        state.calls.clear();
        state.fail_at = Some(call);
    }

    /// Makes the `call`-th operation from now and all after it fail.
    pub fn die_at(&self, call: usize) {
        let mut state = self.0.borrow_mut();
        state.calls.clear();
        state.dead_after = Some(call);
    }

    /// The operations since the last `fail_at` or `die_at`.
    pub fn calls(&self) -> Vec<String> {
        self.0.borrow().calls.clone()
    }

    /// Every file that a reader sees.
    pub fn files(&self) -> Vec<PathBuf> {
        self.0.borrow().names.keys().cloned().collect()
    }

    /// The storage after a power cut: contents that were not synced are cut in
    /// half.
    pub fn after_power_cut(&self, cut: Cut) -> Self {
        let mut state = self.0.borrow().clone();
        state.names = match cut {
            Cut::LosesNames => state.durable_names,
            Cut::KeepsNames => state.names,
        };
        state.durable_names = state.names.clone();
        for file in &mut state.files {
            let half = file.seen.len() / 2;
            let left = file.durable.clone();
            file.seen = left.unwrap_or_else(|| file.seen[..half].to_vec());
            file.durable = Some(file.seen.clone());
        }
        state.fail_at = None;
        state.dead_after = None;
        state.calls.clear();
        Self(RefCell::new(state))
    }

    /// Counts the call; fails if its turn has come.
    fn call(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let number = state.calls.len();
        state.calls.push(name.to_owned());
        let dead = state.dead_after.is_some_and(|first| number >= first);
        if state.fail_at == Some(number) || dead {
            return Err(io::Error::other(format!("injected into {name}")));
        }
        Ok(())
    }

    fn index(&self, path: &Path) -> io::Result<usize> {
        let state = self.0.borrow();
        let index = state.names.get(path).copied();
        index.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Storage for FaultyStorage {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.call("read")?;
        let index = self.index(path)?;
        Ok(self.0.borrow().files[index].seen.clone())
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.index(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let outcome = self.call("write_new");
        // A failing write leaves a part behind.
        let length = match outcome {
            Ok(()) => bytes.len(),
            Err(_) => bytes.len() / 2,
        };
        let mut state = self.0.borrow_mut();
        let index = state.files.len();
        state.files.push(File {
            seen: bytes[..length].to_vec(),
            durable: None,
        });
        state.names.insert(path.to_owned(), index);
        outcome
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.call("sync_file")?;
        let index = self.index(path)?;
        let file = &mut self.0.borrow_mut().files[index];
        file.durable = Some(file.seen.clone());
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call("rename")?;
        let index = self.index(from)?;
        let mut state = self.0.borrow_mut();
        state.names.remove(from);
        state.names.insert(to.to_owned(), index);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call("sync_dir")?;
        let mut state = self.0.borrow_mut();
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let seen: Vec<_> = state
            .names
            .clone()
            .into_iter()
            .filter(|(name, _)| inside(name))
            .collect();
        state.durable_names.retain(|name, _| !inside(name));
        state.durable_names.extend(seen);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call("remove")?;
        self.index(path)?;
        self.0.borrow_mut().names.remove(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.call("list")?;
        let state = self.0.borrow();
        let inside = state
            .names
            .keys()
            .filter(|name| name.parent() == Some(path));
        Ok(inside
            .filter_map(|name| Some(name.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.call("exists")?;
        Ok(self.index(path).is_ok() || self.0.borrow().folders.iter().any(|folder| folder == path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call("create_dir_all")?;
        let ancestors = path.ancestors().map(Path::to_owned);
        self.0.borrow_mut().folders.extend(ancestors);
        Ok(())
    }
}
