//! What transformers calls a linear layer, and what we call it.

mod common;

use std::fs;

use burn_flex::Flex;
use common::{DEVICE, golden_file};
use dacapo_dora::{DoraLinear, DoraTargets};
use dacapo_models::{Architecture, Bert, Clip, read_bert_weights, read_clip_weights};
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
    let named = architecture.hugging_face_convolution("visual.patch_embed");
    let kernel = vec![config.patch_size; 2];
    assert_eq!(named, Some((convolution.to_owned(), kernel.clone())));
    let path = architecture.path_of_hugging_face_convolution(convolution, &kernel);
    assert_eq!(path.as_deref(), Some("visual.patch_embed"));
    for kernel in [&[][..], &[1, 1], &kernel[..1], &[1, 1, 1]] {
        let path = architecture.path_of_hugging_face_convolution(convolution, kernel);
        assert_eq!(path, None, "{kernel:?}");
    }
    for path in ["visual.projection", "visual.blocks.0.attn.query", ""] {
        assert_eq!(architecture.hugging_face_convolution(path), None, "{path}");
    }
}

/// Every tensor of a file by itself is what the reader of the whole file makes of it.
#[test]
fn single_tensor_is_another_than_in_its_file() {
    let bert = common::bert::config();
    let clip = common::clip::config(&common::clip::golden());
    let read = |file: &str| fs::read(golden_file(file)).expect("golden weights");
    for (file, architecture, whole, others) in [
        (
            "bert.safetensors",
            Architecture::from(&bert),
            read_bert_weights(&golden_file("bert.safetensors"), &bert),
            // Of which a part is here; and what is not read.
            &["embeddings.token_type_embeddings.weight", "pooler."][..],
        ),
        (
            "clip_hf.safetensors",
            Architecture::from(&clip),
            read_clip_weights(&golden_file("clip_hf.safetensors"), &clip),
            &["position_ids"],
        ),
    ] {
        let whole = whole.expect("golden weights");
        let bytes = read(file);
        let file = SafeTensors::deserialize(&bytes).expect("golden weights");
        let mut found = 0;
        for (name, view) in file.iter() {
            let values: Vec<f32> = view
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            let mut long = view.shape().to_vec();
            long.push(1);
            let values_of =
                |shape: &[usize]| architecture.from_hugging_face(name, shape, values.clone());
            assert_eq!(values_of(&long), None, "{name}");
            match values_of(view.shape()) {
                Some((path, data)) => {
                    assert_eq!(data, whole[&path], "{name}");
                    found += 1;
                }
                None => assert!(others.iter().any(|other| name.contains(other)), "{name}"),
            }
        }
        let parts = others.iter().filter(|other| other.contains("token_type"));
        assert_eq!(found + parts.count(), whole.len());
    }
}
