use std::fmt;
use std::sync::Arc;

use crate::Dtype;

/// An array of numpy: row-major little-endian bytes.
#[derive(Clone)]
pub struct NumpyArray(Arc<Inner>);

struct Inner {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Arc<[u8]>,
}

impl NumpyArray {
    /// `bytes` are as many as `shape` needs.
    pub(crate) fn new(dtype: Dtype, shape: Vec<usize>, bytes: Arc<[u8]>) -> Self {
        Self(Arc::new(Inner {
            dtype,
            shape,
            bytes,
        }))
    }

    /// The type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.0.dtype
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    /// The elements.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl fmt::Debug for NumpyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NumpyArray({}, {:?})", self.dtype().name(), self.shape())
    }
}
