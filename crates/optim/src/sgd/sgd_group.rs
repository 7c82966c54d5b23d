//! Settings for some of the parameters.

use serde::{Deserialize, Serialize};

/// Overrides for the parameters whose path matches a pattern. Of several matching groups the
/// first wins, whole: groups are not merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SgdGroup {
    /// Pattern over the parameter's path: `*` stands for any characters
    /// (dots included), `?` for exactly one.
    pub pattern: String,
    /// Base learning rate, instead of the configuration's.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Factor on the momentum buffer.
    #[serde(default)]
    pub momentum: Option<f64>,
    /// What is taken off the gradient that goes into the buffer.
    #[serde(default)]
    pub dampening: Option<f64>,
    /// Whether the step looks ahead.
    #[serde(default)]
    pub nesterov: Option<bool>,
    /// Weight decay.
    #[serde(default)]
    pub weight_decay: Option<f64>,
}
