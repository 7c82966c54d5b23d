use std::collections::BTreeSet;

use super::names::Names;
use super::{hugging_face, openai};

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
        let layouts = [Self::HuggingFace, Self::OpenAi].into_iter();
        let mut own = layouts.filter(|layout| names.contains(layout.names().class_token));
        own.next()
    }

    pub(super) fn names(self) -> &'static Names {
        match self {
            Self::HuggingFace => &hugging_face::NAMES,
            Self::OpenAi => &openai::NAMES,
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
