//! Damaged and malicious files: refused by name, without a panic and without much memory.

mod common;

use common::{assert_says, files, golden, safetensors, settings, values, with_header};
use dacapo_peft::{PeftAdapter, PeftConfig, PeftError, PeftSettings};
use dacapo_pth::{Dict, Dtype, Tensor, to_bytes};
use serde_json::json;

const CONFIG: &str = r#"{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q"]}"#;

fn refused(weights: &[u8]) -> String {
    match PeftAdapter::from_bytes(CONFIG.as_bytes(), weights) {
        Err(error) => error.to_string(),
        Ok(adapter) => panic!("expected an error, found {adapter:?}"),
    }
}

#[test]
fn truncation_passes_or_panics() {
    for name in ["dora", "conv_dora", "modules_to_save"] {
        let (config, weights) = files(name);
        for len in 0..weights.len() {
            let error = PeftAdapter::from_bytes(&config, &weights[..len]).expect_err(name);
            assert_says(&error.to_string(), &["adapter_model.safetensors: "]);
        }
        let longer = [&weights[..], b"\0"].concat();
        let error = PeftAdapter::from_bytes(&config, &longer).expect_err(name);
        assert_says(&error.to_string(), &["bytes where the header tells of"]);
        for len in 0..config.len() {
            let error = PeftAdapter::from_bytes(&config[..len], &weights).expect_err(name);
            assert_says(&error.to_string(), &["adapter_config.json: ", "JSON"]);
        }
    }
}

#[test]
fn corruption_panics_or_gives_a_riddle() {
    let (mut refused, mut unharmed) = (0, 0);
    let name = "modules_to_save";
    let (config, weights) = files(name);
    let mut try_both =
        |config: &[u8], weights: &[u8]| match PeftAdapter::from_bytes(config, weights) {
            Ok(_) => unharmed += 1,
            Err(error) => {
                refused += 1;
                assert_says(&error.to_string(), &["adapter_"]);
            }
        };
    for (number, bytes) in [&config, &weights].into_iter().enumerate() {
        for at in 0..bytes.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                match number {
                    0 => try_both(&bytes, &weights),
                    _ => try_both(&config, &bytes),
                }
            }
        }
    }
    assert!(refused > 1000 && unharmed > 100, "{refused} and {unharmed}");
}

#[test]
fn length_of_the_header_is_believed() {
    for length in [u64::MAX, 1 << 62, 100_000_001, 99_000_000, 9] {
        let bytes = [&length.to_le_bytes()[..], b"{}      "].concat();
        assert_says(
            &refused(&bytes),
            &["a whole file of safetensors", "a header of"],
        );
    }
    for bytes in [&b""[..], b"1234567"] {
        assert_says(&refused(bytes), &["a file of "]);
    }
}

