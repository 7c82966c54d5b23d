use serde::{Deserialize, Serialize};

/// What moves the learning-rate schedule on by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScheduleUnit {
    /// Every optimizer step.
    #[default]
    Step,
    /// The end of every epoch.
    Epoch,
}
