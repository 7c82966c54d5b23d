use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::entry::{self, Entry, u16_at, u32_at, u64_at};
use crate::PthError;
use crate::place::shortened;

/// Where bytes come from: a file or memory.
pub(crate) trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

const END_LEN: usize = 22;
const LOCATOR_LEN: usize = 20;
const END64_LEN: usize = 56;

/// An archive whose directory was read; its entries are read on demand.
pub(crate) struct Archive {
    path: PathBuf,
    source: Mutex<Box<dyn Source>>,
    len: u64,
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Reads the directory.
    pub(crate) fn open(path: &Path, source: Box<dyn Source>) -> Result<Self, PthError> {
        let mut archive = Self {
            path: path.to_owned(),
            source: Mutex::new(source),
            len: 0,
            entries: BTreeMap::new(),
        };
        archive.len = archive.with_source(|source| source.seek(SeekFrom::End(0)))?;
        archive.read_directory()?;
        Ok(archive)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The length of an entry; nothing if there is no such entry.
    pub(crate) fn entry_len(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.len)
    }

    /// The first bytes of the file, 512 at most.
    pub(crate) fn first_bytes(path: &Path, source: &mut dyn Source) -> Result<Vec<u8>, PthError> {
        let mut bytes = Vec::new();
        let read = source.take(512).read_to_end(&mut bytes);
        read.map_err(|source| PthError::Io {
            path: path.to_owned(),
            operation: "read it",
            source,
        })?;
        Ok(bytes)
    }

