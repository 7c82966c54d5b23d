use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Random changes of the training images, drawn from the stream `augment`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    /// The images as they are.
    #[default]
    None,
    /// Each image moved by -1, 0 or 1 pixels in both directions.
    Shift,
}
