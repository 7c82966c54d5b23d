use super::Layout;
#[cfg(feature = "cube")]
use crate::ProductSizes;

/// Everything about a product that the plan looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatmulShape {
    /// Independent products.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// The dimension summed over.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
    /// How the operands lie in memory.
    pub layout: Layout,
    /// Whether both operands begin, and all their rows or columns, at multiples of 16 bytes.
    pub aligned: bool,
}

impl MatmulShape {
    /// That of products of these sizes.
    #[cfg(feature = "cube")]
    pub(crate) fn of(sizes: ProductSizes, layout: Layout, aligned: bool) -> Self {
        let ProductSizes { batch, m, k, n } = sizes;
        Self {
            batch,
            m,
            k,
            n,
            layout,
            aligned,
        }
    }
}
