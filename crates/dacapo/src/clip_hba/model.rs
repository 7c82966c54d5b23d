use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use dacapo_dora::{DoraConfig, attach_matching};
use dacapo_models::{Clip, read_clip_weights};
use dacapo_rng::RngHub;
use dacapo_trainer::load_tensors;

use crate::{
    CliError,
    config::{AdaptMode, ClipHbaConfig, RunConfig},
};

/// CLIP with its weights and, unless everything is trained, its adapters; and the pattern of
/// what is trained.
pub(super) fn model<B: AutodiffBackend>(
    config: &RunConfig,
    clip: &ClipHbaConfig,
    rng: &mut RngHub,
    device: &B::Device,
) -> Result<(Clip<B>, &'static str), CliError> {
    let sizes = clip.model();
    let model = match clip.is_random() {
        true => Clip::init(&sizes, rng.stream("init")?, device)?,
        false => {
            let weights = read_clip_weights(Path::new(&clip.weights), &sizes)?;
            load_tensors(Clip::zeros(&sizes, device)?, "clip.weights", &weights)?
        }
    };
    let model = model.with_precision(config.run.precision);
    let adapt = &config.adapt;
    match adapt.mode {
        AdaptMode::Full => Ok((model, "*")),
        AdaptMode::Dora => {
            let dora = DoraConfig {
                flavour: adapt.flavour,
                rank: adapt.rank,
                alpha: adapt.alpha,
                dropout: adapt.dropout,
            };
            let init = rng.stream("init")?;
            let (model, _) = attach_matching(model, &adapt.targets, &dora, init)?;
            Ok((model, "*.adapter.*"))
        }
    }
}
