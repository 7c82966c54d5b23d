//! Published weights that are written again with merged ones among them.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, Write};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use common::golden_file;
use dacapo_models::{
    Architecture, BertConfig, ClipConfig, ModelsError, read_bert_weights, read_clip_weights,
    write_merged_weights,
};
use dacapo_pth::{Dict, Dtype, Key, PthFile, Tensor, Value, to_bytes};
use proptest::prelude::*;
use safetensors::SafeTensors;

type Weights = BTreeMap<String, TensorData>;

fn bert() -> BertConfig {
    common::bert::config()
}

fn clip() -> ClipConfig {
    common::clip::config(&common::clip::golden())
}

fn written<'a>(
    original: &Path,
    architecture: impl Into<Architecture<'a>>,
    replaced: &Weights,
) -> Result<Vec<u8>, ModelsError> {
    let mut out = Vec::new();
    write_merged_weights(original, architecture, replaced, &mut out)?;
    Ok(out)
}

/// Other values of the same shapes.
fn others(weights: &Weights, path: &str) -> (String, TensorData) {
    let data = &weights[path];
    let values: Vec<f32> = data.iter::<f32>().map(|value| 1.0 - 2.0 * value).collect();
    (path.to_owned(), TensorData::new(values, data.shape.clone()))
}

/// What is read of a file of these bytes.
fn read<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    fs::write(&path, bytes).expect("written");
    read(&path)
}

#[test]
fn file_of_which_nothing_is_replaced_is_another() {
    let none = Weights::new();
    for (file, architecture) in [
        ("bert.safetensors", Architecture::from(&bert())),
        ("clip_hf.safetensors", Architecture::from(&clip())),
        ("clip_openai.safetensors", Architecture::from(&clip())),
    ] {
        let file = golden_file(file);
        let out = written(&file, architecture, &none).expect("written");
        // As the format's own library writes it.
        assert!(
            out == fs::read(&file).expect("golden weights"),
            "{}",
            file.display()
        );
    }
}

/// Every tensor but `changed` has type, shape and bytes as it had; those are f32.
#[track_caller]
fn assert_rest_is_kept(original: &[u8], out: &[u8], changed: &[&str]) {
    let (original, out) = (
        SafeTensors::deserialize(original),
        SafeTensors::deserialize(out),
    );
    let (original, out) = (original.expect("golden weights"), out.expect("a file"));
    let mut names = [original.names(), out.names()];
    names.iter_mut().for_each(|names| names.sort_unstable());
    assert_eq!(names[0], names[1]);
    for (name, before) in original.iter() {
        let after = out.tensor(name).expect("there");
        assert_eq!(before.shape(), after.shape(), "{name}");
        if changed.contains(&name) {
            assert_eq!(after.dtype(), safetensors::Dtype::F32, "{name}");
            continue;
        }
        assert_eq!(before.dtype(), after.dtype(), "{name}");
        assert!(before.data() == after.data(), "{name}");
    }
}

#[test]
fn tensor_is_lost_or_changed_beside_a_replaced_one() {
    let (file, config) = (golden_file("bert.safetensors"), bert());
    let before = read_bert_weights(&file, &config).expect("weights");
    let replaced: Weights = [
        "embed.token_type",
        "embed.positions",
        "blocks.0.attn.query.weight",
        "blocks.1.mlp.fc1.weight",
        "blocks.1.mlp.fc1.bias",
        "blocks.1.norm2.gamma",
    ]
    .map(|path| others(&before, path))
    .into();
    let out = written(&file, &config, &replaced).expect("written");
    let original = fs::read(&file).expect("golden weights");
    let types = "embeddings.token_type_embeddings.weight";
    let changed = [
        types,
        "embeddings.position_embeddings.weight",
        "encoder.layer.0.attention.self.query.weight",
        "encoder.layer.1.intermediate.dense.weight",
        "encoder.layer.1.intermediate.dense.bias",
        "encoder.layer.1.output.LayerNorm.weight",
    ];
    assert_rest_is_kept(&original, &out, &changed);
    // The row that is not read is kept.
    let row = |bytes: &[u8]| {
        let file = SafeTensors::deserialize(bytes).expect("a file");
        file.tensor(types).expect("there").data()[32 * 4..].to_vec()
    };
    assert_eq!(row(&original), row(&out));
    let after = read(&out, |path| read_bert_weights(path, &config)).expect("weights");
    let mut expected = before;
    expected.extend(replaced);
    assert_eq!(after, expected);
}

