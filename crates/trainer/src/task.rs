use std::collections::{BTreeMap, BTreeSet};

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, backend::AutodiffBackend},
};

use crate::{PerturbationKind, StepContext};

/// Why a task could not do its part.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// What is trained, on what, and how it is judged.
///
/// An implementation must be a pure function of its arguments: the same model,
/// examples and context give the same bits. Everything random comes from the
/// [`StepContext`]; state that changes while training lives in the model (as
/// parameters or buffers), or it is lost when the run resumes.
pub trait Task<B: AutodiffBackend> {
    /// The model, frozen base and adapters together.
    type Model: AutodiffModule<B>;

    /// Told once, before anything is computed, which tensors are trained.
    ///
    /// A task whose model computes the same for an example in every epoch before the first of
    /// them can keep that (`dacapo-prefix`). It must not change a bit.
    fn prepare(&mut self, _trainable: &BTreeSet<String>) {}

    /// Number of training examples.
    fn train_len(&self) -> usize;

    /// Identifies the examples, their order and the split: a hash, in hex.
    fn fingerprint(&self) -> String;

    /// The mean loss, shape `[1]`, of the training examples with these indices
    /// (each below [`train_len`](Self::train_len)).
    ///
    /// On an NVIDIA GPU reduce it by `dacapo_ops::mean` or `sum`: Burn's own add the parts of a large
    /// tensor in whichever order they arrive, so that two runs may differ in their last bits.
    ///
    /// It may be asked for before the step before has been found finite. Of parameters that are not finite
    /// give a loss that is not: the run ends with the error of the first step that went wrong.
    ///
    /// # Errors
    /// Whatever keeps the task from computing it; it ends the run.
    fn loss(
        &self,
        model: &Self::Model,
        examples: &[usize],
        context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError>;

    /// Told of the training examples that the next step of the epoch takes, once everything of this
    /// one is queued: what they need from the host can be made ready while the device computes. It
    /// must not change a bit.
    fn prefetch(&self, _examples: &[usize]) {}

    /// Metrics of the model in evaluation mode, by name; run at the end of every epoch.
    ///
    /// # Errors
    /// Whatever keeps the task from computing them; it ends the run.
    fn evaluate(
        &self,
        model: &<Self::Model as AutodiffModule<B>>::InnerModule,
    ) -> Result<BTreeMap<String, f64>, TaskError>;

    /// The names that [`evaluate`](Self::evaluate) reports, if they are known beforehand: a
    /// wrong `early_stopping.monitor` is then refused at once, not after an epoch, and a
    /// saved history that lacks one is refused, too.
    fn metrics(&self) -> Option<BTreeSet<String>> {
        None
    }

    /// The kinds of perturbation [of a batch](PerturbationKind::is_of_batch) that
    /// [`loss`](Self::loss) does where its context asks for one; a run with another is refused.
    fn perturbations(&self) -> &[PerturbationKind] {
        &[]
    }

    /// Whether the tensor at this path is state that the forward pass updates.
    ///
    /// The default knows Burn's convention for running statistics
    /// (`running_mean`, `running_var`).
    fn is_buffer(&self, path: &str) -> bool {
        path.rsplit('.')
            .next()
            .is_some_and(|name| name.starts_with("running_"))
    }
}
