//! CLIP against Hugging Face's CLIPModel in PyTorch: features, logits, DoRA's gradients and 50
//! steps, with weights in either layout.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use common::clip::{config, golden};
use common::{DEVICE, Train, assert_close, golden_file, load, numbers, size};
use dacapo_dora::{AdapterInit, DoraConfig, Flavour, attach_matching};
use dacapo_models::{Clip, ClipConfig, ClipTokenizer, ModelsError, TokenBatch, read_clip_weights};
use dacapo_optim::{AdamW, AdamWConfig, ParamSpec};
use dacapo_rng::Stream;
use serde_json::Value;

fn pretrained(golden: &Value, file: &str, dtype: DType) -> Clip<Train> {
    let config = config(golden);
    let weights = read_clip_weights(&golden_file(file), &config).expect("golden weights");
    let model = Clip::zeros(&config, &DEVICE).expect("a valid config");
    assert_eq!(common::values(&model).len(), weights.len());
    load(model, &weights, dtype).no_grad()
}

struct Inputs {
    images: Tensor<Train, 4>,
    texts: TokenBatch,
    targets: Tensor<Train, 2>,
}

fn inputs(golden: &Value, dtype: DType) -> Inputs {
    let side = size(&golden["image_size"]);
    let texts = golden["texts"].as_array().expect("a list");
    let ids = |text: &Value| {
        common::sizes(text)
            .into_iter()
            .map(|id| id as u32)
            .collect()
    };
    let texts: Vec<Vec<u32>> = texts.iter().map(ids).collect();
    let images = numbers(&golden["images"]);
    let n = images.len() / (3 * side * side);
    let targets = TensorData::new(numbers(&golden["targets"]), [n, texts.len()]);
    Inputs {
        images: Tensor::from_data(
            TensorData::new(images, [n, 3, side, side]),
            (&DEVICE, dtype),
        ),
        texts: TokenBatch::new(texts).expect("texts"),
        targets: Tensor::from_data(targets, (&DEVICE, dtype)),
    }
}

fn assert_features(file: &str, dtype: DType, tolerance: f64) {
    let golden = golden();
    let model = pretrained(&golden, file, dtype);
    let Inputs { images, texts, .. } = inputs(&golden, dtype);
    let plain = |key: &str| numbers(&golden["plain"][key]);
    let seen = model.visual.forward(images.clone(), None);
    assert_eq!(seen.dtype(), dtype);
    assert_close(
        "images",
        &seen.into_data(),
        &plain("image_features"),
        tolerance,
    );
    let read = model.text.forward(&texts, None).into_data();
    assert_close("texts", &read, &plain("text_features"), tolerance);
    let logits = model.forward(images, &texts, None).into_data();
    assert_close("logits", &logits, &plain("logits"), tolerance);
}

#[test]
fn features_differ_from_pytorch() {
    for file in ["clip_hf.safetensors", "clip_openai.safetensors"] {
        assert_features(file, DType::F32, 1e-5);
        assert_features(file, DType::F64, 1e-10);
    }
}

#[test]
fn layouts_give_other_weights() {
    let config = config(&golden());
    let read = |file| read_clip_weights(&golden_file(file), &config).expect("golden weights");
    let weights = read("clip_hf.safetensors");
    assert_eq!(weights, read("clip_openai.safetensors"));
    assert_eq!(weights, read("clip_openai.pth"));
}

/// With the golden adapters of the researchers' form.
fn adapted(golden: &Value, dtype: DType) -> Clip<Train> {
    let rank = size(&golden["rank"]);
    let dora = DoraConfig {
        flavour: Flavour::ClipHba,
        rank,
        alpha: golden["alpha"].as_f64().expect("a number"),
        dropout: 0.0,
        rslora: false,
        init: AdapterInit::Kaiming,
    };
    let values: BTreeMap<String, TensorData> = golden["adapters"]
        .as_object()
        .expect("a map")
        .iter()
        .map(|(path, values)| {
            let values = numbers(values);
            let len = values.len();
            let shape = match path.rsplit('.').next() {
                Some("lora_a") => vec![rank, len / rank],
                Some("lora_b") => vec![len / rank, rank],
                _ => vec![len],
            };
            (path.clone(), TensorData::new(values, shape))
        })
        .collect();
    let targets: Vec<String> = values
        .keys()
        .filter_map(|path| path.strip_suffix(".adapter.magnitude"))
        .map(str::to_owned)
        .collect();
    let model = pretrained(golden, "clip_hf.safetensors", dtype);
    let stream = &mut Stream::named(7, "init");
    let (model, attached) = attach_matching(model, &targets, &dora, stream).expect("attachable");
    assert_eq!(attached.len(), targets.len());
    // m starts as the norm, in PyTorch too.
    for (path, value) in common::values(&model) {
        if path.ends_with(".magnitude") {
            let wanted: Vec<f64> = values[&path].iter().collect();
            assert_close(&path, &value, &wanted, 1e-6);
        }
    }
    load(model, &values, dtype)
}