#[test]
fn weight_is_replaced_in_another_layout() {
    let config = clip();
    let read_clip = |path: &Path| read_clip_weights(path, &config);
    // In one of them queries, keys and values are one tensor, in f16.
    for (file, changed) in [
        (
            "clip_hf.safetensors",
            vec![
                "logit_scale",
                "text_projection.weight",
                "vision_model.embeddings.patch_embedding.weight",
                "vision_model.encoder.layers.1.self_attn.v_proj.weight",
                "vision_model.encoder.layers.1.self_attn.k_proj.bias",
                "text_model.encoder.layers.0.mlp.fc2.weight",
            ],
        ),
        (
            "clip_openai.safetensors",
            vec![
                "logit_scale",
                "text_projection",
                "visual.conv1.weight",
                "visual.transformer.resblocks.1.attn.in_proj_weight",
                "visual.transformer.resblocks.1.attn.in_proj_bias",
                "transformer.resblocks.0.mlp.c_proj.weight",
            ],
        ),
    ] {
        let file = golden_file(file);
        let before = read_clip(&file).expect("weights");
        let replaced: Weights = [
            "logit_scale",
            "text.projection.weight",
            "visual.patch_embed.weight",
            "visual.blocks.1.attn.value.weight",
            "visual.blocks.1.attn.key.bias",
            "text.blocks.0.mlp.fc2.weight",
        ]
        .map(|path| others(&before, path))
        .into();
        let out = written(&file, &config, &replaced).expect("written");
        let original = fs::read(&file).expect("golden weights");
        assert_rest_is_kept(&original, &out, &changed);
        let after = read(&out, read_clip).expect("weights");
        let mut expected = before;
        expected.extend(replaced);
        assert_eq!(after, expected);
    }
}

#[test]
fn torch_archive_or_several_files_are_written_otherwise() {
    let config = clip();
    let archive = golden_file("clip_openai.pth");
    let out = written(&archive, &config, &Weights::new()).expect("written");
    let file = SafeTensors::deserialize(&out).expect("a file");
    // Whole numbers that are not read are written, too.
    let size = file.tensor("input_resolution").expect("there");
    assert_eq!(
        (size.dtype(), size.data()),
        (safetensors::Dtype::I64, &12_i64.to_le_bytes()[..])
    );
    let (_, header) = SafeTensors::read_metadata(&out).expect("a header");
    let metadata = header.metadata().as_ref().expect("remarks");
    assert_eq!(metadata.get("format").map(String::as_str), Some("pt"));
    let same = read(&out, |path| read_clip_weights(path, &config)).expect("weights");
    assert_eq!(same, read_clip_weights(&archive, &config).expect("weights"));

    let folder = tempfile::tempdir().expect("a folder");
    let bytes = fs::read(golden_file("bert.safetensors")).expect("golden weights");
    let whole = SafeTensors::deserialize(&bytes).expect("golden weights");
    let mut map = serde_json::Map::new();
    let pt = |remark: &str| Some([("format".to_owned(), remark.to_owned())].into());
    let write = |name: &str, part: usize, remark: &str| {
        let mut names = whole.names();
        names.sort_unstable();
        let own = names.into_iter().skip(part).step_by(2);
        let views: Vec<_> = own
            .map(|name| (name, whole.tensor(name).expect("there")))
            .collect();
        let names: Vec<String> = views.iter().map(|(name, _)| (*name).to_owned()).collect();
        let bytes = safetensors::serialize(views, pt(remark)).expect("serialised");
        fs::write(folder.path().join(name), bytes).expect("written");
        names
    };
    for (part, name) in ["a.safetensors", "b.safetensors"].into_iter().enumerate() {
        for tensor in write(name, part, "pt") {
            map.insert(tensor, name.into());
        }
    }
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&index, serde_json::json!({ "weight_map": map }).to_string()).expect("written");
    let out = written(folder.path(), &bert(), &Weights::new()).expect("written");
    assert!(
        out == bytes,
        "one file is another than that of which they are parts"
    );
    write("b.safetensors", 1, "mlx");
    let message = written(folder.path(), &bert(), &Weights::new());
    let message = message.expect_err("two formats").to_string();
    assert!(message.contains("another `format`"), "{message}");
}

#[test]
fn type_that_the_format_lacks_is_written() {
    let path = golden_file("clip_openai.pth");
    let config = clip();
    let weights = read_clip_weights(&path, &config).expect("weights");
    let file = PthFile::open(&path).expect("golden weights");
    let tensors = file.root().tensors().into_iter();
    let mut dict: Dict = tensors
        .map(|(name, tensor)| (Key::from(name.as_str()), Value::from(tensor.clone())))
        .collect();
    let write = |dict: &Dict| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.pth");
        fs::write(&path, to_bytes(&dict.clone().into()).expect("a file")).expect("written");
        assert_eq!(read_clip_weights(&path, &config).expect("weights"), weights);
        written(&path, &config, &Weights::new())
    };
    assert!(write(&dict).is_ok());
    let odd = Tensor::new(Dtype::Complex128, vec![1], vec![0; 16]).expect("a number");
    dict.insert("context_length", odd.into());
    let message = write(&dict).expect_err("no such type").to_string();
    assert!(
        message.contains("`context_length`") && message.contains("complex128"),
        "{message}"
    );
}

