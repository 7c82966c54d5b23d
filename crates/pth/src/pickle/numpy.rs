//! Arrays, dtypes and scalars of numpy.

use std::sync::Arc;

use super::cursor::{DAMAGED, RESAVE};
use super::item::{Cell, Item, NumpyDtype};
use super::machine::Machine;
use crate::layout::Layout;
use crate::place::shortened;
use crate::{Dtype, NumpyArray, PthError, Value};

impl Machine<'_> {
    pub(super) fn numpy_dtype(&mut self, code: &Item) -> Result<Item, PthError> {
        let code = self.text(code, "a numpy dtype")?;
        let Some(dtype) = Dtype::of_numpy(&code) else {
            let found = format!("{:?}", shortened(&code));
            return Err(self
                .cursor
                .error("a numpy dtype of numbers or bools", found, RESAVE));
        };
        Ok(self.allocate(Cell::Dtype(NumpyDtype {
            dtype,
            big_endian: false,
        })))
    }

    /// `(version, byte order, subdtype, names, fields, ..)`.
    pub(super) fn build_dtype(&mut self, object: &Item, state: &Item) -> Result<(), PthError> {
        let state = self.arguments(state, "a numpy dtype's state", 8..=9)?;
        let order = self.text(&state[1], "a numpy dtype's byte order")?;
        let big = match &*order {
            "<" | "|" => false,
            ">" => true,
            _ => {
                let found = format!("{:?}", shortened(&order));
                return Err(self.cursor.error("a byte order of numpy", found, DAMAGED));
            }
        };
        for field in &state[2..5] {
            if !matches!(field, Item::Value(Value::None)) {
                return Err(self.expected("a numpy dtype without fields", field));
            }
        }
        if let Some(Cell::Dtype(dtype)) = self.cell_mut(object) {
            dtype.big_endian = big;
        }
        Ok(())
    }

    /// `(version, shape, dtype, is column-major, bytes)`.
    pub(super) fn build_array(&mut self, object: &Item, state: &Item) -> Result<(), PthError> {
        let state = self.arguments(state, "a numpy array's state", 5..=5)?;
        let shape = self.counts(&state[1], "a shape")?;
        let numpy = self.dtype_of(&state[2])?;
        let Item::Value(Value::Bool(column_major)) = state[3] else {
            return Err(self.expected("whether an array is column-major", &state[3]));
        };
        let mut bytes = self.byte_string(&state[4], "a numpy array's elements")?;
        if Layout::bytes(numpy.dtype, &shape) != Some(bytes.len()) {
            let expected = format!("the bytes of shape {shape:?}");
            return Err(self
                .cursor
                .error(expected, bytes.len().to_string(), DAMAGED));
        }
        if column_major && shape.len() > 1 {
            self.spend(bytes.len())?;
            let strides = Layout::column_major(&shape);
            let layout = Layout {
                dtype: numpy.dtype,
                shape: shape.clone(),
                strides,
                offset: 0,
            };
            bytes = layout.gather(&bytes).into();
        }
        let bytes = self.little_endian(bytes, numpy)?;
        let array = NumpyArray::new(numpy.dtype, shape, bytes);
        if let Some(Cell::Array(built)) = self.cell_mut(object) {
            *built = Some(array);
        }
        Ok(())
    }

    /// `(dtype, bytes)`: as the Python value that the scalar is worth.
    pub(super) fn numpy_scalar(&mut self, arguments: &[Item]) -> Result<Item, PthError> {
        let numpy = self.dtype_of(&arguments[0])?;
        let bytes = self.byte_string(&arguments[1], "a numpy scalar")?;
        let bytes = self.little_endian(bytes, numpy)?;
        if bytes.len() != numpy.dtype.size() {
            let expected = format!("{} bytes of a numpy scalar", numpy.dtype.size());
            return Err(self
                .cursor
                .error(expected, bytes.len().to_string(), DAMAGED));
        }
        Ok(Item::Value(match numpy.dtype {
            Dtype::Bool => Value::Bool(bytes[0] != 0),
            Dtype::F64 => Value::Float(f64::from_le_bytes(array(&bytes))),
            Dtype::F32 => Value::Float(f32::from_le_bytes(array(&bytes)).into()),
            Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => {
                let shift = 64 - 8 * bytes.len();
                Value::Int(((word(&bytes) << shift) as i64 >> shift).into())
            }
            Dtype::U8 | Dtype::U16 | Dtype::U32 | Dtype::U64 => Value::Int(word(&bytes).into()),
            other => {
                let found = other.name();
                let expected = "a numpy scalar that a Python number holds";
                return Err(self.cursor.error(expected, found, RESAVE));
            }
        }))
    }

    fn dtype_of(&self, item: &Item) -> Result<NumpyDtype, PthError> {
        match self.cell(item) {
            Some(Cell::Dtype(dtype)) => Ok(*dtype),
            _ => Err(self.expected("a numpy dtype", item)),
        }
    }

    fn little_endian(
        &mut self,
        bytes: Arc<[u8]>,
        numpy: NumpyDtype,
    ) -> Result<Arc<[u8]>, PthError> {
        if !numpy.big_endian {
            return Ok(bytes);
        }
        self.spend(bytes.len())?;
        // A complex number is two numbers.
        let number = match numpy.dtype {
            Dtype::Complex64 => 4,
            Dtype::Complex128 => 8,
            dtype => dtype.size(),
        };
        let mut swapped = bytes.to_vec();
        for number in swapped.chunks_mut(number) {
            number.reverse();
        }
        Ok(swapped.into())
    }
}

/// The first bytes of `bytes`, whose length was checked.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("as many as the dtype has")
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}
