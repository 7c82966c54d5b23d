use std::collections::BTreeSet;

use super::tensor_rule::TensorRule;
use super::{hugging_face, openai};
use crate::ClipConfig;

/// Whose names the tensors of a weight file have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WeightLayout {
    /// Of Hugging Face's `CLIPModel`.
    HuggingFace,
    /// Of OpenAI's own code, which open_clip shares.
    OpenAi,
}

impl WeightLayout {
    /// Told by one name that only this layout has.
    pub(super) fn of(names: &BTreeSet<String>) -> Option<Self> {
        [
            (Self::HuggingFace, hugging_face::CLASS_TOKEN),
            (Self::OpenAi, openai::CLASS_TOKEN),
        ]
        .into_iter()
        .find_map(|(layout, name)| names.contains(name).then_some(layout))
    }

    /// Where each tensor of a [`Clip`](crate::Clip) comes from.
    pub(super) fn rules(self, config: &ClipConfig) -> Vec<TensorRule> {
        match self {
            Self::HuggingFace => hugging_face::rules(config),
            Self::OpenAi => openai::rules(config),
        }
    }

    /// Whether a tensor is no weight: what a model of that layout derives from its sizes.
    pub(super) fn is_derived(self, name: &str) -> bool {
        match self {
            Self::HuggingFace => name.ends_with(".position_ids"),
            Self::OpenAi => ["input_resolution", "context_length", "vocab_size"].contains(&name),
        }
    }
}
