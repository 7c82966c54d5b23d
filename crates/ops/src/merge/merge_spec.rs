use crate::{DropoutMask, Precision};

/// The constants of a DoRA merge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MergeSpec {
    /// s = alpha / rank.
    pub scaling: f64,
    /// Added to the norm: 0 (`Peft`) or 1e-8 (`ClipHba`).
    pub eps: f64,
    /// Whether W is divided by its own norm first.
    pub normalised_base: bool,
    /// Whether the gradient goes through the norm, which is a constant otherwise.
    pub full_gradient: bool,
    /// Of the low-rank products; `Bf16` is computed as `Tf32`, which is no less exact.
    pub precision: Precision,
    /// Dropout of the update B·A, by its elements in row-major order of `[in, out]`. The backward
    /// pass makes the mask again.
    pub mask: Option<DropoutMask>,
}

impl MergeSpec {
    pub(super) fn check(&self) {
        if let Some(mask) = &self.mask {
            mask.check();
        }
    }
}
