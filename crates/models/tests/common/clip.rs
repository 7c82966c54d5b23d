//! The small CLIP of `golden/clip.py`.

use dacapo_models::{ClipConfig, TowerConfig};
use serde_json::Value;

pub fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/clip.json")).expect("JSON")
}

pub fn config(golden: &Value) -> ClipConfig {
    let tower = |key: &str| {
        let sizes = super::sizes(&golden[key]);
        TowerConfig {
            d_model: sizes[0],
            d_mlp: sizes[1],
            blocks: sizes[2],
            heads: sizes[3],
        }
    };
    ClipConfig {
        image_size: super::size(&golden["image_size"]),
        patch_size: super::size(&golden["patch_size"]),
        vision: tower("vision"),
        text: tower("text"),
        vocabulary: super::size(&golden["vocabulary"]),
        context: super::size(&golden["context"]),
        d_embed: super::size(&golden["d_embed"]),
        ..ClipConfig::vit_b_32()
    }
}
