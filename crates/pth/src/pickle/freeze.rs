//! From what lies on the heap to a value.

use super::MAX_DEPTH;
use super::cursor::{DAMAGED, RESAVE};
use super::item::{Cell, Item};
use super::machine::Machine;
use crate::place::shortened;
use crate::{Dict, Key, PthError, Value};

impl Machine<'_> {
    /// The end of a machine: takes the heap away.
    pub(super) fn freeze(&mut self, item: &Item) -> Result<Value, PthError> {
        let heap = std::mem::take(&mut self.heap);
        self.value(&heap, item, 0)
    }

    /// A list inside itself ends at the limit of depth.
    fn value(&mut self, heap: &[Cell], item: &Item, depth: usize) -> Result<Value, PthError> {
        if depth > MAX_DEPTH {
            let expected = format!("values that are nested at most {MAX_DEPTH} deep");
            return Err(self.cursor.error(expected, "deeper ones", RESAVE));
        }
        self.spend(1)?;
        let place = match item {
            Item::Value(value) => return Ok(value.clone()),
            Item::Global(_, name) => return Err(self.cursor.refuse(name)),
            Item::Storage(_) => {
                let found = "a bare storage";
                return Err(self.cursor.error("tensors and plain values", found, RESAVE));
            }
            Item::Heap(place) => *place,
        };
        match &heap[place] {
            Cell::List(items) => Ok(Value::List(self.values(heap, items, depth)?)),
            Cell::Tuple(items) => Ok(Value::Tuple(self.values(heap, items, depth)?)),
            Cell::Dict(_, entries) => {
                let mut dict = Dict::new();
                for (key, value) in entries {
                    let key = self.value(heap, key, depth + 1)?;
                    let key = self.key(key)?;
                    // Python would take the last one.
                    if dict.get(key.clone()).is_some() {
                        let name = key.to_string();
                        let found = format!("the key {} twice", shortened(&name));
                        let expected = "a dict that has every key once";
                        return Err(self.cursor.error(expected, found, DAMAGED));
                    }
                    dict.insert(key, self.value(heap, value, depth + 1)?);
                }
                Ok(Value::Dict(dict))
            }
            Cell::Array(Some(array)) => Ok(Value::NumpyArray(array.clone())),
            Cell::Array(None) => {
                let found = "one without a state";
                Err(self.cursor.error("a numpy array", found, DAMAGED))
            }
            Cell::Dtype(_) => Err(self.cursor.refuse("numpy.dtype")),
        }
    }

    fn values(
        &mut self,
        heap: &[Cell],
        items: &[Item],
        depth: usize,
    ) -> Result<Vec<Value>, PthError> {
        items
            .iter()
            .map(|item| self.value(heap, item, depth + 1))
            .collect()
    }

    fn key(&self, value: Value) -> Result<Key, PthError> {
        Ok(match value {
            Value::None => Key::None,
            Value::Bool(key) => Key::Bool(key),
            Value::Int(key) => Key::Int(key),
            Value::Float(key) => Key::Float(key.to_bits()),
            Value::Str(key) => Key::Str(key),
            Value::Bytes(key) => Key::Bytes(key),
            Value::Tuple(keys) => {
                let keys: Result<Vec<Key>, PthError> =
                    keys.into_iter().map(|key| self.key(key)).collect();
                Key::Tuple(keys?.into())
            }
            other => {
                let expected = "a key that Python can hash, of plain values";
                return Err(self.cursor.error(expected, other.kind(), RESAVE));
            }
        })
    }
}
