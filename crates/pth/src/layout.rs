use crate::Dtype;

/// How the elements of a tensor lie in a storage. All counts are of elements.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) offset: usize,
}

impl Layout {
    /// Elements of a shape; nothing if they cannot be counted.
    pub(crate) fn count(shape: &[usize]) -> Option<usize> {
        if shape.contains(&0) {
            return Some(0);
        }
        shape
            .iter()
            .try_fold(1_usize, |count, &size| count.checked_mul(size))
    }

    /// Bytes of a tensor; nothing if they cannot be counted.
    pub(crate) fn bytes(dtype: Dtype, shape: &[usize]) -> Option<usize> {
        Self::count(shape)?.checked_mul(dtype.size())
    }

    /// The strides of a shape whose last dimension is the fastest.
    pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
        let mut strides = vec![1_usize; shape.len()];
        for i in (1..shape.len()).rev() {
            strides[i - 1] = strides[i].saturating_mul(shape[i].max(1));
        }
        strides
    }

    /// The strides of a shape whose first dimension is the fastest.
    pub(crate) fn column_major(shape: &[usize]) -> Vec<usize> {
        let reversed: Vec<usize> = shape.iter().rev().copied().collect();
        let mut strides = Self::row_major(&reversed);
        strides.reverse();
        strides
    }

    /// One past the last byte that the tensor touches; nothing if it cannot be counted.
    pub(crate) fn end(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        let mut last = self.offset;
        for (size, stride) in self.shape.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(*stride)?)?;
        }
        last.checked_add(1)?.checked_mul(self.dtype.size())
    }

    /// The byte where the elements begin, if they lie in row-major order without gaps.
    pub(crate) fn contiguous(&self) -> Option<usize> {
        let wanted = Self::row_major(&self.shape);
        let same = self
            .shape
            .iter()
            .zip(self.strides.iter().zip(wanted))
            .all(|(&size, (&stride, wanted))| size == 1 || stride == wanted);
        same.then(|| self.offset * self.dtype.size())
    }

    /// The elements in row-major order. `storage` holds [`end`](Self::end) bytes at least.
    pub(crate) fn gather(&self, storage: &[u8]) -> Vec<u8> {
        let element = self.dtype.size();
        let count = Self::count(&self.shape).expect("the shape was checked");
        let mut out = Vec::with_capacity(count * element);
        if count == 0 {
            return out;
        }
        let (inner, outer) = match (self.shape.split_last(), self.strides.split_last()) {
            (Some((&size, outer)), Some((&stride, _))) => ((size, stride), outer),
            _ => ((1, 1), &[][..]),
        };
        let mut at = vec![0; outer.len()];
        loop {
            // Anew for every row: the stride of a dimension of one element may be any number.
            let steps = at.iter().zip(&self.strides).map(|(at, stride)| at * stride);
            let row = self.offset + steps.sum::<usize>();
            for i in 0..inner.0 {
                let start = (row + i * inner.1) * element;
                out.extend_from_slice(&storage[start..start + element]);
            }
            // Like an odometer: the last of the outer dimensions turns first.
            let mut dimension = outer.len();
            loop {
                if dimension == 0 {
                    return out;
                }
                dimension -= 1;
                at[dimension] += 1;
                if at[dimension] < outer[dimension] {
                    break;
                }
                at[dimension] = 0;
            }
        }
    }
}
