use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::layout::Layout;
use crate::storage::Storage;
use crate::{Dtype, PthError};

/// A tensor, whose bytes stay in the file until they are asked for. A clone is cheap.
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

struct Inner {
    layout: Layout,
    data: Data,
}

enum Data {
    Memory(Vec<u8>),
    Stored(Arc<Storage>),
}

impl Tensor {
    /// A tensor of row-major little-endian `bytes`.
    ///
    /// # Errors
    ///
    /// [`PthError::Tensor`]: `bytes` are not as many as the shape needs.
    pub fn new(dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) -> Result<Self, PthError> {
        let expected = Layout::bytes(dtype, &shape);
        if expected != Some(bytes.len()) {
            return Err(PthError::Tensor {
                dtype: dtype.name(),
                shape,
                expected: expected.map_or("a countable number of".to_owned(), |n| n.to_string()),
                found: bytes.len(),
            });
        }
        let strides = Layout::row_major(&shape);
        Ok(Self(Arc::new(Inner {
            layout: Layout {
                dtype,
                shape,
                strides,
                offset: 0,
            },
            data: Data::Memory(bytes),
        })))
    }

    /// The caller has checked that `layout` ends inside `storage`.
    pub(crate) fn stored(layout: Layout, storage: Arc<Storage>) -> Self {
        storage.count_tensor();
        Self(Arc::new(Inner {
            layout,
            data: Data::Stored(storage),
        }))
    }

    /// The type of the elements.
    pub fn dtype(&self) -> Dtype {
        self.0.layout.dtype
    }

    /// The sizes of the dimensions; none for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.shape
    }

    /// The elements: contiguous, row-major, little-endian. Reads the tensor's storage,
    /// all of it, and verifies its checksum; a storage that several tensors of the file
    /// share is read once and then stays in memory.
    ///
    /// # Errors
    ///
    /// [`PthError::Io`] and [`PthError::Archive`]: the storage cannot be read or is damaged.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, PthError> {
        let layout = &self.0.layout;
        let storage = match &self.0.data {
            Data::Memory(bytes) => return Ok(Cow::Borrowed(bytes)),
            Data::Stored(storage) => storage,
        };
        let count = Layout::bytes(layout.dtype, &layout.shape).expect("the shape was checked");
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let storage = storage.bytes()?;
        let Some(start) = layout.contiguous() else {
            return Ok(Cow::Owned(layout.gather(&storage)));
        };
        Ok(match storage {
            Cow::Owned(bytes) if bytes.len() == count => Cow::Owned(bytes),
            Cow::Owned(bytes) => Cow::Owned(bytes[start..start + count].to_vec()),
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[start..start + count]),
        })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {:?})", self.dtype().name(), self.shape())
    }
}
