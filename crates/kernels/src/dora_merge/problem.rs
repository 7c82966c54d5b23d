use super::launch_product::LEAST_SPAN;
use super::{Layout, MergeError, Products, Storage};

/// One DoRA merge: the sizes and constants of
///
/// `W' = m · V / (n + eps)`, `V = base + scaling · B·A`, `n = ‖V‖`
///
/// by output channel, where `base` is W, or W/‖W‖ with `normalised_base`.
/// "DoRA: Weight-Decomposed Low-Rank Adaptation", Liu et al., 2024, eq. 5. Where
/// n + eps is 0, W' is V (0), as if m/n were 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Inputs of the layer.
    pub d_in: usize,
    /// Outputs of the layer: channels of the norm.
    pub d_out: usize,
    /// Rank of the two factors: A is `[rank, in]`, B `[out, rank]`, row-major,
    /// whatever the weight's layout.
    pub rank: usize,
    /// Layout of W, W' and their gradients.
    pub layout: Layout,
    /// s = alpha / rank.
    pub scaling: f32,
    /// Added to the norm: 0 for `Peft`, 1e-8 for `ClipHba`.
    pub eps: f32,
    /// `ClipHba`: W is divided by its own norm, which the caller gives.
    pub normalised_base: bool,
    /// Type of W, W' and their gradients.
    pub weight: Storage,
    /// Type of A and B and of their gradients.
    pub factors: Storage,
    /// Precision of the low-rank products.
    pub products: Products,
}

impl Problem {
    /// `[p, q]`, the weight's rows and columns.
    pub(crate) fn extent(&self) -> [usize; 2] {
        match self.layout {
            Layout::InOut => [self.d_in, self.d_out],
            Layout::OutIn => [self.d_out, self.d_in],
        }
    }

    pub(crate) fn check(&self) -> Result<(), MergeError> {
        let sizes = [
            ("d_in", self.d_in),
            ("d_out", self.d_out),
            ("rank", self.rank),
        ];
        for (name, found) in sizes {
            if found == 0 {
                return Err(MergeError::Empty { name });
            }
        }
        // Positions are u32 in the kernels.
        let [d_in, d_out, rank] = [self.d_in, self.d_out, self.rank].map(|size| size as u128);
        let largest = d_in.max(rank) * d_out.max(rank);
        // Those of the partial sums of the products with a factor, too.
        let sums = |n: u128, along: u128| 2 * n * rank * along.div_ceil(LEAST_SPAN as u128);
        let sums = sums(d_in, d_out).max(sums(d_out, d_in));
        if largest > u128::from(u32::MAX / 2) || sums > u128::from(u32::MAX) {
            return Err(MergeError::TooLarge {
                d_in: self.d_in,
                d_out: self.d_out,
                rank: self.rank,
            });
        }
        for (name, value) in [("scaling", self.scaling), ("eps", self.eps)] {
            if !value.is_finite() {
                return Err(MergeError::NotFinite { name, value });
            }
        }
        Ok(())
    }
}
