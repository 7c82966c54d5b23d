use dacapo_rng::RngHub;
use dacapo_trainer::{RunParts, Task, TrainerSettings};

use crate::{compute::Compute, identity};

/// What a run of a task of one's own is made of, on `device` in f32.
///
/// Its identity is this program's ([`identity`]), with everything that a resumed run must share
/// ([`TrainerSettings::shared_hash`]). A model that multiplies in another precision needs another:
/// set [`RunParts::identity`] to that of [`identity_in`](crate::identity_in).
pub fn run_parts<B: Compute, T: Task<B>>(
    task: T,
    model: T::Model,
    settings: TrainerSettings,
    rng: RngHub,
    device: &B::Device,
) -> RunParts<B, T> {
    RunParts {
        identity: identity::<B>(&settings.shared_hash(), device),
        task,
        model,
        settings,
        rng,
        device: device.clone(),
    }
}
