use serde::{Deserialize, Serialize};

/// When the optimizer's moments and step counters start afresh.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ResetOptimizer {
    /// One continuous run (scenario A).
    #[default]
    Never,
    /// A fresh optimizer at the start of every epoch (scenario B). The schedule goes on.
    EveryEpoch,
}

impl ResetOptimizer {
    /// The scenario's letter in the research literature that dacapo serves.
    pub fn scenario(self) -> &'static str {
        match self {
            Self::Never => "A",
            Self::EveryEpoch => "B",
        }
    }
}
