use dacapo_rng::{DropoutKey, RngHub};

use crate::BatchPerturbation;

/// The random sources of one forward pass: of a micro-batch, or of a shard of one.
pub struct StepContext<'a> {
    /// Keys the dropout masks: hand it to the layers' `forward`.
    pub dropout: DropoutKey,
    /// The named streams, for draws in sequence such as augmentation. Their positions are state; with
    /// virtual shards every shard has streams of its own, which begin anew in every step.
    pub rng: &'a mut RngHub,
    /// What to do to the batch, in a step that a perturbation disturbs.
    pub perturbation: Option<&'a mut BatchPerturbation>,
}