#[test]
fn place_of_a_tensor_is_believed() {
    let two = |a: &str, b: &str| {
        let info = |offsets| format!(r#"{{"dtype":"F32","shape":[2],"data_offsets":{offsets}}}"#);
        format!(r#"{{"a":{},"b":{}}}"#, info(a), info(b))
    };
    let cases = [
        // Overlap, gap, before the first, behind the last, backwards, of another length.
        (two("[0,8]", "[4,12]"), 12),
        (two("[0,8]", "[0,8]"), 8),
        (two("[0,8]", "[9,17]"), 17),
        (two("[8,16]", "[16,24]"), 24),
        (two("[0,8]", "[16,8]"), 16),
        (two("[0,8]", "[8,20]"), 20),
        (two("[0,8]", "[8,18446744073709551615]"), 16),
    ];
    for (header, bytes) in cases {
        let message = refused(&with_header(&header, &vec![0; bytes]));
        assert_says(
            &message,
            &["tensor `", "overlap, leave a gap or do not fit"],
        );
    }
    let good = with_header(&two("[0,8]", "[8,16]"), &[0; 15]);
    assert_says(&refused(&good), &["the header tells of"]);
}

#[test]
fn shape_of_a_tensor_is_believed() {
    let huge = [
        "[4294967296,4294967296]",
        "[18446744073709551615,2]",
        "[2,9223372036854775807]",
        "[4611686018427387904]",
    ];
    for shape in huge {
        let header = format!(
            r#"{{"q.lora_A.weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,8]}}}}"#
        );
        assert_says(
            &refused(&with_header(&header, &[0; 8])),
            &["a countable number of bytes"],
        );
    }
    // Nothing is in it, but its columns cannot be counted.
    for shape in [
        "[0,4294967296,4294967296]",
        "[0]",
        "[1,0]",
        "[1,0,4294967296,4294967296]",
    ] {
        let info = format!(r#"{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}"#);
        let header = format!(r#"{{"q.lora_A.weight":{info},"q.lora_B.weight":{info}}}"#);
        assert_says(&refused(&with_header(&header, &[])), &["sizes above 0"]);
    }
    let long = vec!["1"; 100_000].join(",");
    let header =
        format!(r#"{{"q.lora_A.weight":{{"dtype":"F32","shape":[{long}],"data_offsets":[0,4]}}}}"#);
    assert_says(
        &refused(&with_header(&header, &[0; 4])),
        &["at most 8 dimensions"],
    );
}

#[test]
fn tensor_is_in_the_header_twice() {
    let one = r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#;
    let other = r#""dtype":"F16","shape":[4],"data_offsets":[0,8]"#;
    let cases = [
        (format!(r#"{{"a":{{{one}}},"a":{{{other}}}}}"#), "`a` twice"),
        (
            format!(r#"{{"a":{{{one}}},"\u0061":{{{one}}}}}"#),
            "`a` twice",
        ),
        (
            format!(r#"{{"a":{{{one},"shape":[2]}}}}"#),
            "duplicate field `shape`",
        ),
        (
            format!(r#"{{"__metadata__":{{}},"a":{{{one}}},"__metadata__":{{}}}}"#),
            "`__metadata__` twice",
        ),
    ];
    for (header, says) in cases {
        let message = refused(&with_header(&header, &[0; 8]));
        assert_says(&message, &["a header that cannot be read", says]);
    }
}

#[test]
fn other_type_is_read_as_floats() {
    for (dtype, size) in [
        ("F64", 8),
        ("I32", 4),
        ("I64", 8),
        ("U8", 1),
        ("BOOL", 1),
        ("F8_E4M3", 1),
    ] {
        let info = |at: usize| {
            format!(
                r#"{{"dtype":"{dtype}","shape":[1,1],"data_offsets":[{at},{}]}}"#,
                at + size
            )
        };
        let header = format!(
            r#"{{"q.lora_A.weight":{},"q.lora_B.weight":{}}}"#,
            info(0),
            info(size)
        );
        let weights = with_header(&header, &vec![0; 2 * size]);
        let error = PeftAdapter::from_bytes(CONFIG.as_bytes(), &weights).unwrap_err();
        assert!(
            matches!(error.cause(), PeftError::Dtype { .. }),
            "{error:?}"
        );
        assert_says(&error.to_string(), &["tensor `q.lora_A.weight`", dtype]);
    }
    let header = r#"{"q.lora_A.weight":{"dtype":"F7","shape":[1,1],"data_offsets":[0,1]}}"#;
    assert_says(&refused(&with_header(header, &[0])), &["F7"]);
}

#[test]
fn text_of_a_file_tells_the_terminal_what_to_do() {
    let names = ["\u{1b}[2J\n".to_owned(), "x".repeat(100_000)];
    for name in &names {
        let (a, b) = (
            format!("{name}.q.lora_A.weight"),
            format!("{name}.q.lora_B.weight"),
        );
        for tensors in [
            vec![(name.as_str(), &[2][..], values(2, 1))],
            vec![(a.as_str(), &[1, 1][..], values(1, 1))],
            vec![(&a, &[1, 2], values(2, 1)), (&b, &[1, 2], values(2, 1))],
            vec![(&a, &[1, 1], vec![f32::NAN]), (&b, &[1, 1], values(1, 1))],
            vec![(&a, &[2, 1], values(2, 1)), (&b, &[1, 2], values(2, 1))],
        ] {
            assert_says(&refused(&safetensors(&tensors)), &[]);
        }
        for key in [
            "r",
            "target_modules",
            "bias",
            "init_lora_weights",
            "peft_type",
            name.as_str(),
        ] {
            let mut keys: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
            keys[key] = json!({name: name});
            let error = PeftConfig::from_json(keys.to_string().as_bytes()).unwrap_err();
            assert_says(&error.to_string(), &[]);
        }
        for pattern in [format!("({name}"), format!("a(?={name})")] {
            let mut keys: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
            keys["rank_pattern"] = json!({pattern: 1});
            let error = PeftConfig::from_json(keys.to_string().as_bytes()).unwrap_err();
            assert_says(&error.to_string(), &["rank_pattern"]);
        }
    }
}

#[test]
fn configuration_is_no_json_or_says_a_thing_twice() {
    let twice = CONFIG.replace("{", r#"{"r": 1, "#);
    let escaped = CONFIG.replace("{", r#"{"\u0072": 1, "#);
    let table = CONFIG.replace("}", r#", "rank_pattern": {"q": 1, "q": 2}}"#);
    let after = format!("{CONFIG} {CONFIG}");
    let deep = CONFIG.replace("}", &format!(r#", "x": {}}}"#, "[".repeat(100_000)));
    let nested = format!(r#", "x": {}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let nested = CONFIG.replace("}", &nested);
    let nan = CONFIG.replace(r#""lora_alpha": 1"#, r#""lora_alpha": NaN"#);
    for text in [
        "", "[]", "null", "1", "{", &twice, &escaped, &after, &deep, &nested, &nan,
    ] {
        let error = PeftConfig::from_json(text.as_bytes()).unwrap_err();
        assert!(matches!(error, PeftError::Json { .. }), "{error:?}");
        assert_says(&error.to_string(), &["JSON"]);
    }
    let error = PeftConfig::from_json(table.as_bytes()).unwrap_err();
    assert!(
        matches!(
            error,
            PeftError::Key {
                key: "rank_pattern",
                ..
            }
        ),
        "{error:?}"
    );
    let text = [CONFIG.as_bytes(), b"\xff"].concat();
    assert!(PeftConfig::from_json(&text).is_err());
}

#[test]
fn table_of_patterns_takes_all_memory() {
    // One for each layer of a large model is well.
    let large = |count: usize, pattern: &dyn Fn(usize) -> String| {
        let patterns = (0..count).map(|n| (pattern(n), n + 1)).collect();
        PeftConfig::new(PeftSettings {
            rank_pattern: patterns,
            ..settings(&["q"])
        })
    };
    let name = |n: usize| format!("model.layers.{}.self_attn.q_proj.{n}", n / 7);
    let config = large(2000, &name).unwrap();
    for n in [0, 6, 7, 1000, 1999] {
        assert_eq!(config.rank_of(&name(n)), n + 1);
    }
    let bomb = large(1, &|n| format!(r"(\w{{1,{}}}){{100}}", n + 100)).unwrap_err();
    assert_says(&bomb.to_string(), &["rank_pattern"]);
    let many = large(2000, &|n| format!(r"\w{{5}}{n}")).unwrap_err();
    assert_says(&many.to_string(), &["rank_pattern", "2000 patterns"]);
}

/// A folder with the configuration and this `adapter_model.bin`.
fn bin(root: &dacapo_pth::Value) -> Result<PeftAdapter, PeftError> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), CONFIG).unwrap();
    std::fs::write(
        folder.path().join("adapter_model.bin"),
        to_bytes(root).unwrap(),
    )
    .unwrap();
    PeftAdapter::read(folder.path())
}

fn floats(shape: Vec<usize>) -> Tensor {
    let bytes = values(shape.iter().product(), 1)
        .into_iter()
        .flat_map(f32::to_le_bytes);
    Tensor::new(Dtype::F32, shape, bytes.collect()).unwrap()
}

#[test]
fn pickle_holds_something_else() {
    let pair = |a: Tensor, b: Tensor| {
        let a = ("base_model.model.q.lora_A.weight", a.into());
        Dict::from_iter([a, ("base_model.model.q.lora_B.weight", b.into())])
    };
    let good = pair(floats(vec![1, 2]), floats(vec![3, 1]));
    assert_eq!(bin(&good.into()).unwrap().layers()["q"].outputs(), 3);
    let double = Tensor::new(Dtype::F64, vec![1, 1], vec![0; 8]).unwrap();
    let error = bin(&pair(double, floats(vec![3, 1])).into()).unwrap_err();
    assert!(
        matches!(error.cause(), PeftError::Dtype { .. }),
        "{error:?}"
    );
    assert_says(&error.to_string(), &["adapter_model.bin: ", "float64"]);
    let inner: dacapo_pth::Value = pair(floats(vec![1, 2]), floats(vec![3, 1])).into();
    for root in [
        Dict::from_iter([("state_dict", inner.clone())]).into(),
        Dict::from_iter([("epoch", 3.into())]).into(),
        Dict::from_iter([(3, inner)]).into(),
        3.into(),
    ] {
        assert_says(&bin(&root).unwrap_err().to_string(), &["adapter_model.bin"]);
    }
    let error = bin(&Dict::new().into()).unwrap_err();
    assert!(matches!(error.cause(), PeftError::Empty), "{error:?}");
}

#[test]
fn tensors_of_one_storage_take_memory_each() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("adapter_config.json"), CONFIG).unwrap();
    let path = folder.path().join("adapter_model.bin");
    std::fs::copy(golden("sharing.bin"), path).unwrap();
    let error = PeftAdapter::read(folder.path()).unwrap_err();
    assert!(
        matches!(error.cause(), PeftError::Damaged { .. }),
        "{error:?}"
    );
    assert_says(
        &error.to_string(),
        &["adapter_model.bin: ", "share their bytes"],
    );
}

#[test]
fn folder_is_incomplete_or_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let read = || PeftAdapter::read(folder.path()).unwrap_err();
    let path = |name: &str| folder.path().join(name);
    let error = read();
    assert!(matches!(error.cause(), PeftError::Io(_)), "{error:?}");
    assert!(error.to_string().contains("adapter_config.json"), "{error}");
    std::fs::write(path("adapter_config.json"), CONFIG).unwrap();
    let error = read();
    assert!(matches!(error.cause(), PeftError::NoWeights), "{error:?}");
    assert_says(&error.to_string(), &["neither", "save_pretrained"]);
    // The newer file counts, even if it is damaged.
    std::fs::copy(golden("bin/adapter_model.bin"), path("adapter_model.bin")).unwrap();
    std::fs::write(path("adapter_model.safetensors"), b"").unwrap();
    assert_says(&read().to_string(), &["adapter_model.safetensors: "]);
    std::fs::remove_file(path("adapter_model.safetensors")).unwrap();
    std::fs::create_dir(path("adapter_model.safetensors")).unwrap();
    assert!(read().to_string().contains("a folder"), "{}", read());
    let error = PeftAdapter::read(path("adapter_config.json")).unwrap_err();
    assert!(matches!(error.cause(), PeftError::Io(_)), "{error:?}");
}

#[cfg(unix)]
#[test]
fn pipe_is_opened() {
    // Opening it would wait for a writer for ever.
    for name in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter_model.bin",
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("adapter_config.json"), CONFIG).unwrap();
        let pipe = folder.path().join(name);
        let _ = std::fs::remove_file(&pipe);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let message = PeftAdapter::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("a pipe, a device"), "{message}");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn configuration_of_any_length_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{CONFIG}{}", " ".repeat(17 << 20));
    std::fs::write(folder.path().join("adapter_config.json"), long).unwrap();
    let message = PeftAdapter::read(folder.path()).unwrap_err().to_string();
    assert_says(
        &message,
        &["adapter_config.json: ", "more than 16777216 bytes"],
    );
}
