/// What kind of layer is adapted, which decides how its tensors are named and shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerKind {
    /// y = W·x with W `[out, in]`.
    Linear,
    /// Rows of W `[in, out]`: `in` entries of `out` values. PEFT adapts Wᵀ, by s·B·A.
    Embedding,
    /// A convolution over W `[out, in, kernel..]`, of 1 to 3 dimensions, without groups. A is
    /// `[r, in·kernel..]`, whose columns are in the order of W's.
    Conv {
        /// The sizes of the kernel, 1 to 3 of them.
        kernel: Vec<usize>,
    },
}