#[test]
fn unusable_replacement_is_written() {
    let (file, config) = (golden_file("bert.safetensors"), bert());
    let bias = "blocks.0.mlp.fc1.bias";
    let f32s = |values: Vec<f32>| {
        let len = values.len();
        TensorData::new(values, [len])
    };
    let mut nan = vec![0.0; 40];
    nan[7] = f32::NAN;
    let mut infinite = vec![0.0; 40];
    infinite[39] = f32::NEG_INFINITY;
    let cases: &[(&str, TensorData, &[&str])] = &[
        (
            "blocks.2.mlp.fc1.bias",
            f32s(vec![0.0; 40]),
            &[
                "`blocks.2.mlp.fc1.bias`",
                "a weight of the model",
                "another path",
            ],
        ),
        (
            "encoder.layer.0.intermediate.dense.bias",
            f32s(vec![0.0; 40]),
            &["another path"],
        ),
        (
            "blocks.0.mlp.fc1.adapter.magnitude",
            f32s(vec![0.0; 40]),
            &["another path"],
        ),
        ("\u{1b}[2J", f32s(vec![0.0]), &["`\\u{1b}[2J`"]),
        (
            bias,
            f32s(vec![0.0; 39]),
            &[bias, "[40]", "F32 of shape [39]"],
        ),
        (
            bias,
            TensorData::new(vec![0.0_f32; 40], [1, 40]),
            &["[40]", "[1, 40]"],
        ),
        (
            bias,
            TensorData::new(vec![0.0_f64; 40], [40]),
            &["f32 values", "F64"],
        ),
        (bias, f32s(nan), &["finite values", "NaN at position 7"]),
        (
            bias,
            f32s(infinite),
            &["finite values", "-inf at position 39"],
        ),
        // As it lies in the file.
        (
            "blocks.0.mlp.fc1.weight",
            TensorData::new(vec![0.0_f32; 40 * 32], [40, 32]),
            &["[32, 40]", "[40, 32]"],
        ),
    ];
    for (path, data, parts) in cases {
        let replaced = Weights::from([((*path).to_owned(), data.clone())]);
        let mut out = Vec::new();
        let error = write_merged_weights(&file, &config, &replaced, &mut out);
        let error = error.expect_err("refused");
        assert!(
            matches!(error, ModelsError::ReplacedWeight { .. }),
            "{error:?}"
        );
        let message = error.to_string();
        for part in parts.iter().chain(&["expected", "found", "; give "]) {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
        assert!(!message.contains(char::is_control), "{message:?}");
        assert!(out.is_empty(), "{path}");
    }
}

#[test]
fn original_of_another_model_is_written() {
    let none = Weights::new();
    let deeper = BertConfig {
        blocks: 3,
        ..bert()
    };
    let narrow = BertConfig {
        eps: -1.0,
        ..bert()
    };
    let bert_file = golden_file("bert.safetensors");
    let mut out = Vec::new();
    for config in [&deeper, &narrow] {
        let result = write_merged_weights(&bert_file, config, &none, &mut out);
        assert!(result.is_err());
    }
    let clip_file = golden_file("clip_hf.safetensors");
    assert!(write_merged_weights(&clip_file, &bert(), &none, &mut out).is_err());
    assert!(write_merged_weights(&bert_file, &clip(), &none, &mut out).is_err());
    assert!(out.is_empty());
}

/// Takes so many bytes and no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        match taken {
            0 => Err(Error::other("no space is left")),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_goes_unnoticed() {
    let file = golden_file("bert.safetensors");
    let size = fs::read(&file).expect("golden weights").len();
    let write =
        |room: usize| write_merged_weights(&file, &bert(), &Weights::new(), &mut Full(room));
    for room in [0, 7, 8, 1000, size / 2, size - 1] {
        let error = write(room).expect_err("full");
        assert!(
            matches!(error, ModelsError::WriteWeights { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains("no space is left"), "{error}");
    }
    assert!(write(size).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn some_of_the_weights_are_not_read_again(chosen in prop::collection::vec(any::<bool>(), 64)) {
        let config = clip();
        let file = golden_file("clip_openai.safetensors");
        let before = read_clip_weights(&file, &config).expect("weights");
        let chosen = chosen.iter().cycle().zip(before.keys()).filter(|(chosen, _)| **chosen);
        let replaced: Weights = chosen.map(|(_, path)| others(&before, path)).collect();
        let out = written(&file, &config, &replaced).expect("written");
        let after = read(&out, |path| read_clip_weights(path, &config)).expect("weights");
        let mut expected = before;
        expected.extend(replaced);
        prop_assert!(after.values().all(|data| data.dtype == DType::F32));
        prop_assert_eq!(after, expected);
    }
}
