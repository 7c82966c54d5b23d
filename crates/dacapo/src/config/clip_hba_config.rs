use std::num::NonZeroUsize;

use dacapo_models::ClipConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClipBackbone;

/// `[clip]`: CLIP on the human similarity judgements of THINGS, with
/// `model.kind = "clip"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipHbaConfig {
    /// Which CLIP.
    #[serde(default)]
    pub backbone: ClipBackbone,
    /// The sizes of another one, in place of the backbone's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<ClipConfig>,
    /// Its weights, a file or a folder; `random` for fresh ones from the stream `init`.
    pub weights: String,
    /// Its tokenizer's merges.
    pub merges: String,
    /// The prompts, a line each: as many as a target has values.
    pub prompts: String,
    /// The folder of the images, or of folders of them by concept.
    pub images: String,
    /// The images' names and targets.
    pub targets: String,
    /// Which images are trained on and which judge every epoch, as the original wrote it
    /// (`dataset_split_indices.pth`), in place of `train_fraction` and `data.split_seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Images that are computed at a time up to the first trainable tensor. Another number can
    /// give other bits.
    #[serde(default = "prefix_batch")]
    pub prefix_batch: NonZeroUsize,
    /// The share of the images that is trained on; the rest judges every epoch.
    #[serde(default = "train_fraction")]
    pub train_fraction: f64,
    /// Names and targets of images for the behavioural RSA of every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_targets: Option<String>,
    /// Those images' dissimilarities as people judge them, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_rdm: Option<String>,
}

fn prefix_batch() -> NonZeroUsize {
    NonZeroUsize::new(16).expect("16 is not 0")
}

fn train_fraction() -> f64 {
    dacapo_things::Split::TRAIN_FRACTION
}

impl ClipHbaConfig {
    /// The sizes of the model.
    pub fn model(&self) -> ClipConfig {
        match &self.sizes {
            Some(sizes) => sizes.clone(),
            None => self.backbone.sizes(),
        }
    }

    /// Whether the weights are drawn.
    pub fn is_random(&self) -> bool {
        self.weights == "random"
    }

    /// Every path, by its key.
    pub fn paths_mut(&mut self) -> Vec<(&'static str, &mut String)> {
        let mut paths = Vec::new();
        if !self.is_random() {
            paths.push(("clip.weights", &mut self.weights));
        }
        paths.push(("clip.merges", &mut self.merges));
        paths.push(("clip.prompts", &mut self.prompts));
        paths.push(("clip.images", &mut self.images));
        paths.push(("clip.targets", &mut self.targets));
        paths.extend(self.split.as_mut().map(|path| ("clip.split", path)));
        paths.extend(
            self.rsa_targets
                .as_mut()
                .map(|path| ("clip.rsa_targets", path)),
        );
        paths.extend(self.rsa_rdm.as_mut().map(|path| ("clip.rsa_rdm", path)));
        paths
    }
}
