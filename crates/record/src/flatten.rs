//! From a MessagePack value to leaves by path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rmpv::ValueRef;
use rmpv::decode::{Error, read_value_ref};

use crate::dtype::Dtype;
use crate::{Leaf, RecordError};

const MAX_DEPTH: usize = 64;
/// In bytes. Without a limit, one long key over many small leaves would take
/// memory quadratic in the file's size.
const MAX_PATH: usize = 1024;
/// All paths together may be so many times as long as the payload, and a bit longer than that:
/// below one long key, leaves of one byte would take a thousand times their size.
const PATHS_PER_BYTE: usize = 64;
const PATHS_OF_ANY_FILE: usize = 1 << 16;

pub(crate) fn flatten(file: &Path, payload: &[u8]) -> Result<BTreeMap<String, Leaf>, RecordError> {
    let malformed = |found: String| RecordError::Malformed {
        path: file.to_owned(),
        found,
    };
    let mut rest = payload;
    let value = read_value_ref(&mut rest).map_err(|error| {
        let at = payload.len() - rest.len();
        malformed(match error {
            // rmpv's own limit lies far above ours, which names the path.
            Error::DepthLimitExceeded => format!("values nested more than {MAX_DEPTH} deep"),
            _ => format!("one that ends early, at byte {at} of {}", payload.len()),
        })
    })?;
    if !rest.is_empty() {
        return Err(malformed(format!("{} bytes after it", rest.len())));
    }
    let mut flattener = Flattener {
        file,
        path: String::new(),
        room: PATHS_OF_ANY_FILE.saturating_add(payload.len().saturating_mul(PATHS_PER_BYTE)),
        leaves: BTreeMap::new(),
    };
    flattener.walk(value, 0)?;
    Ok(flattener.leaves)
}

struct Flattener<'a> {
    file: &'a Path,
    /// Of the value in hand.
    path: String,
    /// How many bytes the paths of more leaves may have in all.
    room: usize,
    leaves: BTreeMap<String, Leaf>,
}

