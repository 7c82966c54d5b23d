//! The stored state of one parameter.

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::written;

/// [`crate::Moments`] as data, in the parameter's own shape and dtype.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentsRecord {
    /// Steps taken so far.
    pub step: u64,
    /// Running average of the gradient.
    pub exp_avg: TensorData,
    /// Running average of the squared gradient.
    pub exp_avg_sq: TensorData,
    /// Element-wise maximum of `exp_avg_sq`; amsgrad only. Nil otherwise, never
    /// absent.
    #[serde(deserialize_with = "written::present")]
    pub max_exp_avg_sq: Option<TensorData>,
}
