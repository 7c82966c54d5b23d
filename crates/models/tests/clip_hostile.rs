//! Files of weights and merges that are damaged or malicious: refused by name.

mod common;

use std::fs;
use std::path::Path;

use common::clip::{config, golden};
use common::golden_file;
use common::hostile::{assert_says, safetensors};
use dacapo_models::{ClipConfig, ClipTokenizer, ModelsError, read_clip_weights};
use dacapo_pth::{Dict, Dtype, Tensor, to_bytes};
use flate2::Compression;
use flate2::write::GzEncoder;

fn refused(path: &Path) -> String {
    match read_clip_weights(path, &config(&golden())) {
        Err(error @ ModelsError::Weights { .. }) => error.to_string(),
        other => panic!("expected an error, found {other:?}"),
    }
}

#[track_caller]
fn assert_header_refused(header: &str, bytes: usize, parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    fs::write(&path, safetensors(header, bytes)).expect("written");
    let message = refused(&path);
    assert_says(&message, &["model.safetensors"]);
    assert_says(&message, parts);
}

#[test]
fn tensor_is_in_the_header_twice() {
    let one = r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#;
    let other = r#""dtype":"F16","shape":[4],"data_offsets":[0,8]"#;
    let header = format!(r#"{{"a":{{{one}}},"a":{{{other}}}}}"#);
    assert_header_refused(&header, 8, &["`a` twice"]);
    // The same once more, its name written otherwise.
    let header = format!(r#"{{"a":{{{one}}},"\u0061":{{{one}}}}}"#);
    assert_header_refused(&header, 8, &["`a` twice"]);
    let header = format!(r#"{{"a":{{{one},"shape":[2]}}}}"#);
    assert_header_refused(&header, 8, &["duplicate field `shape`"]);
    let header = format!(r#"{{"__metadata__":{{}},"a":{{{one}}},"__metadata__":{{}}}}"#);
    assert_header_refused(&header, 8, &["`__metadata__` twice"]);
}

#[test]
fn name_of_a_tensor_tells_the_terminal_what_to_do() {
    let info = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    for name in [r"\u001b[2J\u0000\n", &"x".repeat(100_000)] {
        assert_header_refused(&format!(r#"{{"{name}":{info},"{name}":{info}}}"#), 8, &[]);
        // No tensor of a CLIP.
        assert_header_refused(&format!(r#"{{"{name}":{info}}}"#), 8, &["1 others: "]);
        let hole = info.replace("0,8", "1,9");
        assert_header_refused(&format!(r#"{{"{name}":{hole}}}"#), 9, &["from byte 0"]);
    }
    // No text at all.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let mut bytes = safetensors(&format!(r#"{{"a":{info}}}"#), 8);
    bytes[10] = 0xff;
    fs::write(&path, bytes).expect("written");
    assert_says(
        &refused(&path),
        &["a header that cannot be read", "unicode"],
    );
}

#[test]
fn place_of_a_tensor_is_believed() {
    let tensor = |name: &str, dtype: &str, shape: &str, offsets: &str| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{offsets}]}}"#)
    };
    let huge = u64::MAX.to_string();
    let half = (1_u64 << 63).to_string();
    // Tensors, the bytes that there are, and what the message says.
    let cases: &[(&[String], usize, &[&str])] = &[
        // Overlap, gap, gap at the start, backwards.
        (
            &[
                tensor("a", "F32", "2", "0,8"),
                tensor("b", "F32", "2", "4,12"),
            ],
            12,
            &["tensor `b`", "from byte 8", "bytes 4 to 12"],
        ),
        (
            &[
                tensor("a", "F32", "2", "0,8"),
                tensor("b", "F32", "2", "0,8"),
            ],
            8,
            &["tensor `b`", "bytes 0 to 8"],
        ),
        (
            &[
                tensor("a", "F32", "2", "0,8"),
                tensor("b", "F32", "1", "12,16"),
            ],
            16,
            &["tensor `b`", "from byte 8", "bytes 12 to 16"],
        ),
        (
            &[tensor("a", "F32", "1", "4,8")],
            8,
            &["tensor `a`", "from byte 0"],
        ),
        (
            &[tensor("a", "F32", "1", "4,0")],
            4,
            &["tensor `a`", "bytes 4 to 0"],
        ),
        // Another number of bytes than the shape's.
        (
            &[tensor("a", "F32", "3", "0,8")],
            8,
            &["tensor `a`, F32 [3], in 12 bytes", "bytes 0 to 8"],
        ),
        (
            &[tensor("a", "F16", "", "0,4")],
            4,
            &["tensor `a`, F16 [], in 2 bytes"],
        ),
        (
            &[tensor("a", "F32", "0", "0,4")],
            4,
            &["tensor `a`, F32 [0], in 0 bytes"],
        ),
        // No number of bytes at all.
        (
            &[tensor("a", "F32", &format!("{half},2"), "0,0")],
            0,
            &["tensor `a` of a countable number", &half],
        ),
        (
            &[tensor("a", "F64", &huge, &format!("0,{huge}"))],
            8,
            &["tensor `a` of a countable number"],
        ),
        // As many as no file has.
        (
            &[tensor(
                "a",
                "U8",
                &(u64::MAX / 8).to_string(),
                &format!("0,{}", u64::MAX / 8),
            )],
            8,
            &["it was cut off or changed"],
        ),
        // Numbers that are none.
        (
            &[tensor("a", "F32", "-1", "0,4")],
            4,
            &["cannot be read", "-1"],
        ),
        (
            &[tensor("a", "F32", "1.5", "0,4")],
            4,
            &["cannot be read", "1.5"],
        ),
        (&[tensor("a", "F32", "1", "0,4,8")], 4, &["cannot be read"]),
        (
            &[tensor("a", "Q8", "4", "0,4")],
            4,
            &["cannot be read", "Q8"],
        ),
    ];
    for (tensors, bytes, parts) in cases {
        assert_header_refused(&format!("{{{}}}", tensors.join(",")), *bytes, parts);
    }
    assert_header_refused("[]", 0, &["cannot be read", "every key once"]);
    assert_header_refused("{}", 0, &["the tensors of a CLIP"]);
    // As deep as the stack.
    let deep = format!(r#"{{"a":{}}}"#, "[".repeat(200_000));
    assert_header_refused(&deep, 0, &["cannot be read"]);
    let deep = format!(r#"{{"__metadata__":{}}}"#, "[".repeat(200_000));
    assert_header_refused(&deep, 0, &["cannot be read"]);
}

#[test]
fn header_takes_all_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    for length in [17, 1 << 32, 99_999_999, u64::MAX - 8, u64::MAX] {
        fs::write(&path, [length.to_le_bytes(), *b"{}      "].concat()).expect("written");
        let found = format!("a header of {length} bytes in a file of 16");
        assert_says(&refused(&path), &["model.safetensors", &found]);
    }
}

#[test]
fn nested_name_of_a_torch_file_hides_another() {
    let tensor = |value: f32| {
        Tensor::new(Dtype::F32, vec![1], value.to_le_bytes().to_vec()).expect("one value")
    };
    let inner = Dict::from_iter([("b", tensor(1.0).into())]);
    let root = Dict::from_iter([("a", inner.into()), ("a.b", tensor(2.0).into())]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.pth");
    fs::write(&path, to_bytes(&root.into()).expect("a file")).expect("written");
    assert_says(&refused(&path), &["model.pth", "tensor `a.b` twice"]);
}

/// A folder with an index of this text, and the golden weights as `a.safetensors`.
fn index(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = golden_file("clip_hf.safetensors");
    fs::copy(weights, folder.path().join("a.safetensors")).expect("copied");
    let path = folder.path().join("model.safetensors.index.json");
    fs::write(&path, text).expect("written");
    (folder, path)
}

#[test]
fn index_leads_out_of_its_folder() {
    let outside = golden_file("clip_hf.safetensors");
    let outside = outside.to_str().expect("UTF-8");
    for name in [
        "",
        ".",
        "..",
        "../a.safetensors",
        "./a.safetensors",
        "a.safetensors/",
        "x/a.safetensors",
        "/a.safetensors",
        outside,
        "x\\a.safetensors",
        "C:a.safetensors",
        "a.safetensors\0",
        "\u{1b}[2J",
    ] {
        let text = serde_json::json!({"weight_map": {"t": name}}).to_string();
        let (_folder, path) = index(&text);
        let named = format!("{:?}", name);
        let message = refused(&path);
        assert_says(&message, &[".index.json", "which is no file's name"]);
        // Control characters are escaped once more.
        if !name.contains(['\\', '\0', '\u{1b}']) {
            assert_says(&message, &[&named]);
        }
    }
}

#[test]
fn index_is_not_that_of_its_files() {
    let bytes = fs::read(golden_file("clip_hf.safetensors")).expect("golden weights");
    let whole = safetensors::SafeTensors::deserialize(&bytes).expect("golden weights");
    let map: serde_json::Map<String, serde_json::Value> = whole
        .names()
        .into_iter()
        .map(|name| (name.to_owned(), "a.safetensors".into()))
        .collect();
    let write = |map: &serde_json::Map<String, serde_json::Value>| {
        index(&serde_json::json!({ "weight_map": map }).to_string())
    };
    let (_folder, path) = write(&map);
    assert!(read_clip_weights(&path, &config(&golden())).is_ok());
    let mut more = map.clone();
    more.insert("one_more".to_owned(), "a.safetensors".into());
    let (_folder, path) = write(&more);
    assert_says(&refused(&path), &["tensor `one_more` not in the file"]);
    let mut less = map.clone();
    less.remove("logit_scale");
    let (_folder, path) = write(&less);
    assert_says(&refused(&path), &["tensor `logit_scale` in a file and not"]);
    // In another file than the index says, and in both.
    let mut other = map.clone();
    other.insert("logit_scale".to_owned(), "b.safetensors".into());
    let (folder, path) = write(&other);
    let info = r#"{"logit_scale":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}"#;
    fs::write(folder.path().join("b.safetensors"), safetensors(info, 4)).expect("written");
    assert_says(&refused(&path), &["tensor `logit_scale` in two"]);

    for (text, part) in [
        (
            r#"{"weight_map":{"t":"a.safetensors","t":"b.safetensors"}}"#,
            "`t` twice",
        ),
        (
            r#"{"weight_map":{},"weight_map":{}}"#,
            "duplicate field `weight_map`",
        ),
        (r#"{"weight_map":{"t":7}}"#, "invalid type"),
        (r#"{"weight_map":[]}"#, "every key once"),
        ("{}", "missing field `weight_map`"),
        ("", "EOF"),
    ] {
        let (_folder, path) = index(text);
        assert_says(&refused(&path), &[".index.json", part]);
    }
}

#[test]
fn folder_or_pipe_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["x.safetensors", "x.pth", "x.index.json"] {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        assert_says(&refused(&path), &[name, "a folder with model.safetensors"]);
    }
    let text = serde_json::json!({"weight_map": {"t": "x.safetensors"}}).to_string();
    let path = folder.path().join("model.safetensors.index.json");
    fs::write(&path, text).expect("written");
    assert_says(&refused(&path), &["x.safetensors", "a folder, not a file"]);
    let message = merges_refused(folder.path());
    assert_says(&message, &["a folder, not a file"]);
    // Opening one would wait for a writer for ever.
    #[cfg(unix)]
    for name in ["p.safetensors", "p.pth", "p.index.json"] {
        let pipe = folder.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        assert_says(&refused(&pipe), &[name, "a pipe, a device or the like"]);
        let message = merges_refused(&pipe);
        assert_says(&message, &[name, "a pipe, a device or the like"]);
    }
}

fn merges_refused(path: &Path) -> String {
    let error = ClipTokenizer::read(path, 77).expect_err("no merges");
    error.to_string()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut encoder, text).expect("packed");
    encoder.finish().expect("packed")
}

#[test]
fn merges_are_taken_on_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("merges.txt");
    let long = format!("#version: 0.2\n{}\n", "x".repeat(100_000));
    let cases: &[(&[u8], &str)] = &[
        // The same merge, and another one with the same outcome.
        (
            b"#version: 0.2\na b\nc d\na b\n",
            "the token \"ab\" of line 2 and line 4",
        ),
        (
            b"#version: 0.2\na b\nb c\nab c\na bc\n",
            "the token \"abc\" of line 4 and line 5",
        ),
        // What is a token without a merge.
        (
            b"#version: 0.2\n<|start oftext|>\n",
            "the token \"<|startoftext|>\" of line 2 and the program itself",
        ),
        (
            b"#version: 0.2\na </w>\n",
            "the token \"a</w>\" of a byte and line 2",
        ),
        (b"#version: 0.2\na b\n\na c\n", "line 3, \"\""),
        (b"#version: 0.2\na \n", "line 2, \"a \""),
        (b"#version: 0.2\na\x1b[2J\n", "line 2, \"a\\u{1b}[2J\""),
        (
            b"#version: 0.2\na \xff\n",
            "no text in UTF-8 from byte 16 on",
        ),
        (b"\xff\xfe#\0v\0e\0", "no text in UTF-8 from byte 0 on"),
        (long.as_bytes(), "line 2, \"xxx"),
        (long.as_bytes().split_at(14).1, "the heading \"xxx"),
    ];
    for (bytes, part) in cases {
        for bytes in [bytes.to_vec(), packed(bytes)] {
            fs::write(&path, bytes).expect("written");
            assert_says(&merges_refused(&path), &["merges.txt", part]);
        }
    }
    // Packed, cut short or changed.
    let whole = packed(&fs::read(golden_file("clip_merges.txt")).expect("golden merges"));
    fs::write(&path, &whole).expect("written");
    assert!(ClipTokenizer::read(&path, 77).is_ok());
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("written");
        assert_says(&merges_refused(&path), &["merges.txt"]);
    }
}

#[test]
fn small_merges_unpack_to_more_than_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("merges.txt.gz");
    let bomb = packed(&vec![b'x'; (1 << 26) + 1]);
    assert!(bomb.len() < 1 << 20);
    fs::write(&path, bomb).expect("written");
    assert_says(
        &merges_refused(&path),
        &["more than 67108864 bytes of text"],
    );
}

#[test]
fn sizes_of_a_model_overflow() {
    type Set = fn(&mut ClipConfig, usize);
    let keys: [(&str, Set); 6] = [
        ("patch_size", |config, size| {
            (config.image_size, config.patch_size) = (size, size);
        }),
        ("d_model", |config, size| {
            (config.vision.d_model, config.vision.heads) = (size, size);
        }),
        ("d_mlp", |config, size| config.text.d_mlp = size),
        ("vocabulary", |config, size| config.vocabulary = size),
        ("context", |config, size| config.context = size),
        ("d_embed", |config, size| config.d_embed = size),
    ];
    for (key, set) in keys {
        for size in [1 << 32, usize::MAX] {
            let mut config = config(&golden());
            set(&mut config, size);
            let error = read_clip_weights(&golden_file("clip_hf.safetensors"), &config);
            let error = error.expect_err(key).to_string();
            let key = if key == "patch_size" {
                "image_size"
            } else {
                key
            };
            for part in [key, "at most 1048576", &size.to_string()] {
                assert!(error.contains(part), "no {part:?} in: {error}");
            }
        }
    }
}