impl Flattener<'_> {
    fn walk(&mut self, value: ValueRef<'_>, depth: usize) -> Result<(), RecordError> {
        if depth > MAX_DEPTH {
            let expected = format!("values nested at most {MAX_DEPTH} deep");
            return Err(self.error(expected, "deeper ones"));
        }
        if self.path.len() > MAX_PATH {
            let found = format!("{} bytes", self.path.len());
            // The path in the message, too, is kept short.
            self.path.truncate(self.path.floor_char_boundary(64));
            self.path.push_str("...");
            return Err(self.error(format!("a path of at most {MAX_PATH} bytes"), found));
        }
        let leaf = match value {
            ValueRef::Nil => Leaf::Nil,
            ValueRef::Boolean(value) => Leaf::Bool(value),
            ValueRef::Integer(value) => Leaf::Int(match (value.as_u64(), value.as_i64()) {
                (Some(value), _) => i128::from(value),
                (None, Some(value)) => i128::from(value),
                (None, None) => return Err(self.error("an integer of 64 bits", "a wider one")),
            }),
            ValueRef::F32(value) => Leaf::F32(value),
            ValueRef::F64(value) => Leaf::F64(value),
            ValueRef::String(text) => match text.as_str() {
                Some(text) => Leaf::Str(text.to_owned()),
                None => return Err(self.error("text in UTF-8", "other bytes")),
            },
            ValueRef::Binary(bytes) => Leaf::Bytes(bytes.to_owned()),
            ValueRef::Ext(kind, _) => {
                let found = format!("an extension value of type {kind}");
                return Err(self.error("a plain MessagePack value", found));
            }
            ValueRef::Array(values) if values.is_empty() => Leaf::EmptySeq,
            ValueRef::Map(entries) if entries.is_empty() => Leaf::EmptyMap,
            ValueRef::Array(values) => return self.walk_sequence(values, depth),
            ValueRef::Map(entries) => return self.walk_map(entries, depth),
        };
        self.insert(leaf)
    }

    fn walk_sequence(
        &mut self,
        values: Vec<ValueRef<'_>>,
        depth: usize,
    ) -> Result<(), RecordError> {
        let length = self.path.len();
        for (index, value) in values.into_iter().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            self.walk(value, depth + 1)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn walk_map(
        &mut self,
        entries: Vec<(ValueRef<'_>, ValueRef<'_>)>,
        depth: usize,
    ) -> Result<(), RecordError> {
        let mut keys = BTreeSet::new();
        for (key, _) in &entries {
            let key = self.key(key)?;
            if !keys.insert(key) {
                return Err(self.error("each key once", format!("the key {key:?} twice")));
            }
        }
        if keys.iter().copied().eq(["bytes", "dtype", "shape"]) {
            let leaf = self.tensor(&entries)?;
            return self.insert(leaf);
        }
        let length = self.path.len();
        for (key, value) in entries {
            let key = self.key(&key)?;
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(key);
            self.walk(value, depth + 1)?;
            self.path.truncate(length);
        }
        Ok(())
    }

    fn key<'v>(&self, key: &ValueRef<'v>) -> Result<&'v str, RecordError> {
        match key {
            ValueRef::String(text) => text
                .into_str()
                .ok_or_else(|| self.error("keys in UTF-8", "a key of other bytes")),
            other => Err(self.error("keys that are text", format!("the key {other}"))),
        }
    }

    fn tensor(&self, entries: &[(ValueRef<'_>, ValueRef<'_>)]) -> Result<Leaf, RecordError> {
        let field = |name: &str| {
            entries
                .iter()
                .find(
                    |(key, _)| matches!(key, ValueRef::String(text) if text.as_str() == Some(name)),
                )
                .map(|(_, value)| value)
                .expect("the caller compared the keys")
        };
        let dtype = match field("dtype") {
            ValueRef::String(text) => text.as_str().map(str::to_owned),
            // An enum variant with a value: `{"Bool": "Native"}`.
            ValueRef::Map(variant) => match variant.as_slice() {
                [(ValueRef::String(name), ValueRef::String(value))] => name
                    .as_str()
                    .zip(value.as_str())
                    .map(|(name, value)| format!("{name}({value})")),
                _ => None,
            },
            _ => None,
        };
        let known = dtype.and_then(|name| Dtype::of(&name).map(|dtype| (name, dtype.size())));
        let Some((dtype, size)) = known else {
            let found = format!("{}", field("dtype"));
            return Err(self.error("a float, int or bool dtype of burn", found));
        };
        let shape = match field("shape") {
            ValueRef::Array(extents) => extents.iter().map(ValueRef::as_u64).collect(),
            _ => None,
        };
        let Some(shape): Option<Vec<u64>> = shape else {
            let found = format!("{}", field("shape"));
            return Err(self.error("a shape of non-negative integers", found));
        };
        let ValueRef::Binary(bytes) = field("bytes") else {
            return Err(self.error("the tensor's elements as bytes", "another kind of value"));
        };
        let needed = shape
            .iter()
            .try_fold(size as u64, |product, &extent| product.checked_mul(extent));
        if needed != Some(bytes.len() as u64) {
            let expected = match needed {
                Some(needed) => format!("{needed} bytes for {dtype} {shape:?}"),
                None => format!("a shape that fits memory, not {shape:?}"),
            };
            return Err(self.error(expected, format!("{} bytes", bytes.len())));
        }
        Ok(Leaf::Tensor {
            dtype,
            shape,
            bytes: (*bytes).to_owned(),
        })
    }

    fn insert(&mut self, leaf: Leaf) -> Result<(), RecordError> {
        // Keys may hold dots and brackets, so two ways can lead to one path.
        if self.leaves.contains_key(&self.path) {
            return Err(self.error("one leaf at this path", "two"));
        }
        let Some(room) = self.room.checked_sub(self.path.len()) else {
            let expected = "paths in proportion to the file's length";
            return Err(self.error(expected, "many leaves below a long key"));
        };
        self.room = room;
        self.leaves.insert(self.path.clone(), leaf);
        Ok(())
    }

    fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> RecordError {
        RecordError::Leaf {
            path: self.file.to_owned(),
            leaf: if self.path.is_empty() {
                "(root)".to_owned()
            } else {
                self.path.clone()
            },
            expected: expected.into(),
            found: found.into(),
        }
    }
}
