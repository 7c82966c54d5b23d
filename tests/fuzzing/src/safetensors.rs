use std::path::Path;

use dacapo::models::{Activation, ClipConfig, TowerConfig, read_clip_weights};

use crate::{
    file::{accepted, with_file},
    memory::bounded,
};

/// A tensor's entry in the header becomes two names, a shape and, perhaps, a place in a message.
const PER_BYTE: usize = 64;

/// Weights of CLIP: `bytes` as a `.safetensors` file, or as the index of several if they begin
/// with a `{`.
pub fn safetensors(bytes: &[u8]) {
    let name = match bytes.first() {
        Some(b'{') => "hostile.safetensors.index.json",
        _ => "hostile.safetensors",
    };
    with_file(name, bytes, |path| read(path, bytes.len()));
}

fn read(path: &Path, len: usize) {
    let config = config();
    // What is wrong may be the index or a file that it names: they lie in one folder.
    let folder = path.parent().expect("a file lies in a folder");
    let weights = bounded(PER_BYTE, len, || {
        accepted(folder, read_clip_weights(path, &config))
    });
    for (name, data) in weights.into_iter().flatten() {
        let values = data.as_slice::<f32>().expect("weights are read as f32");
        assert_eq!(values.len(), data.shape.iter().product::<usize>(), "{name}");
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
    }
}

/// The smallest CLIP: a file of all its weights is a few thousand bytes.
fn config() -> ClipConfig {
    let tower = TowerConfig {
        d_model: 1,
        blocks: 1,
        heads: 1,
        d_mlp: 1,
    };
    ClipConfig {
        image_size: 1,
        patch_size: 1,
        vision: tower.clone(),
        text: tower,
        vocabulary: 1,
        context: 1,
        d_embed: 1,
        activation: Activation::QuickGelu,
    }
}
