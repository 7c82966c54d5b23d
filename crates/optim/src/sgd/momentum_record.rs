//! The stored state of one parameter.

use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::written;

/// [`crate::Momentum`] as data, in the parameter's own shape and dtype.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MomentumRecord {
    /// Steps taken so far.
    pub step: u64,
    /// The decaying sum of the gradients. Nil before the first step and without momentum,
    /// never absent.
    #[serde(deserialize_with = "written::present")]
    pub momentum_buffer: Option<TensorData>,
}
