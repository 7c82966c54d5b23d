use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::PthError;
use crate::archive::Archive;

/// An entry `data/N` of an archive.
pub(crate) struct Storage {
    archive: Arc<Archive>,
    entry: String,
    len: u64,
    /// How many tensors lie in it.
    tensors: AtomicUsize,
    /// Its bytes, once they were read, if more than one tensor lies in it.
    shared: OnceLock<Vec<u8>>,
}

impl Storage {
    pub(crate) fn new(archive: Arc<Archive>, entry: String, len: u64) -> Self {
        Self {
            archive,
            entry,
            len,
            tensors: AtomicUsize::new(0),
            shared: OnceLock::new(),
        }
    }

    /// The name of its entry.
    pub(crate) fn entry(&self) -> &str {
        &self.entry
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn count_tensor(&self) {
        self.tensors.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, PthError> {
        if let Some(bytes) = self.shared.get() {
            return Ok(Cow::Borrowed(bytes));
        }
        let bytes = self.archive.read(&self.entry)?;
        if self.tensors.load(Ordering::Relaxed) < 2 {
            return Ok(Cow::Owned(bytes));
        }
        Ok(Cow::Borrowed(self.shared.get_or_init(|| bytes)))
    }
}
