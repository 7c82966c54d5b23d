/// Which axis of a weight is its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[in, out]`, as Burn stores a linear layer; the norm is per column.
    InOut,
    /// `[out, in]`, as PyTorch stores it; the norm is per row.
    OutIn,
}
