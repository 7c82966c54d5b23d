//! Files of weights, of a configuration and of a tokenizer that are damaged, malicious or another
//! model's: refused by name.

mod common;

use std::fs;
use std::path::Path;

use common::bert::config;
use common::golden_file;
use common::hostile::{assert_says, safetensors};
use dacapo_models::{ModelsError, SentenceTokenizer, read_bert_config, read_bert_weights};
use serde_json::{Value, json};

fn weights_refused(path: &Path) -> String {
    match read_bert_weights(path, &config()) {
        Err(error @ ModelsError::Weights { .. }) => error.to_string(),
        other => panic!("expected an error, found {other:?}"),
    }
}

fn config_refused(path: &Path) -> String {
    match read_bert_config(path) {
        Err(error @ ModelsError::ConfigFile { .. }) => error.to_string(),
        other => panic!("expected an error, found {other:?}"),
    }
}

fn tokenizer_refused(path: &Path) -> String {
    match SentenceTokenizer::read(path, 512) {
        Err(error @ ModelsError::WordPieces { .. }) => error.to_string(),
        other => panic!("expected an error, found {other:?}"),
    }
}

#[test]
fn damaged_weights_are_loaded() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(golden_file("bert.safetensors")).expect("golden weights");
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..length]).expect("written");
        assert_says(&weights_refused(&file), &["model.safetensors"]);
    }
    let mut longer = whole.clone();
    longer.push(0);
    fs::write(&file, longer).expect("written");
    assert_says(&weights_refused(&file), &["it was cut off or changed"]);
    // Not a number, in every tensor in turn but for those that are not read.
    let names = safetensors::SafeTensors::deserialize(&whole).expect("golden weights");
    let start = whole.len()
        - names
            .iter()
            .map(|(_, view)| view.data().len())
            .sum::<usize>();
    let (_, header) = safetensors::SafeTensors::read_metadata(&whole).expect("a header");
    for (name, info) in header.tensors() {
        let mut nan = whole.clone();
        let at = start + info.data_offsets.0;
        nan[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(&file, nan).expect("written");
        match name.starts_with("pooler.") {
            true => assert!(read_bert_weights(&file, &config()).is_ok(), "{name}"),
            false => assert_says(&weights_refused(&file), &["NaN at position 0", &name]),
        }
    }
}

