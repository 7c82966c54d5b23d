use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdaptMode {
    /// DoRA adapters on a frozen base.
    #[default]
    Dora,
    /// Every parameter.
    Full,
}
