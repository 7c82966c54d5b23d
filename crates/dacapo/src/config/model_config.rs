use std::path::Path;

use dacapo_models::{ConvNetConfig, VitConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ModelKind;

/// `[model]`: the network and where its base weights come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// The architecture.
    pub kind: ModelKind,
    /// `embedded` for the built-in base, `random` for fresh weights from the stream
    /// `init`, or the path of a base file that `dacapo pretrain` wrote.
    pub base: String,
    /// Sizes of the transformer.
    pub vit: VitConfig,
    /// Sizes of the convolutional network.
    pub conv_net: ConvNetConfig,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            kind: ModelKind::Vit,
            base: "embedded".to_owned(),
            vit: VitConfig::default(),
            conv_net: ConvNetConfig::default(),
        }
    }
}

impl ModelConfig {
    /// The base's file, if it comes from one.
    pub fn base_file(&self) -> Option<&Path> {
        match self.base.as_str() {
            "embedded" | "random" => None,
            path => Some(Path::new(path)),
        }
    }
}
