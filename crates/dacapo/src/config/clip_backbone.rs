use dacapo_models::ClipConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of OpenAI's CLIPs with a vision transformer, at 224 pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClipBackbone {
    /// ViT-L/14.
    #[default]
    #[serde(rename = "vit-l-14")]
    VitL14,
    /// ViT-B/16.
    #[serde(rename = "vit-b-16")]
    VitB16,
    /// ViT-B/32.
    #[serde(rename = "vit-b-32")]
    VitB32,
}

impl ClipBackbone {
    /// Its sizes.
    pub fn sizes(self) -> ClipConfig {
        match self {
            Self::VitL14 => ClipConfig::vit_l_14(),
            Self::VitB16 => ClipConfig::vit_b_16(),
            Self::VitB32 => ClipConfig::vit_b_32(),
        }
    }
}