fn loss(model: &Clip<Train>, inputs: &Inputs) -> Tensor<Train, 1> {
    let logits = model.forward(inputs.images.clone(), &inputs.texts, None);
    let error = logits - inputs.targets.clone();
    (error.clone() * error).mean()
}

fn assert_training(dtype: DType, [first, last]: [f64; 2]) {
    let golden = golden();
    let mut model = adapted(&golden, dtype);
    let inputs = inputs(&golden, dtype);
    let logits = model.forward(inputs.images.clone(), &inputs.texts, None);
    let wanted = numbers(&golden["adapted"]["logits"]);
    assert_close("logits", &logits.into_data(), &wanted, first);

    let adamw = AdamW::new(AdamWConfig {
        lr: golden["lr"].as_f64().expect("a number"),
        ..AdamWConfig::default()
    })
    .expect("a valid config");
    let specs: BTreeMap<String, ParamSpec> = common::values(&model)
        .into_iter()
        .filter(|(path, _)| path.contains(".adapter."))
        .map(|(path, data)| (path, ParamSpec::new(data.shape.to_vec(), data.dtype)))
        .collect();
    let mut state = adamw.init::<Flex>(&specs, &DEVICE).expect("specs");
    let losses = numbers(&golden["losses"]);
    for (step, wanted) in losses.iter().enumerate() {
        let loss = loss(&model, &inputs);
        let grads = common::gradients(&model, &loss.backward());
        let found = loss.into_data();
        let tolerance = first + (last - first) * step as f64 / losses.len() as f64;
        assert_close(&format!("loss {step}"), &found, &[*wanted], tolerance);
        if step == 0 {
            for (path, wanted) in golden["adapted"]["gradients"].as_object().expect("a map") {
                assert_close(path, &grads[path], &numbers(wanted), first);
            }
            // Nothing else is trained.
            assert!(grads.keys().eq(specs.keys()));
        }
        let flat = |values: BTreeMap<String, TensorData>| {
            let flat = |(path, data): (String, TensorData)| {
                let len = data.num_elements();
                let flat = TensorData {
                    shape: [len].into(),
                    ..data
                };
                (path, Tensor::<Flex, 1>::from_data(flat, (&DEVICE, dtype)))
            };
            values.into_iter().map(flat).collect::<BTreeMap<_, _>>()
        };
        let mut params = common::values(&model);
        params.retain(|path, _| specs.contains_key(path));
        let (params, next, _) = adamw
            .step(state, flat(params), flat(grads), 1.0)
            .expect("a step");
        state = next;
        let values = params
            .into_iter()
            .map(|(path, value)| {
                let data = TensorData {
                    shape: specs[&path].shape.clone().into(),
                    ..value.into_data()
                };
                (path, data)
            })
            .collect();
        model = load(model, &values, dtype);
    }
    let trained = common::values(&model);
    for (path, wanted) in golden["trained"].as_object().expect("a map") {
        assert_close(path, &trained[path], &numbers(wanted), last);
    }
}

#[test]
fn training_differs_from_pytorch_in_f64() {
    assert_training(DType::F64, [1e-10, 1e-8]);
}

#[test]
fn training_differs_from_pytorch_in_f32() {
    assert_training(DType::F32, [1e-5, 1e-3]);
}

#[test]
fn padding_after_the_end_token_is_read() {
    let golden = golden();
    let model = pretrained(&golden, "clip_hf.safetensors", DType::F32);
    let Inputs { texts, .. } = inputs(&golden, DType::F32);
    let mut padded = texts.texts().to_vec();
    for text in &mut padded {
        text.resize(9, 0);
    }
    let padded = TokenBatch::new(padded).expect("texts");
    assert_eq!(padded, texts);
    // Alone and beside a longer one a text has the same features.
    let together = model.text.forward(&texts, None).into_data();
    let alone = TokenBatch::new(vec![texts.texts()[0].clone()]).expect("a text");
    let alone = model.text.forward(&alone, None).into_data();
    let together: Vec<f64> = together.iter::<f64>().take(alone.num_elements()).collect();
    assert_close("features", &alone, &together, 1e-6);
}

fn refused(path: &Path, config: &ClipConfig) -> String {
    match read_clip_weights(path, config) {
        Err(error @ (ModelsError::Weights { .. } | ModelsError::WeightNames { .. })) => {
            error.to_string()
        }
        other => panic!("expected an error, found {other:?}"),
    }
}

