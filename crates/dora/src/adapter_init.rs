use serde::{Deserialize, Serialize};

/// What the factors A and B of a new adapter are, named as Hugging Face PEFT's
/// `init_lora_weights` has them.
///
/// | | A | B | base |
/// |---|---|---|---|
/// | `Kaiming` | uniform within 1/sqrt(in) | 0 | as it is |
/// | `Gaussian` | normal, deviation 1/rank | 0 | as it is |
/// | `Pissa` | sqrt(S/s)·Uᵀ | V·sqrt(S/s) | W - s·B·A |
/// | `Olora` | R | Q | W - s·B·A |
///
/// V·S·Uᵀ are the `rank` largest singular values of W `[out, in]` and their
/// vectors (Meng et al. 2024, arXiv:2404.02948); Q·R the first `rank` columns and
/// rows of its QR decomposition (Büyükakyüz 2024, arXiv:2406.01775). Both are
/// computed on the host in f64 by one thread, draw nothing, and take s·B·A out of
/// the base, so that the output stays that of the base but for rounding. Detaching
/// such an adapter leaves the base without it.
///
/// `Flavour::ClipHba` has an initialisation of its own and takes `Kaiming` only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AdapterInit {
    /// He et al. 2015, the default of PEFT.
    #[default]
    Kaiming,
    /// As the paper on LoRA has it (Hu et al. 2021, arXiv:2106.09685).
    Gaussian,
    /// Principal singular values and vectors.
    Pissa,
    /// Orthonormal columns.
    Olora,
}

impl AdapterInit {
    /// As it is written in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kaiming => "kaiming",
            Self::Gaussian => "gaussian",
            Self::Pissa => "pissa",
            Self::Olora => "olora",
        }
    }

    /// Whether the base is changed by what the adapter begins with.
    pub fn takes_from_base(self) -> bool {
        matches!(self, Self::Pissa | Self::Olora)
    }
}
