/// Where the rows of the results of several products lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowsLie {
    /// `[groups, per_group, m, n]`: a product's beside each other.
    ByProduct,
    /// `[groups, m, per_group, n]`: those of one place in all products of a group beside each other.
    ByPlace,
}
