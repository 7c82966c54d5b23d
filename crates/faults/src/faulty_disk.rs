use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dacapo_record::{EntryKind, Lock, Storage};

use crate::{
    Fault,
    state::{Entry, State},
};

#[derive(Debug, Clone, Default)]
struct Inner {
    state: State,
    calls: Vec<String>,
    faults: Vec<(usize, Fault)>,
    delay: Duration,
}

/// A [`Storage`] in memory, one operation of which goes wrong.
#[derive(Debug, Default)]
pub struct FaultyDisk(Mutex<Inner>);

impl FaultyDisk {
    /// Makes the operation of this number, from now on and from 0, go wrong.
    pub fn inject(&self, at: usize, fault: Fault) {
        let mut inner = self.inner();
        inner.calls.clear();
        inner.faults = vec![(at, fault)];
    }

    /// Makes one more operation go wrong, of a later number by the same count.
    pub fn inject_second(&self, at: usize, fault: Fault) {
        self.inner().faults.push((at, fault));
    }

    /// Makes every write take at least this long.
    pub fn slow_down(&self, delay: Duration) {
        self.inner().delay = delay;
    }

    /// Lets everything work again, and counts from 0.
    pub fn mend(&self) {
        let mut inner = self.inner();
        inner.calls.clear();
        inner.faults.clear();
    }

    /// The operations since the last [`inject`](Self::inject) or [`mend`](Self::mend), as in
    /// `rename run/.latest.tmp`.
    pub fn calls(&self) -> Vec<String> {
        self.inner().calls.clone()
    }

    /// Every file that is seen.
    pub fn files(&self) -> Vec<PathBuf> {
        let inner = self.inner();
        let files = inner.state.names();
        let files = files.filter(|(_, entry)| matches!(entry, Entry::File(_)));
        files.map(|(path, _)| path.clone()).collect()
    }

    /// The disk as a killed process leaves it: everything that was done is there.
    pub fn after_kill(&self) -> Self {
        Self::of(self.inner().state.clone())
    }

    /// Every disk that a power cut may leave.
    pub fn after_power_cuts(&self) -> Vec<Self> {
        let states = self.inner().state.after_power_cuts();
        states.into_iter().map(Self::of).collect()
    }

    fn of(state: State) -> Self {
        Self(Mutex::new(Inner {
            state,
            ..Inner::default()
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the operation; gives what is wrong with it.
    fn call(&self, name: &str, path: &Path) -> (MutexGuard<'_, Inner>, Option<Fault>) {
        let mut inner = self.inner();
        let number = inner.calls.len();
        inner.calls.push(format!("{name} {}", path.display()));
        let fault = inner.faults.iter().find(|(at, fault)| match fault {
            Fault::Die | Fault::Full => number >= *at,
            _ => number == *at,
        });
        let fault = fault.map(|(_, fault)| *fault);
        (inner, fault)
    }

    /// An operation that only looks.
    fn look<R>(
        &self,
        name: &str,
        path: &Path,
        look: impl FnOnce(&State) -> io::Result<R>,
    ) -> io::Result<R> {
        let (inner, fault) = self.call(name, path);
        match fault {
            Some(fault @ (Fault::Fail | Fault::Tear | Fault::Die)) => Err(injected(fault, name)),
            _ => look(&inner.state),
        }
    }

    /// An operation that changes something else than a file's content.
    fn change(
        &self,
        name: &str,
        path: &Path,
        change: impl FnOnce(&mut State) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut inner, fault) = self.call(name, path);
        match fault {
            None | Some(Fault::TearSilently) => change(&mut inner.state),
            Some(Fault::Drop) => Ok(()),
            Some(Fault::Full) if name != "create_dir_all" => change(&mut inner.state),
            Some(fault @ Fault::Tear) => {
                change(&mut inner.state)?;
                Err(injected(fault, name))
            }
            Some(fault) => Err(injected(fault, name)),
        }
    }
}

fn injected(fault: Fault, name: &str) -> io::Error {
    let kind = match fault {
        Fault::Full => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("injected into {name}"))
}

impl Storage for FaultyDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.look("read", path, |state| Ok(state.file(path)?.seen.clone()))
    }

    fn holds(&self, path: &Path, bytes: &[u8]) -> io::Result<bool> {
        self.look("holds", path, |state| Ok(state.file(path)?.seen == bytes))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let delay = self.inner().delay;
        std::thread::sleep(delay);
        let (mut inner, fault) = self.call("write_new", path);
        let half = &bytes[..bytes.len() / 2];
        match fault {
            None => inner.state.write_new(path, bytes),
            Some(Fault::Drop) => inner.state.write_new(path, b""),
            Some(Fault::TearSilently) => inner.state.write_new(path, half),
            Some(fault @ (Fault::Tear | Fault::Full)) => {
                inner.state.write_new(path, half)?;
                Err(injected(fault, "write_new"))
            }
            Some(fault @ (Fault::Fail | Fault::Die)) => Err(injected(fault, "write_new")),
        }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.change("sync_file", path, |state| state.sync_file(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change("rename", from, |state| state.rename(from, to))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change("sync_dir", path, |state| state.sync_dir(path))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.change("remove", path, |state| state.remove(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.look("list", path, |state| match state.entry(path) {
            Some(Entry::Folder) => Ok(state
                .names()
                .filter(|(name, _)| name.parent() == Some(path))
                .filter_map(|(name, _)| Some(name.file_name()?.to_str()?.to_owned()))
                .collect()),
            Some(Entry::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn entry(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        self.look("entry", path, |state| {
            Ok(state.entry(path).map(|entry| match entry {
                Entry::File(_) => EntryKind::File,
                Entry::Folder => EntryKind::Folder,
            }))
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.change("create_dir_all", path, |state| state.create_dir_all(path))
    }

    fn lock(&self, path: &Path, _: &str) -> io::Result<Lock> {
        self.look("lock", path, |_| Ok(Lock::of_private_storage()))
    }
}
