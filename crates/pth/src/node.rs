use std::path::Path;

use crate::place;
use crate::{Dict, Key, NumpyArray, PthError, Tensor, Value};

/// A value and the way to it, for errors that say where in the file something is wrong.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    file: &'a Path,
    place: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    pub(crate) fn root(file: &'a Path, value: &'a Value) -> Self {
        Self {
            file,
            place: String::new(),
            value,
        }
    }

    /// The file.
    pub fn file(&self) -> &'a Path {
        self.file
    }

    /// The value.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The way to it: `optimizer_state_dict.state[3].exp_avg`; empty for the file's value.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The value of a dict's key.
    ///
    /// # Errors
    ///
    /// [`PthError::Value`], here and below: this is no dict, or has no such key.
    pub fn get(&self, key: impl Into<Key>) -> Result<Node<'a>, PthError> {
        let key = key.into();
        let dict = self.dict()?;
        match dict.get(key.clone()) {
            Some(value) => Ok(self.inner(place::of_key(&self.place, &key), value)),
            None => {
                let keys: Vec<String> = dict
                    .iter()
                    .take(8)
                    .map(|(key, _)| key.to_string())
                    .collect();
                let more = if dict.len() > 8 { ", .." } else { "" };
                let found = format!("{} keys: {}{more}", dict.len(), keys.join(", "));
                Err(self.error(&format!("a dict with the key {key}"), found))
            }
        }
    }

    /// The value of a dict's key; nothing if there is no such key.
    ///
    /// # Errors
    ///
    /// This is no dict.
    pub fn find(&self, key: impl Into<Key>) -> Result<Option<Node<'a>>, PthError> {
        let key = key.into();
        let value = self.dict()?.get(key.clone());
        Ok(value.map(|value| self.inner(place::of_key(&self.place, &key), value)))
    }

    /// The keys and values of a dict.
    ///
    /// # Errors
    ///
    /// This is no dict.
    pub fn entries(&self) -> Result<Vec<(&'a Key, Node<'a>)>, PthError> {
        let entries = self.dict()?.iter();
        let node = |key, value| self.inner(place::of_key(&self.place, key), value);
        Ok(entries
            .map(|(key, value)| (key, node(key, value)))
            .collect())
    }

    /// The items of a list or a tuple.
    ///
    /// # Errors
    ///
    /// This is neither.
    pub fn items(&self) -> Result<Vec<Node<'a>>, PthError> {
        let (Value::List(items) | Value::Tuple(items)) = self.value else {
            return Err(self.other("a list or a tuple"));
        };
        let items = items.iter().enumerate();
        Ok(items
            .map(|(index, item)| self.inner(place::of_index(&self.place, index), item))
            .collect())
    }

    /// Whether this is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self.value, Value::None)
    }

    /// A bool.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn bool(&self) -> Result<bool, PthError> {
        match self.value {
            Value::Bool(value) => Ok(*value),
            _ => Err(self.other("a bool")),
        }
    }

    /// An integer.
    ///
    /// # Errors
    ///
    /// This is none, or does not fit 64 bits.
    pub fn int(&self) -> Result<i64, PthError> {
        match self.value {
            Value::Int(value) => i64::try_from(*value)
                .map_err(|_| self.error("an integer of 64 bits", value.to_string())),
            _ => Err(self.other("an integer")),
        }
    }

    /// A float, or an integer that is one exactly: Python code often writes `0` for `0.0`.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn float(&self) -> Result<f64, PthError> {
        match self.value {
            Value::Float(value) => Ok(*value),
            Value::Int(value) if value.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS => {
                Ok(*value as f64)
            }
            _ => Err(self.other("a float")),
        }
    }

    /// A string.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn str(&self) -> Result<&'a str, PthError> {
        match self.value {
            Value::Str(value) => Ok(value),
            _ => Err(self.other("a string")),
        }
    }

    /// A byte string.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn bytes(&self) -> Result<&'a [u8], PthError> {
        match self.value {
            Value::Bytes(value) => Ok(value),
            _ => Err(self.other("a byte string")),
        }
    }

    /// A dict.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn dict(&self) -> Result<&'a Dict, PthError> {
        match self.value {
            Value::Dict(value) => Ok(value),
            _ => Err(self.other("a dict")),
        }
    }

    /// A tensor.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn tensor(&self) -> Result<&'a Tensor, PthError> {
        match self.value {
            Value::Tensor(value) => Ok(value),
            _ => Err(self.other("a tensor")),
        }
    }

    /// A numpy array.
    ///
    /// # Errors
    ///
    /// This is none.
    pub fn numpy_array(&self) -> Result<&'a NumpyArray, PthError> {
        match self.value {
            Value::NumpyArray(value) => Ok(value),
            _ => Err(self.other("a numpy array")),
        }
    }

    /// Every tensor below, in order, by its keys and indices joined by `.`: what a state
    /// dict is to a module, for a nested dict and for the modules of a TorchScript archive.
    pub fn tensors(&self) -> Vec<(String, &'a Tensor)> {
        let mut out = Vec::new();
        collect(self.value, String::new(), &mut out);
        out
    }

    fn inner(&self, place: String, value: &'a Value) -> Node<'a> {
        Node {
            file: self.file,
            place,
            value,
        }
    }

    fn other(&self, expected: &str) -> PthError {
        self.error(expected, self.value.kind().to_owned())
    }

    fn error(&self, expected: &str, found: String) -> PthError {
        PthError::Value {
            path: self.file.to_owned(),
            place: place::name(&self.place),
            expected: expected.to_owned(),
            found,
        }
    }
}

fn collect<'a>(value: &'a Value, name: String, out: &mut Vec<(String, &'a Tensor)>) {
    let step = |key: &dyn std::fmt::Display| match name.as_str() {
        "" => key.to_string(),
        name => format!("{name}.{key}"),
    };
    match value {
        Value::Tensor(tensor) => out.push((name, tensor)),
        Value::Dict(dict) => {
            for (key, inner) in dict.iter() {
                let name = match key {
                    Key::Str(key) => step(key),
                    key => step(key),
                };
                collect(inner, name, out);
            }
        }
        Value::List(items) | Value::Tuple(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, step(&index), out);
            }
        }
        _ => {}
    }
}
