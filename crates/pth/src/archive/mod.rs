//! The zip container, as far as torch uses it: entries that are stored as they are.

mod entry;
mod reader;
mod writer;

pub(crate) use reader::{Archive, Source};
pub(crate) use writer::ArchiveWriter;
