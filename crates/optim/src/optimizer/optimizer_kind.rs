//! Which optimizers there are.

use serde::{Deserialize, Serialize};

/// An optimizer's name, as in the key `kind`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OptimizerKind {
    /// [`crate::AdamW`].
    #[default]
    #[serde(rename = "adamw")]
    AdamW,
    /// [`crate::Sgd`].
    #[serde(rename = "sgd")]
    Sgd,
}
