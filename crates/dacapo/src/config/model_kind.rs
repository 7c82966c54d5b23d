use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// A small vision transformer.
    #[default]
    Vit,
    /// A small convolutional network with batch normalisation.
    ConvNet,
    /// OpenAI's CLIP on the THINGS data set, as `[clip]` says.
    Clip,
    /// A BERT on the names of THINGS' objects, as `[sentences]` says.
    Bert,
}