#[test]
fn weights_of_another_architecture_are_loaded() {
    let right = config(&golden());
    let file = golden_file("clip_hf.safetensors");
    let mut wrong = right.clone();
    wrong.vision.blocks = 4;
    let message = refused(&file, &wrong);
    assert!(
        message.contains("vision_model.encoder.layers.3.self_attn.q_proj.weight"),
        "{message}"
    );
    assert!(message.contains("unexpected []"), "{message}");
    let mut wrong = right.clone();
    wrong.text.blocks = 1;
    let message = refused(&file, &wrong);
    assert!(message.contains("missing []"), "{message}");
    assert!(
        message.contains("text_model.encoder.layers.1.mlp.fc1.bias"),
        "{message}"
    );
    let wrong = ClipConfig {
        vocabulary: 41,
        ..right
    };
    let message = refused(&file, &wrong);
    assert!(
        message.contains("text_model.embeddings.token_embedding.weight"),
        "{message}"
    );
    assert!(
        message.contains("[41, 12]") && message.contains("[40, 12]"),
        "{message}"
    );
}

#[test]
fn damaged_weights_are_loaded() {
    let config = config(&golden());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(golden_file("clip_hf.safetensors")).expect("golden weights");
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).expect("written");
        refused(&file, &config);
    }
    let mut longer = whole.clone();
    longer.push(0);
    fs::write(&file, longer).expect("written");
    refused(&file, &config);
    let torch = folder.path().join("model.pth");
    let archive = fs::read(golden_file("clip_openai.pth")).expect("golden weights");
    for length in [0, 100, archive.len() / 2, archive.len() - 1] {
        fs::write(&torch, &archive[..length]).expect("written");
        refused(&torch, &config);
    }
    // Not a number, in the last tensor.
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&file, nan).expect("written");
    assert!(refused(folder.path(), &config).contains("NaN"));
    fs::write(&file, &whole).expect("written");
    assert!(read_clip_weights(folder.path(), &config).is_ok());
}

#[test]
fn sharded_weights_differ_from_whole_ones() {
    let config = config(&golden());
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(golden_file("clip_hf.safetensors")).expect("golden weights");
    let whole = safetensors::SafeTensors::deserialize(&bytes).expect("golden weights");
    let mut map = serde_json::Map::new();
    for (shard, name) in ["a.safetensors", "b.safetensors"].into_iter().enumerate() {
        let mut names: Vec<String> = whole.names().into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        let own = names.iter().enumerate().filter(|(i, _)| i % 2 == shard);
        let views: Vec<_> = own
            .map(|(_, tensor)| {
                map.insert(tensor.clone(), name.into());
                (tensor.clone(), whole.tensor(tensor).expect("its own name"))
            })
            .collect();
        let shard = safetensors::serialize(views, None).expect("serialised");
        fs::write(folder.path().join(name), shard).expect("written");
    }
    let index = serde_json::json!({ "weight_map": map }).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).expect("written");
    let sharded = read_clip_weights(folder.path(), &config).expect("both shards");
    let whole = read_clip_weights(&golden_file("clip_hf.safetensors"), &config);
    assert_eq!(sharded, whole.expect("golden weights"));
    fs::remove_file(folder.path().join("b.safetensors")).expect("removed");
    assert!(refused(folder.path(), &config).contains("b.safetensors"));
}

#[test]
fn tokens_differ_from_openais() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/clip_tokens.json")).expect("JSON");
    let tokenizer = ClipTokenizer::read(&golden_file("clip_merges.txt"), 77).expect("merges");
    for case in golden["cases"].as_array().expect("a list") {
        let text = case["text"].as_str().expect("a text");
        let found = tokenizer.tokenize(&[text]).expect("a short text");
        let found: Vec<usize> = found.texts()[0].iter().map(|id| *id as usize).collect();
        assert_eq!(found, common::sizes(&case["openai"]), "{text:?}");
        assert_eq!(found, common::sizes(&case["hugging_face"]), "{text:?}");
    }
    assert_eq!(tokenizer.vocabulary(), 512 + 80 + 2);
}

#[test]
fn text_or_merges_that_do_not_fit_are_tokenized() {
    let merges = golden_file("clip_merges.txt");
    let tokenizer = ClipTokenizer::read(&merges, 5).expect("merges");
    let error = tokenizer.tokenize(&["red", "a photo of the animal"]);
    let error = error.expect_err("too long").to_string();
    assert!(
        error.contains("text 1, \"a photo of the animal\""),
        "{error}"
    );
    assert!(tokenizer.tokenize::<&str>(&[]).is_err());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("merges.txt");
    for (text, part) in [
        ("", "the heading \"\""),
        ("a b\n", "the heading \"a b\""),
        ("#version: 0.2\na b\nab\n", "line 3, \"ab\""),
        ("#version: 0.2\na b c\n", "line 2, \"a b c\""),
    ] {
        fs::write(&file, text).expect("written");
        let error = ClipTokenizer::read(&file, 77)
            .expect_err("no merges")
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}