    /// An entry's bytes, whose checksum was verified.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>, PthError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(self.damaged(name, "an entry of that name", "none"));
        };
        if entry.method != 0 || entry.len != entry.stored_len {
            let found = format!("compression method {}", entry.method);
            return Err(self.damaged(name, "an uncompressed entry", found));
        }
        let header = self.bytes(entry.header, 30, name)?;
        if &header[..4] != b"PK\x03\x04" {
            let expected = format!("a local header at byte {}", entry.header);
            return Err(self.damaged(name, expected, format!("the bytes {:02x?}", &header[..4])));
        }
        let name_len = u64::from(u16_at(&header, 26).unwrap_or(0));
        let extra_len = u64::from(u16_at(&header, 28).unwrap_or(0));
        let own = self.bytes(entry.header + 30, name_len, name)?;
        if own != name.as_bytes() {
            let found = format!("\"{}\"", own.escape_ascii());
            return Err(self.damaged(name, "its own name in front of its bytes", found));
        }
        let start = entry.header + 30 + name_len + extra_len;
        if start
            .checked_add(entry.len)
            .is_none_or(|end| end > entry.end)
        {
            let expected = format!("{} bytes of its own from byte {start}", entry.len);
            let found = format!("another part of the archive at byte {}", entry.end);
            return Err(self.damaged(name, expected, found));
        }
        let bytes = self.bytes(start, entry.len, name)?;
        let crc = crc32fast::hash(&bytes);
        if crc != entry.crc {
            return Err(self.damaged(
                name,
                format!("bytes of the checksum {:08x}", entry.crc),
                format!("{crc:08x}"),
            ));
        }
        Ok(bytes)
    }

    fn read_directory(&mut self) -> Result<(), PthError> {
        let tail_len = self.len.min((END_LEN + LOCATOR_LEN + 0xffff) as u64);
        let tail_start = self.len - tail_len;
        let tail = self.bytes(tail_start, tail_len, "the end of the archive")?;
        // A comment may follow the record.
        let end = (0..=tail.len().saturating_sub(END_LEN)).rev().find(|&at| {
            tail[at..].starts_with(b"PK\x05\x06")
                && u16_at(&tail, at + 20)
                    .is_some_and(|n| at + END_LEN + usize::from(n) == tail.len())
        });
        let Some(end) = end else {
            return Err(self.damaged(
                "the end of the archive",
                "the record that ends a zip archive",
                format!("none in the last {tail_len} of {} bytes", self.len),
            ));
        };
        let record = &tail[end..];
        let mut count = u64::from(u16_at(record, 10).unwrap_or(0));
        let mut len = u64::from(u32_at(record, 12).unwrap_or(0));
        let mut start = u64::from(u32_at(record, 16).unwrap_or(0));
        let locator = end.checked_sub(LOCATOR_LEN).map(|at| &tail[at..end]);
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let at = u64_at(locator, 8).unwrap_or(u64::MAX);
            let record = self.bytes(at, END64_LEN as u64, "the zip64 end of the archive")?;
            if !record.starts_with(b"PK\x06\x06") {
                let found = format!("the bytes {:02x?}", &record[..4]);
                let place = "the zip64 end of the archive";
                return Err(self.damaged(place, format!("its record at byte {at}"), found));
            }
            count = u64_at(&record, 32).unwrap_or(0);
            len = u64_at(&record, 40).unwrap_or(0);
            start = u64_at(&record, 48).unwrap_or(0);
        }
        let directory = self.bytes(start, len, "the directory")?;
        self.parse_directory(&directory, count)?;
        self.find_ends(start)
    }

    /// Where each entry ends at the latest; an error for entries that overlap. How long the
    /// header of an entry is, only its reading tells exactly.
    fn find_ends(&mut self, directory: u64) -> Result<(), PthError> {
        let mut order: Vec<(u64, &String)> = self
            .entries
            .iter()
            .map(|(name, entry)| (entry.header, name))
            .collect();
        order.sort_unstable();
        let next = order.iter().skip(1).map(|(header, _)| *header);
        let ends: Vec<(String, u64)> = order
            .iter()
            .zip(next.chain([directory]))
            .map(|((_, name), end)| ((*name).clone(), end))
            .collect();
        for (name, end) in ends {
            let Some(entry) = self.entries.get_mut(&name) else {
                continue;
            };
            entry.end = end;
            let parts = [30, name.len() as u64, entry.stored_len];
            let least = parts
                .iter()
                .try_fold(entry.header, |at, part| at.checked_add(*part));
            if least.is_none_or(|least| least > end) {
                let expected = format!("{} bytes of its own", entry.stored_len);
                let found = format!(
                    "a header at byte {} and another part of the archive at byte {end}",
                    entry.header
                );
                return Err(self.damaged(&name, expected, found));
            }
        }
        Ok(())
    }

    fn parse_directory(&mut self, directory: &[u8], count: u64) -> Result<(), PthError> {
        let mut rest = directory;
        let mut found = 0;
        let mut stored = 0_u64;
        while !rest.is_empty() {
            let Some((name, entry, record)) = entry::parse(rest) else {
                let at = directory.len() - rest.len();
                return Err(self.damaged(
                    "the directory",
                    "an entry's record",
                    format!("none at its byte {at}"),
                ));
            };
            let Ok(name) = std::str::from_utf8(name) else {
                let name = name.escape_ascii().to_string();
                let found = format!("\"{}\"", shortened(&name));
                return Err(self.damaged("the directory", "an entry's name in UTF-8", found));
            };
            if let Some(found) = entry::is_foreign_name(name) {
                let found = format!("{found}: {:?}", shortened(name));
                return Err(self.damaged(
                    "the directory",
                    "names of plain files in folders",
                    found,
                ));
            }
            if let Some(found) = entry.is_foreign(name) {
                return Err(self.damaged(name, "a plain file", found));
            }
            // Entries that lie in the same bytes would make a small file as large as they like.
            stored = stored.saturating_add(entry.stored_len);
            if stored > self.len {
                return Err(self.damaged(
                    "the directory",
                    "entries that do not overlap",
                    format!("{stored} bytes up to {name} in a file of {}", self.len),
                ));
            }
            if self.entries.insert(name.to_owned(), entry).is_some() {
                return Err(self.damaged(
                    "the directory",
                    "names that differ",
                    format!("{name} twice"),
                ));
            }
            rest = &rest[record..];
            found += 1;
        }
        if found != count {
            let expected = format!("{count} entries");
            return Err(self.damaged("the directory", expected, found.to_string()));
        }
        Ok(())
    }

    /// `len` bytes at `start`; an error, before memory is taken, if the file ends earlier.
    fn bytes(&self, start: u64, len: u64, place: &str) -> Result<Vec<u8>, PthError> {
        if start.checked_add(len).is_none_or(|end| end > self.len) {
            let expected = format!("{len} bytes at byte {start}");
            return Err(self.damaged(place, expected, format!("a file of {} bytes", self.len)));
        }
        let memory = || std::io::Error::from(std::io::ErrorKind::OutOfMemory);
        self.with_source(|source| {
            let len = usize::try_from(len).map_err(|_| memory())?;
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(len).map_err(|_| memory())?;
            source.seek(SeekFrom::Start(start))?;
            source.take(len as u64).read_to_end(&mut bytes)?;
            if bytes.len() < len {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            Ok(bytes)
        })
    }

    fn with_source<T>(
        &self,
        action: impl FnOnce(&mut dyn Source) -> std::io::Result<T>,
    ) -> Result<T, PthError> {
        // Every use seeks first, so a panic of another one leaves nothing half done.
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        action(&mut **source).map_err(|source| PthError::Io {
            path: self.path.clone(),
            operation: "read it",
            source,
        })
    }

    pub(crate) fn damaged(
        &self,
        place: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> PthError {
        PthError::Archive {
            path: self.path.clone(),
            place: place.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
