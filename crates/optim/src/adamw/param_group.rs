//! Settings for some of the parameters.

use serde::{Deserialize, Serialize};

/// Overrides for the parameters whose path matches a pattern. Of several
/// matching groups the first wins, whole: groups are not merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ParamGroup {
    /// Pattern over the parameter's path: `*` stands for any characters
    /// (dots included), `?` for exactly one.
    pub pattern: String,
    /// Base learning rate, instead of the configuration's.
    #[serde(default)]
    pub lr: Option<f64>,
    /// Decay rate of the first moment.
    #[serde(default)]
    pub beta1: Option<f64>,
    /// Decay rate of the second moment.
    #[serde(default)]
    pub beta2: Option<f64>,
    /// Added to the denominator.
    #[serde(default)]
    pub eps: Option<f64>,
    /// Decoupled weight decay.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Whether amsgrad is used.
    #[serde(default)]
    pub amsgrad: Option<bool>,
}
