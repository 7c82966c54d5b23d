//! Reading a recorded configuration: every field must be present.
//!
//! A configuration file may leave keys out, because they have defaults. In a
//! record a missing key would be filled in silently, so there it is an error.

use serde::{Deserialize, Deserializer};

use crate::{AdamWConfig, ParamGroup};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompleteConfig {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
    #[serde(deserialize_with = "present")]
    clip_norm: Option<f64>,
    #[serde(deserialize_with = "present")]
    clip_value: Option<f64>,
    groups: Vec<CompleteGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompleteGroup {
    pattern: String,
    #[serde(deserialize_with = "present")]
    lr: Option<f64>,
    #[serde(deserialize_with = "present")]
    beta1: Option<f64>,
    #[serde(deserialize_with = "present")]
    beta2: Option<f64>,
    #[serde(deserialize_with = "present")]
    eps: Option<f64>,
    #[serde(deserialize_with = "present")]
    weight_decay: Option<f64>,
    #[serde(deserialize_with = "present")]
    amsgrad: Option<bool>,
}

/// An option that may be nil but not absent: a field with `deserialize_with`
/// and no `default` is required.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// A configuration with every field present.
pub(crate) fn config<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AdamWConfig, D::Error> {
    let complete = CompleteConfig::deserialize(deserializer)?;
    Ok(AdamWConfig {
        lr: complete.lr,
        beta1: complete.beta1,
        beta2: complete.beta2,
        eps: complete.eps,
        weight_decay: complete.weight_decay,
        amsgrad: complete.amsgrad,
        clip_norm: complete.clip_norm,
        clip_value: complete.clip_value,
        groups: complete
            .groups
            .into_iter()
            .map(|group| ParamGroup {
                pattern: group.pattern,
                lr: group.lr,
                beta1: group.beta1,
                beta2: group.beta2,
                eps: group.eps,
                weight_decay: group.weight_decay,
                amsgrad: group.amsgrad,
            })
            .collect(),
    })
}
