use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{PrefixError, row_format::RowFormat};

/// Bytes of the BLAKE3 that follows each row.
const HASH: usize = blake3::OUT_LEN;

/// The rows of a set of samples in a file: a header of some lines of text, then each row and the
/// BLAKE3 of its number and itself. The header says everything that the rows depend on.
#[derive(Debug)]
pub(crate) struct RowFile {
    path: PathBuf,
    file: File,
    header: usize,
    row_bytes: usize,
}

/// What the header says.
pub(crate) fn header(key: &str, len: usize, micro_batch: usize, format: &RowFormat) -> String {
    format!(
        "dacapo prefix 1\nkey {key}\nsamples {len} in micro-batches of {micro_batch}\nparts {}\n\n",
        format.text()
    )
}

fn hash(row: usize, bytes: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(row as u64).to_le_bytes());
    hasher.update(bytes);
    *hasher.finalize().as_bytes()
}

impl RowFile {
    /// The file at `path`, if there is one, after its header and its length were found to be
    /// those of `len` rows under `header`.
    pub(crate) fn open(
        path: &Path,
        header: &str,
        len: usize,
        row_bytes: usize,
    ) -> Result<Option<Self>, PrefixError> {
        let failed = |source| PrefixError::io(path, "read", source);
        // A pipe or a folder would not answer like a file.
        match fs::symlink_metadata(path) {
            Ok(kind) if !kind.is_file() => {
                return Err(PrefixError::other(path, "a file", "something else"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut found = vec![0; header.len()];
        let begun = file.read_exact(&mut found);
        if begun.is_err() || found != header.as_bytes() {
            let text = String::from_utf8_lossy(&found).into_owned();
            let differs = header.lines().zip(text.lines()).find(|(a, b)| a != b);
            let (expected, found) = differs.unwrap_or(("its header", "less"));
            return Err(PrefixError::other(path, expected, found));
        }
        let expected = (header.len() + len * (row_bytes + HASH)) as u64;
        let bytes = file.metadata().map_err(failed)?.len();
        if bytes != expected {
            return Err(PrefixError::other(
                path,
                &format!("{expected} bytes"),
                &format!("{bytes}"),
            ));
        }
        Ok(Some(Self {
            path: path.to_owned(),
            file,
            header: header.len(),
            row_bytes,
        }))
    }

    /// Refuses a file whose first rows are not these.
    pub(crate) fn check(&mut self, computed: &[Vec<u8>]) -> Result<(), PrefixError> {
        for (row, computed) in computed.iter().enumerate() {
            if self.row(row)? != *computed {
                let expected = format!("row {row} as this program computes it");
                return Err(PrefixError::other(&self.path, &expected, "another"));
            }
        }
        Ok(())
    }

    /// The bytes of these rows.
    pub(crate) fn rows(&mut self, rows: &[usize]) -> Result<Vec<Vec<u8>>, PrefixError> {
        rows.iter().map(|row| self.row(*row)).collect()
    }

    /// The bytes of a row, which are what was written.
    fn row(&mut self, row: usize) -> Result<Vec<u8>, PrefixError> {
        let begin = self.header + row * (self.row_bytes + HASH);
        let mut bytes = vec![0; self.row_bytes + HASH];
        self.file
            .seek(SeekFrom::Start(begin as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| PrefixError::io(&self.path, "read", source))?;
        let found = bytes.split_off(self.row_bytes);
        if hash(row, &bytes) != *found {
            let expected = format!("row {row} as it was written");
            return Err(PrefixError::other(&self.path, &expected, "other bytes"));
        }
        Ok(bytes)
    }
}

/// A file that is not whole yet, under another name; removed if it never is.
#[derive(Debug)]
pub(crate) struct NewRowFile {
    path: PathBuf,
    unfinished: PathBuf,
    to: BufWriter<File>,
    rows: usize,
}

impl NewRowFile {
    pub(crate) fn begin(path: &Path, header: &str) -> Result<Self, PrefixError> {
        // Two processes may compute the same rows, and so may two runs in one.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, own) = (process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let unfinished = path.with_extension(format!("unfinished-{process}-{own}"));
        let failed = |source| PrefixError::io(&unfinished, "write", source);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .map_err(|source| PrefixError::io(folder, "create", source))?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&unfinished)
            .map_err(failed)?;
        let mut to = BufWriter::with_capacity(1 << 20, file);
        to.write_all(header.as_bytes()).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            unfinished,
            to,
            rows: 0,
        })
    }

    pub(crate) fn push(&mut self, row: &[u8]) -> Result<(), PrefixError> {
        let written = self
            .to
            .write_all(row)
            .and_then(|()| self.to.write_all(&hash(self.rows, row)));
        written.map_err(|source| PrefixError::io(&self.unfinished, "write", source))?;
        self.rows += 1;
        Ok(())
    }

    /// Gives the file its name, once it is on the disk.
    pub(crate) fn finish(mut self) -> Result<(), PrefixError> {
        let finished = self
            .to
            .flush()
            .and_then(|()| self.to.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.unfinished, &self.path));
        finished.map_err(|source| PrefixError::io(&self.path, "write", source))
    }
}

impl Drop for NewRowFile {
    fn drop(&mut self) {
        // Gone already if it was finished.
        let _ = fs::remove_file(&self.unfinished);
    }
}
