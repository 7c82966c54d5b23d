use std::path::Path;

use crate::PthError;
use crate::place::shortened;

/// For what this crate does not read although Python would.
pub(super) const RESAVE: &str =
    "Load the file in Python and save plain values and tensors with torch.save's defaults";
/// For what Python would not have written.
pub(super) const DAMAGED: &str =
    "The file is damaged or was not written by torch.save: copy it again, or save it again";

/// A place in a pickle.
pub(super) struct Cursor<'a> {
    path: &'a Path,
    entry: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Where the opcode at hand begins.
    opcode: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(path: &'a Path, entry: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            path,
            entry,
            bytes,
            at: 0,
            opcode: 0,
        }
    }

    /// The next opcode.
    pub(super) fn opcode(&mut self) -> Result<u8, PthError> {
        self.opcode = self.at;
        Ok(self.take(1)?[0])
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], PthError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..len) else {
            let expected = format!("{len} more bytes");
            return Err(self.error(expected, format!("{} until the end", rest.len()), DAMAGED));
        };
        self.at += len;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PthError> {
        let taken = self.take(N)?;
        Ok(*taken.first_chunk().expect("as many were taken"))
    }

    /// A length of four bytes.
    pub(super) fn len(&mut self) -> Result<usize, PthError> {
        let len = u32::from_le_bytes(self.array()?);
        // Longer than any file on a machine that cannot count so far.
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    pub(super) fn text(&mut self, len: usize) -> Result<&'a str, PthError> {
        let taken = self.take(len)?;
        std::str::from_utf8(taken)
            .map_err(|error| self.error("a string in UTF-8", error.to_string(), DAMAGED))
    }

    /// Text up to a line feed, which is skipped.
    pub(super) fn line(&mut self) -> Result<&'a str, PthError> {
        let rest = &self.bytes[self.at..];
        let Some(len) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err(self.error("a line's end", "none until the end", DAMAGED));
        };
        let line = self.text(len)?;
        self.at += 1;
        Ok(line)
    }

    pub(super) fn error(
        &self,
        expected: impl Into<String>,
        found: impl Into<String>,
        advice: &'static str,
    ) -> PthError {
        PthError::Pickle {
            path: self.path.to_owned(),
            entry: self.entry.to_owned(),
            offset: self.opcode,
            expected: expected.into(),
            found: found.into(),
            advice,
        }
    }

    pub(super) fn refuse(&self, global: &str) -> PthError {
        PthError::Global {
            path: self.path.to_owned(),
            entry: self.entry.to_owned(),
            offset: self.opcode,
            // It may be anything: a terminal must not obey it.
            global: shortened(global).escape_debug().to_string(),
        }
    }
}
