//! Shape and dtype of a parameter.

use burn::tensor::DType;

/// What the optimizer has to know of a parameter to hold moments for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// The parameter's shape; `[]` is one element.
    pub shape: Vec<usize>,
    /// The parameter's dtype.
    pub dtype: DType,
}

impl ParamSpec {
    /// A spec from a shape (in elements per dimension) and a dtype.
    pub fn new(shape: impl Into<Vec<usize>>, dtype: DType) -> Self {
        Self {
            shape: shape.into(),
            dtype,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether a dimension is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
