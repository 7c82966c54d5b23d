//! The published weights of CLIP, by name.

mod hugging_face;
mod layout;
mod names;
mod openai;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::TensorData;
use layout::WeightLayout;
use rules::rules;

use crate::shown::shown;
use crate::weights::{Sources, TensorRule, read_weights};
use crate::{ClipConfig, ModelsError};

/// Every tensor of a [`Clip`](crate::Clip) of this configuration, in f32 and by stable
/// path, from published weights.
///
/// `path` is a `.safetensors` file, or one of PyTorch (`.pt`, `.pth`, `.bin`; OpenAI's own
/// are TorchScript archives), of which nothing is executed; or the `.index.json` of a model
/// in several; or a folder with `model.safetensors`, its index, or the like. The names are those of Hugging Face's `CLIPModel`, or of OpenAI's code and open_clip; f16
/// and bf16 become f32, which holds them exactly.
///
/// # Errors
/// Files that cannot be read, tensors that are missing, unexpected (all of them are
/// listed), of another shape (the first is named), or not finite.
pub fn read_clip_weights(
    path: &Path,
    config: &ClipConfig,
) -> Result<BTreeMap<String, TensorData>, ModelsError> {
    read_weights(path, config.into())
}

/// Where the tensors are in the file at `path`, which has tensors of these names.
pub(crate) fn sources(
    config: &ClipConfig,
    path: &Path,
    names: &BTreeSet<String>,
) -> Result<Sources, ModelsError> {
    let Some(layout) = WeightLayout::of(names) else {
        let some: Vec<String> = names.iter().take(5).map(|name| shown(name)).collect();
        return Err(ModelsError::weights(
            path,
            "the tensors of a CLIP with a vision transformer, named as Hugging Face's CLIPModel \
             or OpenAI's code names them",
            format!("{} others: {}, ...", names.len(), some.join(", ")),
        ));
    };
    let unread = names.iter().filter(|name| layout.is_derived(name));
    Ok(Sources {
        rules: rules(layout.names(), config),
        unread: unread.cloned().collect(),
    })
}

/// Where they are in one of Hugging Face.
pub(crate) fn hugging_face_rules(config: &ClipConfig) -> Vec<TensorRule> {
    rules(WeightLayout::HuggingFace.names(), config)
}
