use serde::{Deserialize, Serialize};

use crate::ModelsError;
use crate::check::{dropout, positive};

/// The sizes of a [`ConvNet`](crate::ConvNet).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ConvNetConfig {
    /// Pixels along a side of the square image.
    pub image_size: usize,
    /// Channels after the first and after the second convolution.
    pub channels: [usize; 2],
    /// Number of classes.
    pub classes: usize,
    /// Dropout probability before the head, `[0, 1)`.
    pub dropout: f64,
}

impl Default for ConvNetConfig {
    fn default() -> Self {
        Self {
            image_size: 8,
            channels: [8, 16],
            classes: 10,
            dropout: 0.0,
        }
    }
}

impl ConvNetConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`ModelsError::Config`] naming the first key that is out of range.
    pub fn validate(&self) -> Result<(), ModelsError> {
        positive("image_size", self.image_size)?;
        positive("channels[0]", self.channels[0])?;
        positive("channels[1]", self.channels[1])?;
        positive("classes", self.classes)?;
        dropout("dropout", self.dropout)
    }

    /// Inputs of the head: the second convolution halves each side, rounding
    /// up.
    pub fn features(&self) -> usize {
        let side = self.image_size.div_ceil(2);
        self.channels[1] * side * side
    }
}
