use super::MAX_DEPTH;
use crate::layout::Layout;
use crate::place;
use crate::{Dict, Dtype, Key, PthError, Tensor, Value};

/// Writes a value as torch.save's pickle; its tensors' bytes go to the archive.
#[derive(Default)]
pub(crate) struct Encoder {
    pub(crate) pickle: Vec<u8>,
    /// The tensors in the order of their keys: 0, 1, 2 ..
    pub(crate) tensors: Vec<Tensor>,
}

impl Encoder {
    pub(crate) fn encode(mut self, value: &Value) -> Result<Self, PthError> {
        self.pickle.extend_from_slice(b"\x80\x02");
        self.value(value, "", 0)?;
        self.pickle.push(b'.');
        Ok(self)
    }

    fn value(&mut self, value: &Value, place: &str, depth: usize) -> Result<(), PthError> {
        check_depth(place, depth)?;
        match value {
            Value::None => self.pickle.push(b'N'),
            Value::Bool(true) => self.pickle.push(0x88),
            Value::Bool(false) => self.pickle.push(0x89),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => self.float(*value),
            Value::Str(text) => self.text(text, place)?,
            Value::Bytes(bytes) => self.bytes(bytes, place)?,
            Value::List(items) => {
                self.pickle.push(b']');
                if !items.is_empty() {
                    self.pickle.push(b'(');
                    self.items(items, place, depth)?;
                    self.pickle.push(b'e');
                }
            }
            Value::Tuple(items) => {
                self.pickle.push(b'(');
                self.items(items, place, depth)?;
                self.pickle.push(b't');
            }
            Value::Dict(dict) => self.dict(dict, place, depth)?,
            Value::Tensor(tensor) => self.tensor(tensor, place)?,
            Value::NumpyArray(_) => {
                return Err(PthError::Unwritable {
                    place: place::name(place),
                    expected: "plain values and tensors, which torch.load loads with weights_only",
                    found: value.kind().to_owned(),
                    advice: "Make it a Tensor",
                });
            }
        }
        Ok(())
    }

    fn items(&mut self, items: &[Value], place: &str, depth: usize) -> Result<(), PthError> {
        for (index, item) in items.iter().enumerate() {
            self.value(item, &place::of_index(place, index), depth + 1)?;
        }
        Ok(())
    }

    fn dict(&mut self, dict: &Dict, place: &str, depth: usize) -> Result<(), PthError> {
        self.pickle.push(b'}');
        if dict.is_empty() {
            return Ok(());
        }
        self.pickle.push(b'(');
        for (key, value) in dict.iter() {
            let place = place::of_key(place, key);
            self.key(key, &place, depth + 1)?;
            self.value(value, &place, depth + 1)?;
        }
        self.pickle.push(b'u');
        Ok(())
    }

    fn key(&mut self, key: &Key, place: &str, depth: usize) -> Result<(), PthError> {
        check_depth(place, depth)?;
        let plain = match key {
            Key::None => Value::None,
            Key::Bool(key) => Value::Bool(*key),
            Key::Int(key) => Value::Int(*key),
            Key::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Key::Str(key) => Value::Str(key.clone()),
            Key::Bytes(key) => Value::Bytes(key.clone()),
            Key::Tuple(keys) => {
                self.pickle.push(b'(');
                for key in keys.iter() {
                    self.key(key, place, depth + 1)?;
                }
                self.pickle.push(b't');
                return Ok(());
            }
        };
        self.value(&plain, place, depth)
    }

    fn int(&mut self, value: i128) {
        if let Ok(value) = u8::try_from(value) {
            self.pickle.extend_from_slice(&[b'K', value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.pickle.push(b'J');
            self.pickle.extend_from_slice(&value.to_le_bytes());
        } else {
            // The fewest bytes that keep the sign.
            let bits = 129 - value.unsigned_abs().leading_zeros() as usize;
            let len = bits.div_ceil(8).min(16);
            self.pickle.extend_from_slice(&[0x8a, len as u8]);
            self.pickle.extend_from_slice(&value.to_le_bytes()[..len]);
        }
    }

    fn float(&mut self, value: f64) {
        self.pickle.push(b'G');
        self.pickle.extend_from_slice(&value.to_be_bytes());
    }

    fn text(&mut self, text: &str, place: &str) -> Result<(), PthError> {
        let len = u32::try_from(text.len()).map_err(|_| PthError::Unwritable {
            place: place::name(place),
            expected: "a string below 4 GiB",
            found: format!("one of {} bytes", text.len()),
            advice: "Make it a Tensor",
        })?;
        self.pickle.push(b'X');
        self.pickle.extend_from_slice(&len.to_le_bytes());
        self.pickle.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// As protocol 2 writes bytes: a call of `_codecs.encode(text, "latin1")`.
    fn bytes(&mut self, bytes: &[u8], place: &str) -> Result<(), PthError> {
        self.pickle.extend_from_slice(b"c_codecs\nencode\n");
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        self.text(&text, place)?;
        self.text("latin1", place)?;
        self.pickle.extend_from_slice(b"\x86R");
        Ok(())
    }

    fn tensor(&mut self, tensor: &Tensor, place: &str) -> Result<(), PthError> {
        let dtype = tensor.dtype();
        let count = Layout::count(tensor.shape()).expect("a tensor's elements were counted");
        let (function, class, elements) = match dtype.storage() {
            Some(class) => ("_rebuild_tensor_v2", format!("torch\n{class}"), count),
            // Torch has no typed storage for it: an untyped one, of bytes.
            None => (
                "_rebuild_tensor_v3",
                "torch.storage\nUntypedStorage".to_owned(),
                count * dtype.size(),
            ),
        };
        self.pickle
            .extend_from_slice(format!("ctorch._utils\n{function}\n((").as_bytes());
        self.text("storage", place)?;
        self.pickle
            .extend_from_slice(format!("c{class}\n").as_bytes());
        self.text(&self.tensors.len().to_string(), place)?;
        self.text("cpu", place)?;
        self.int(elements as i128);
        self.pickle.extend_from_slice(b"tQ");
        self.int(0);
        self.counts(tensor.shape());
        self.counts(&Layout::row_major(tensor.shape()));
        // Needs no gradient, has no hooks.
        self.pickle
            .extend_from_slice(b"\x89ccollections\nOrderedDict\n)R");
        if dtype.storage().is_none() {
            self.dtype(dtype);
        }
        self.pickle.extend_from_slice(b"tR");
        self.tensors.push(tensor.clone());
        Ok(())
    }

    fn counts(&mut self, counts: &[usize]) {
        self.pickle.push(b'(');
        for count in counts {
            self.int(*count as i128);
        }
        self.pickle.push(b't');
    }

    fn dtype(&mut self, dtype: Dtype) {
        self.pickle
            .extend_from_slice(format!("ctorch\n{}\n", dtype.name()).as_bytes());
    }
}

fn check_depth(place: &str, depth: usize) -> Result<(), PthError> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(PthError::Unwritable {
        place: place::name(place),
        expected: "values that are nested at most 100 deep",
        found: "deeper ones".to_owned(),
        advice: "Nest them less",
    })
}
