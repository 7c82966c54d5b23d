use burn::tensor::Shape;

/// The sizes of matrix products: `batch` times `[m, k]` by `[k, n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductSizes {
    /// Independent products.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// The dimension summed over.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
}

impl ProductSizes {
    /// Those of the product of `lhs` `[.., m, k]` and `rhs` `[.., k, n]`.
    pub fn of(lhs: &Shape, rhs: &Shape) -> Self {
        let rank = lhs.num_dims();
        Self {
            batch: (0..rank - 2).map(|i| lhs[i].max(rhs[i])).product(),
            m: lhs[rank - 2],
            k: lhs[rank - 1],
            n: rhs[rank - 1],
        }
    }
}
