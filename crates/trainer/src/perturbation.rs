use serde::{Deserialize, Serialize};

use crate::{PerturbationKind, TrainerError};

/// A window of steps in which training is disturbed, and how.
///
/// Everything random in it comes from `Stream::keyed(seed, "perturbation", step)`, so that
/// no other stream moves: after the window, data order and dropout are the undisturbed run's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Perturbation {
    /// What is done.
    pub kind: PerturbationKind,
    /// The first disturbed optimizer step, from 1.
    pub first_step: u64,
    /// How many steps are disturbed.
    pub steps: u64,
    /// Seeds its draws.
    #[serde(default)]
    pub seed: u64,
    /// The factor on the learning rate, for [`PerturbationKind::LearningRate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
}

impl Perturbation {
    /// The stream that it draws from.
    pub const STREAM: &'static str = "perturbation";

    /// Whether the optimizer step (from 1) is disturbed.
    pub fn is_active(&self, step: u64) -> bool {
        step >= self.first_step && step - self.first_step < self.steps
    }

    /// Checks the ranges, for epochs of `steps_per_epoch` steps.
    ///
    /// # Errors
    /// An empty window, a factor that is missing, out of range or without meaning, a window of
    /// [`PerturbationKind::DataOrder`] that does not consist of whole epochs.
    pub fn validate(&self, steps_per_epoch: u64) -> Result<(), TrainerError> {
        if self.first_step == 0 || self.steps == 0 {
            return Err(TrainerError::setting(
                "perturbation",
                format!("{} steps from step {}", self.steps, self.first_step),
                "steps count from 1, and there must be one",
                "Set perturbation.first_step and perturbation.steps to at least 1",
            ));
        }
        let rate = self.kind == PerturbationKind::LearningRate;
        let right = self
            .factor
            .is_some_and(|factor| factor.is_finite() && factor >= 0.0);
        if rate != self.factor.is_some() || rate && !right {
            let found = match self.factor {
                Some(factor) => factor.to_string(),
                None => "nothing".to_owned(),
            };
            return Err(TrainerError::setting(
                "perturbation.factor",
                found,
                "a finite number >= 0 with the kind learning-rate, and nothing with another",
                "Correct the key",
            ));
        }
        let whole = (self.first_step - 1).is_multiple_of(steps_per_epoch)
            && self.steps.is_multiple_of(steps_per_epoch);
        if self.kind == PerturbationKind::DataOrder && !whole {
            return Err(TrainerError::setting(
                "perturbation",
                format!("{} steps from step {}", self.steps, self.first_step),
                format!(
                    "an order is an epoch's: whole epochs of {steps_per_epoch} steps are needed"
                ),
                "Branch off the end of an epoch, for a number of epochs",
            ));
        }
        Ok(())
    }
}

impl std::fmt::Display for Perturbation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.first_step.saturating_add(self.steps - 1);
        write!(f, "{}", self.kind.name())?;
        if let Some(factor) = self.factor {
            write!(f, " times {factor}")?;
        }
        write!(
            f,
            " in steps {} to {last}, seed {}",
            self.first_step, self.seed
        )
    }
}
