use std::collections::BTreeMap;
use std::path::Path;

use crate::diff::compare;
use crate::flatten::flatten;
use crate::hash::hash;
use crate::{Leaf, RecordError, TreeDiff};

/// Every leaf of a payload by its path, whatever the record's type is.
///
/// A path joins map keys with `.` and writes positions in sequences as `[3]`:
/// `item.history[3].loss`. Keys may hold dots themselves. A map with exactly the
/// keys `bytes`, `shape` and `dtype` is one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    leaves: BTreeMap<String, Leaf>,
}

impl Tree {
    /// Reads a payload, as [`open`](crate::open) gives it. `path` is for the
    /// messages.
    ///
    /// # Errors
    ///
    /// [`RecordError::Malformed`] if the payload is not exactly one MessagePack
    /// value; [`RecordError::Leaf`], by path, for duplicate keys, keys that are
    /// not text, text that is not UTF-8, tensors whose bytes do not fit their
    /// shape and dtype, unknown dtypes, extension values, more than 64 levels,
    /// paths over 1,024 bytes and paths that are 64 times as long as the
    /// payload in all.
    pub fn parse(path: &Path, payload: &[u8]) -> Result<Self, RecordError> {
        let leaves = flatten(path, payload)?;
        Ok(Self { leaves })
    }

    /// The leaves by path, sorted.
    pub fn leaves(&self) -> &BTreeMap<String, Leaf> {
        &self.leaves
    }

    /// The leaf at `path`.
    pub fn get(&self, path: &str) -> Option<&Leaf> {
        self.leaves.get(path)
    }

    /// The leaves at `prefix` or below it, sorted by path.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Leaf)> {
        self.leaves
            .range(prefix.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(prefix))
            .filter(move |(path, _)| is_below(path, prefix))
            .map(|(path, leaf)| (path.as_str(), leaf))
    }

    /// The leaves below `prefix`, with their paths from there on.
    pub fn subtree(&self, prefix: &str) -> Self {
        let start = prefix.len() + ".".len();
        let leaves = self
            .below(prefix)
            .filter_map(|(path, leaf)| Some((path.get(start..)?.to_owned(), leaf.clone())))
            .collect();
        Self { leaves }
    }

    /// Compares the bits of every leaf, except those whose path equals or lies
    /// below one of `ignore`.
    pub fn diff(&self, other: &Self, ignore: &[&str]) -> TreeDiff {
        compare(&self.leaves, &other.leaves, ignore)
    }

    /// The BLAKE3, in hex, of every leaf except those whose path equals or lies
    /// below one of `ignore`. Two trees have one hash if and only if
    /// [`diff`](Self::diff) finds no difference.
    ///
    /// Hashed, with `derive_key` and the context `dacapo-record v1 state hash`,
    /// leaf by leaf in order of the paths' bytes: the path, then one byte for the
    /// kind and its content: 0 nil; 1 bool, one byte; 2 int, i128; 3 f32; 4 f64;
    /// 5 text; 6 bytes; 7 empty map; 8 empty sequence; 9 tensor: dtype, u64
    /// number of dimensions, u64 each, elements. Numbers are little-endian; a
    /// text or run of bytes follows its length as a u64.
    pub fn state_hash(&self, ignore: &[&str]) -> String {
        hash(
            self.leaves
                .iter()
                .filter(|(path, _)| !is_ignored(path, ignore)),
        )
    }
}

/// Whether `path` equals or lies below one of `ignore`.
pub(crate) fn is_ignored(path: &str, ignore: &[&str]) -> bool {
    ignore.iter().any(|prefix| is_below(path, prefix))
}

fn is_below(path: &str, prefix: &str) -> bool {
    match path.strip_prefix(prefix) {
        None => false,
        Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']),
    }
}
