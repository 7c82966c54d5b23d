use serde::{Deserialize, Serialize};

/// What a perturbation does to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PerturbationKind {
    /// Targets change places within the batch.
    LabelShuffle,
    /// Targets are drawn: from a normal distribution with the mean and deviation of all
    /// targets, or, where targets are classes, from the classes there are.
    RandomTargets,
    /// Images are drawn: every value from the standard normal distribution.
    ImageNoise,
    /// Every value of every image is 0.5.
    UniformImages,
    /// The learning rate is multiplied by a factor.
    LearningRate,
    /// The examples come in another order.
    DataOrder,
    /// Dropout draws other masks.
    DropoutSeed,
}

impl PerturbationKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::LabelShuffle,
        Self::RandomTargets,
        Self::ImageNoise,
        Self::UniformImages,
        Self::LearningRate,
        Self::DataOrder,
        Self::DropoutSeed,
    ];

    /// Its name, as in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelShuffle => "label-shuffle",
            Self::RandomTargets => "random-targets",
            Self::ImageNoise => "image-noise",
            Self::UniformImages => "uniform-images",
            Self::LearningRate => "learning-rate",
            Self::DataOrder => "data-order",
            Self::DropoutSeed => "dropout-seed",
        }
    }

    /// Whether it is done to a batch, by the task, and not to the loop.
    pub fn is_of_batch(self) -> bool {
        match self {
            Self::LabelShuffle | Self::RandomTargets | Self::ImageNoise | Self::UniformImages => {
                true
            }
            Self::LearningRate | Self::DataOrder | Self::DropoutSeed => false,
        }
    }
}
