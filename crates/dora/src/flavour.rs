use serde::{Deserialize, Serialize};

/// Which of the published readings of DoRA a layer computes, or LoRA. The crate's
/// documentation gives them in formulas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021):
    /// the low-rank update alone, without a magnitude; dropout on its input,
    /// output unchanged at the start. Written `lora`.
    Lora,
}

impl Flavour {
    /// Whether an adapter has a magnitude for each output channel.
    pub fn has_magnitude(self) -> bool {
        self != Self::Lora
    }
}
