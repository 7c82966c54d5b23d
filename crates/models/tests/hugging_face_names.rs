//! What transformers calls a linear layer, and what we call it.

mod common;

use std::fs;

use burn_flex::Flex;
use common::{DEVICE, golden_file};
use dacapo_dora::{DoraLinear, DoraTargets};
use dacapo_models::{Architecture, Bert, Clip};
use safetensors::SafeTensors;

/// The paths of a model's linear layers.
fn linears(model: impl DoraTargets<Flex>) -> Vec<(String, [usize; 2])> {
    let mut found = Vec::new();
    let visit = |path: &str, linear: DoraLinear<Flex>| {
        found.push((path.to_owned(), [linear.d_in(), linear.d_out()]));
        Ok(linear)
    };
    model.map_linears(&mut { visit }).expect("visited");
    found
}

/// The model's linear layers are the matrices in its file, but for those that `others` names.
#[track_caller]
fn assert_names(
    file: &str,
    architecture: Architecture<'_>,
    layers: Vec<(String, [usize; 2])>,
    others: &[&str],
) {
    let bytes = fs::read(golden_file(file)).expect("golden weights");
    let file = SafeTensors::deserialize(&bytes).expect("golden weights");
    let mut matrices: Vec<&str> = file
        .iter()
        .filter(|(_, view)| view.shape().len() == 2)
        .filter_map(|(name, _)| name.strip_suffix(".weight"))
        .filter(|name| !others.contains(name))
        .collect();
    matrices.sort_unstable();
    let mut named = Vec::new();
    for (path, [d_in, d_out]) in layers {
        let Some(module) = architecture.hugging_face_module(&path) else {
            assert_eq!(path, "visual.patch_embed");
            continue;
        };
        assert_eq!(architecture.path_of_hugging_face(&module), Some(path));
        let weight = file.tensor(&format!("{module}.weight")).expect("there");
        assert_eq!(weight.shape(), [d_out, d_in], "{module}");
        named.push(module);
    }
    named.sort_unstable();
    assert_eq!(named, matrices);
}

#[test]
fn layer_has_another_name_in_transformers() {
    let config = common::bert::config();
    let model = Bert::<Flex>::zeros(&config, &DEVICE).expect("a valid config");
    let others = [
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
        "pooler.dense",
    ];
    let architecture = Architecture::from(&config);
    assert_names("bert.safetensors", architecture, linears(model), &others);
    let module = architecture.hugging_face_module("blocks.0.attn.query");
    assert_eq!(
        module.as_deref(),
        Some("encoder.layer.0.attention.self.query")
    );
    for path in [
        "embed.tokens",
        "embed.norm",
        "blocks.2.mlp.fc1",
        "blocks.0.attn",
        "",
    ] {
        assert_eq!(architecture.hugging_face_module(path), None, "{path}");
    }
    for module in [&others[..], &["encoder.layer.0.output.LayerNorm", ""]].concat() {
        assert_eq!(architecture.path_of_hugging_face(module), None, "{module}");
    }

    let config = common::clip::config(&common::clip::golden());
    let model = Clip::<Flex>::zeros(&config, &DEVICE).expect("a valid config");
    let others = [
        "vision_model.embeddings.position_embedding",
        "text_model.embeddings.position_embedding",
        "text_model.embeddings.token_embedding",
    ];
    let architecture = Architecture::from(&config);
    assert_names("clip_hf.safetensors", architecture, linears(model), &others);
    let module = architecture.hugging_face_module("visual.blocks.2.attn.out_proj");
    let expected = "vision_model.encoder.layers.2.self_attn.out_proj";
    assert_eq!(module.as_deref(), Some(expected));
    let convolution = "vision_model.embeddings.patch_embedding";
    assert_eq!(architecture.path_of_hugging_face(convolution), None);
}
