/// Where the rows of several products' results lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsLie {
    /// `[batch, m, n]`: a product's beside each other.
    ByProduct,
    /// `[m, batch, n]`: those of one place in all products beside each other.
    ByPlace,
}
