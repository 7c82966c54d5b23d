use serde::{Deserialize, Serialize};

/// How A and B began: `init_lora_weights`. It says nothing about a trained adapter, unless the
/// base was changed along with it; such names are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InitLoraWeights {
    /// `true`: Kaiming-uniform and 0. `false`: B is not 0.
    Default(bool),
    /// `"gaussian"`, `"orthogonal"`, `"eva"` or `"mica"`.
    Named(String),
}

impl InitLoraWeights {
    /// The names of ways that leave the base as it was, in lower case. (`"pissa"`, `"olora"`,
    /// `"corda"`, `"loftq"` and `"lora_ga"` subtract from it.)
    pub(super) const KEEPS_BASE: [&str; 4] = ["gaussian", "orthogonal", "eva", "mica"];
}
