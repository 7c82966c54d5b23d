use serde::{Deserialize, Serialize};

/// Which of the two published readings of DoRA a layer computes. The crate's
/// documentation gives both in formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Flavour {
    /// Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation" (2024), as
    /// Hugging Face PEFT computes it: norm detached, dropout on the low-rank
    /// path's input, output unchanged at the start. Written `peft`.
    Peft,
    /// The CLIP-HBA code's `DoRALayer`: row-normalised base, full gradient of
    /// the norm, dropout on the low-rank product, output changed from the
    /// start. Written `clip-hba`.
    ClipHba,
}
