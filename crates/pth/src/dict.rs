use indexmap::IndexMap;

use crate::{Key, Value};

/// A Python dict or OrderedDict: its entries in order.
#[derive(Debug, Clone, Default)]
// Boxed, so that a `Value` is not as large as a map.
pub struct Dict(Box<IndexMap<Key, Value>>);

impl Dict {
    /// A dict without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`: at the end if it is new, else where it was.
    pub fn insert(&mut self, key: impl Into<Key>, value: Value) {
        self.0.insert(key.into(), value);
    }

    /// The value of `key`.
    pub fn get(&self, key: impl Into<Key>) -> Option<&Value> {
        self.0.get(&key.into())
    }

    /// The entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Key>> FromIterator<(K, Value)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self(Box::new(
            entries.map(|(key, value)| (key.into(), value)).collect(),
        ))
    }
}