#[test]
fn remarks_of_weights_are_taken_on_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let info = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    for (remarks, part) in [
        (r#"{"format":"pt","format":"tf"}"#, "`format` twice"),
        (r#"{"format":7}"#, "invalid type"),
        (r#""pt""#, "every key once"),
        ("null", "every key once"),
        (r#"{"a":{"b":"c"}}"#, "invalid type"),
    ] {
        let header = format!(r#"{{"__metadata__":{remarks},{info}}}"#);
        fs::write(&path, safetensors(&header, 8)).expect("written");
        assert_says(
            &weights_refused(&path),
            &["a header that cannot be read", part],
        );
    }
    let header = format!(r#"{{"__metadata__":{{"x":"y"}},{info}}}"#);
    fs::write(&path, safetensors(&header, 8)).expect("written");
    assert_says(
        &weights_refused(&path),
        &["the tensors of a BERT encoder", "1 others: a"],
    );
}

/// The golden configuration with one key of another value, or none.
fn with_key(key: &str, value: Option<&Value>) -> Value {
    let text = fs::read_to_string(golden_file("bert_config.json")).expect("a config");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    let keys = config.as_object_mut().expect("an object");
    match value {
        Some(value) => keys.insert(key.to_owned(), value.clone()),
        None => keys.remove(key),
    };
    config
}

#[test]
fn config_of_another_model_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    let write = |key: &str, value: Option<&Value>| {
        fs::write(&path, with_key(key, value).to_string()).expect("written");
    };
    let cases = [
        ("model_type", json!("roberta"), "\"roberta\""),
        ("hidden_act", json!("gelu_new"), "\"gelu_new\""),
        ("hidden_act", json!("relu"), "\"relu\""),
        ("hidden_act", json!(["gelu"]), "[\\\"gelu\\\"]"),
        ("hidden_act", json!("\u{1b}[2J"), "u{1b}"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "\"relative_key\"",
        ),
        ("is_decoder", json!(true), "true"),
        ("is_encoder_decoder", json!(true), "true"),
        ("add_cross_attention", json!(true), "true"),
        ("pruned_heads", json!({"0": [1]}), ":[1]}"),
        ("quantization_config", json!({"bits": 8}), ":8}"),
        ("auto_map", json!({"AutoModel": "x.Y"}), "x.Y"),
        ("vocab_size", json!(-1), "-1"),
        ("vocab_size", json!(30.5), "30.5"),
        ("hidden_size", json!("32"), "\"32\""),
        ("layer_norm_eps", json!("1e-12"), "\"1e-12\""),
        ("num_hidden_layers", json!(null), "null"),
    ];
    for (key, value, found) in &cases {
        write(key, Some(value));
        assert_says(
            &config_refused(&path),
            &["config.json", &format!("`{key}`"), found],
        );
    }
    for key in [
        "model_type",
        "hidden_act",
        "vocab_size",
        "max_position_embeddings",
        "type_vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "layer_norm_eps",
    ] {
        write(key, None);
        assert_says(&config_refused(&path), &[&format!("`{key}`"), "found none"]);
    }
    // Of no consequence, or as it would be without.
    for (key, value) in [
        ("pruned_heads", json!({})),
        ("is_decoder", json!(false)),
        ("quantization_config", json!(null)),
        ("hidden_dropout_prob", json!(0.3)),
        ("architectures", json!(["BertModel"])),
        ("torch_dtype", json!("float16")),
    ] {
        write(key, Some(&value));
        assert_eq!(read_bert_config(folder.path()), Ok(config()), "{key}");
    }
    write("position_embedding_type", None);
    assert_eq!(read_bert_config(&path), Ok(config()));
    // Sizes that no model has.
    for (key, value, named) in [
        ("num_attention_heads", json!(5), "`num_attention_heads`"),
        ("hidden_size", json!(0), "`hidden_size`"),
        ("vocab_size", json!(u64::MAX), "`vocab_size`"),
        ("layer_norm_eps", json!(0.0), "`layer_norm_eps`"),
        ("layer_norm_eps", json!(1e-50), "`layer_norm_eps`"),
        ("layer_norm_eps", json!(1e300), "`layer_norm_eps`"),
    ] {
        write(key, Some(&value));
        assert_says(&config_refused(&path), &["config.json", named]);
    }
}

#[test]
fn config_that_is_none_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("config.json");
    assert_says(&config_refused(&path), &["config.json", "a JSON file"]);
    let deep = format!(r#"{{"a":{}}}"#, "[".repeat(200_000));
    let long = " ".repeat((1 << 20) + 1);
    let cases: &[(&[u8], &str)] = &[
        (b"", "EOF"),
        (b"[]", "every key once"),
        (
            br#"{"model_type":"bert","model_type":"bert"}"#,
            "`model_type` twice",
        ),
        (b"{\"\xff\":1}", "unicode"),
        (br#"{"model_type":"bert"} x"#, "trailing characters"),
        (deep.as_bytes(), "recursion limit"),
        (long.as_bytes(), "more than 1048576 bytes"),
    ];
    for (bytes, part) in cases {
        fs::write(&path, bytes).expect("written");
        assert_says(&config_refused(&path), &["config.json", part]);
    }
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder");
    assert_says(&config_refused(folder.path()), &["a folder, not a file"]);
}

/// The golden tokenizer with another value at this place.
fn with_value(place: &str, value: Value) -> String {
    let text = fs::read_to_string(golden_file("bert_tokenizer.json")).expect("a tokenizer");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    match file.pointer_mut(place) {
        Some(there) => *there = value,
        None => {
            let (parent, key) = place.rsplit_once('/').expect("a place");
            file.pointer_mut(parent).expect("a place")[key] = value;
        }
    }
    file.to_string()
}

#[test]
fn tokenizer_of_another_model_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokenizer.json");
    let cases = [
        ("/version", json!("2.0"), "`version`"),
        ("/model/type", json!("BPE"), "`model`"),
        ("/model/unk_token", json!("<unk>"), "`model`"),
        ("/model/continuing_subword_prefix", json!("@@"), "`model`"),
        ("/model/max_input_chars_per_word", json!(200), "`model`"),
        ("/model/merges", json!([]), "unknown field `merges`"),
        ("/normalizer", json!(null), "`normalizer`"),
        ("/normalizer/lowercase", json!(false), "`normalizer`"),
        ("/normalizer/strip_accents", json!(false), "`normalizer`"),
        ("/normalizer/clean_text", json!(false), "`normalizer`"),
        (
            "/normalizer/handle_chinese_chars",
            json!(false),
            "`normalizer`",
        ),
        ("/normalizer/more", json!(true), "`normalizer`"),
        (
            "/pre_tokenizer",
            json!({"type": "Whitespace"}),
            "`pre_tokenizer`",
        ),
        ("/post_processor", json!(null), "`post_processor`"),
        (
            "/post_processor/single/0/SpecialToken/id",
            json!("[SEP]"),
            "`post_processor`",
        ),
        (
            "/post_processor/special_tokens/[CLS]/ids",
            json!([5]),
            "`post_processor`",
        ),
        (
            "/post_processor/special_tokens/[SEP]/ids",
            json!([4, 4]),
            "`post_processor`",
        ),
        ("/added_tokens/0/id", json!(1), "\"[PAD]\" with the id 1"),
        ("/added_tokens/3/lstrip", json!(true), "\"[SEP]\""),
        ("/added_tokens/3/normalized", json!(true), "\"[SEP]\""),
        ("/added_tokens/4/content", json!("<mask>"), "\"<mask>\""),
        ("/added_tokens", json!([]), "no [PAD]"),
        ("/added_tokens/0/more", json!(1), "unknown field `more`"),
        ("/more", json!(1), "unknown field `more`"),
        ("/\u{1b}[2J", json!(1), "unknown field"),
        ("/model/vocab/[SEP]", json!(-4), "invalid value"),
        ("/model/vocab/[SEP]", json!(1_u64 << 40), "invalid value"),
        ("/model/vocab/[SEP]", json!(5), "one token of the id 4"),
        ("/model/vocab/[SEP]", json!(400), "one token of the id 4"),
        ("/model/vocab/Dog", json!(175), "a vocabulary in lower case"),
        ("/model/vocab", json!({"a": 0}), "`added_tokens`"),
        ("/model/vocab", json!({}), "`added_tokens`"),
        ("/model/vocab", json!([]), "every key once"),
    ];
    for (place, value, part) in cases {
        fs::write(&path, with_value(place, value)).expect("written");
        assert_says(&tokenizer_refused(&path), &["tokenizer.json", part]);
    }
    let processor = json!({"type": "BertProcessing", "sep": ["[SEP]", 4], "cls": ["[CLS]", 3]});
    for (place, value) in [
        ("/truncation", json!(null)),
        ("/padding", json!(null)),
        ("/decoder", json!(null)),
        ("/normalizer/strip_accents", json!(true)),
        ("/post_processor/pair", json!([])),
        ("/post_processor", processor),
    ] {
        fs::write(&path, with_value(place, value)).expect("written");
        assert!(SentenceTokenizer::read(&path, 512).is_ok(), "{place}");
    }
    let text = fs::read_to_string(golden_file("bert_tokenizer.json")).expect("a tokenizer");
    let twice = text.replacen(r#""[SEP]":4,"#, r#""[SEP]":4,"[SEP]":4,"#, 1);
    assert_ne!(twice, text);
    fs::write(&path, twice).expect("written");
    assert_says(&tokenizer_refused(&path), &["`[SEP]` twice"]);
    for length in (0..text.len()).step_by(101) {
        fs::write(&path, &text.as_bytes()[..length]).expect("written");
        assert_says(&tokenizer_refused(&path), &["a tokenizer.json"]);
    }
}

#[test]
fn vocabulary_is_taken_on_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vocab.txt");
    let whole = fs::read(golden_file("bert_vocab.txt")).expect("a vocabulary");
    let and = |more: &[u8]| [&whole, more].concat();
    let long = "x ".repeat(100_000);
    let cases: &[(Vec<u8>, &str)] = &[
        (Vec::new(), "the token [PAD]"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n".to_vec(), "the token [MASK]"),
        (and(b"dog\n"), "line 176, \"dog\", as in line 13"),
        (and(b"\nzebra\n"), "line 176, \"\""),
        (and(b"hot dog\n"), "line 176, \"hot dog\""),
        (and(b"a\x1b[2J\n"), "line 176, \"a\\u{1b}[2J\""),
        (and("a\u{85}\n".as_bytes()), "line 176, \"a\\u{85}\""),
        (and(b"zebra\rfox\n"), "line 176, \"zebra\\rfox\""),
        (and(b"Zebra\n"), "the token \"Zebra\""),
        (and(b"\xff\n"), "no text in UTF-8 from byte 611 on"),
        (and(long.as_bytes()), "line 176, \"x x "),
    ];
    for (bytes, part) in cases {
        fs::write(&path, bytes).expect("written");
        assert_says(&tokenizer_refused(&path), &["vocab.txt", part]);
    }
    let file = fs::File::create(&path).expect("a file");
    file.set_len((1 << 26) + 1).expect("a hole");
    assert_says(&tokenizer_refused(&path), &["more than 67108864 bytes"]);
}

#[test]
fn folder_or_pipe_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["vocab.txt", "tokenizer.json"] {
        let path = folder.path().join(name);
        fs::create_dir(&path).expect("a folder");
        assert_says(
            &tokenizer_refused(&path),
            &[name, "a folder with tokenizer.json"],
        );
    }
    assert_says(&tokenizer_refused(folder.path()), &["none of them"]);
    // Opening one would wait for a writer for ever.
    #[cfg(unix)]
    for name in ["p.txt", "p.json"] {
        let pipe = folder.path().join(name);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        for message in [tokenizer_refused(&pipe), config_refused(&pipe)] {
            assert_says(&message, &[name, "a pipe, a device or the like"]);
        }
    }
}
