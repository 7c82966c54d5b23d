//! Payloads as trees of leaves: what is taken in, and what is refused by path.

#[path = "common/value.rs"]
mod value;

use std::path::Path;

use dacapo_record::{Leaf, RecordError, Tree, open};
use rmpv::Value;
use serde_json::Value as Json;
use value::{encode, map, parse, tensor, tree};

/// The leaf's path and the message of a refused payload.
fn refusal(value: &Value) -> (String, String) {
    match parse(value).expect_err("a bad payload") {
        RecordError::Leaf {
            leaf,
            expected,
            found,
            ..
        } => (leaf, format!("{expected}; {found}")),
        error => panic!("expected an error by path, found {error}"),
    }
}

fn malformed(payload: &[u8]) -> String {
    match Tree::parse(Path::new("a.mpk"), payload).expect_err("a bad payload") {
        error @ RecordError::Malformed { .. } => error.to_string(),
        error => panic!("expected a malformed payload, found {error}"),
    }
}

// Written by burn 0.21.0's `NamedMpkBytesRecorder<FullPrecisionSettings>`; see
// fixtures/README.md.
#[test]
fn burn_encodes_a_tensor_in_another_way() {
    let payload = include_bytes!("fixtures/burn-0.21.0.mpk");
    let tree = Tree::parse(Path::new("burn-0.21.0.mpk"), payload).expect("burn wrote it");
    let sizes = [
        ("f64", "F64", 8),
        ("f32", "F32", 4),
        ("flex32", "Flex32", 4),
        ("f16", "F16", 2),
        ("bf16", "BF16", 2),
        ("i64", "I64", 8),
        ("i32", "I32", 4),
        ("i16", "I16", 2),
        ("i8", "I8", 1),
        ("u64", "U64", 8),
        ("u32", "U32", 4),
        ("u16", "U16", 2),
        ("u8", "U8", 1),
        ("bool_native", "Bool(Native)", 1),
        ("bool_u8", "Bool(U8)", 1),
        ("bool_u32", "Bool(U32)", 4),
    ];
    for (name, dtype, size) in sizes {
        let expected = Leaf::Tensor {
            dtype: dtype.to_owned(),
            shape: vec![2, 3],
            bytes: (0..6 * size).collect(),
        };
        assert_eq!(tree.get(&format!("item.tensors.{name}")), Some(&expected));
    }
    let weight: Vec<u8> = [1.0_f32, -0.0, 0.5, 2.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let others = [
        (
            "item.tensors.empty",
            Leaf::Tensor {
                dtype: "F32".to_owned(),
                shape: vec![0, 4],
                bytes: vec![],
            },
        ),
        ("item.none", Leaf::Nil),
        ("item.history[0].loss", Leaf::F64(0.25)),
        ("item.history[0].lr", Leaf::F32(0.5)),
        ("item.history[0].step", Leaf::Int(i128::from(u64::MAX))),
        ("item.history[0].kind", Leaf::Str("Unit".to_owned())),
        ("item.history[1].loss", Leaf::F64(f64::NAN)),
        ("item.history[1].kind.Newtype", Leaf::Int(-3)),
        (
            "item.module.weight.param",
            Leaf::Tensor {
                dtype: "F32".to_owned(),
                shape: vec![2, 2],
                bytes: weight,
            },
        ),
        ("metadata.float", Leaf::Str("f32".to_owned())),
    ];
    for (path, expected) in others {
        assert_eq!(tree.get(path), Some(&expected), "{path}");
    }
}

#[test]
fn formats_are_not_the_documented_ones() {
    let golden: Json = serde_json::from_str(include_str!("golden/formats.json")).expect("JSON");
    let bytes = |name: &str| -> Vec<u8> {
        let text = golden[name].as_str().expect("hex").as_bytes();
        let pairs = text
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect()
    };
    assert_eq!(dacapo_record::seal(bytes("payload")), bytes("sealed"));
    let sealed = bytes("sealed");
    let payload = open(Path::new("a.mpk"), &sealed).expect("a good file");
    let tree = Tree::parse(Path::new("a.mpk"), payload).expect("a good payload");
    assert_eq!(
        serde_json::json!(tree.leaves().keys().collect::<Vec<_>>()),
        golden["paths"]
    );
    assert_eq!(
        tree.state_hash(&[]),
        golden["state_hash"].as_str().expect("hex")
    );
}

#[test]
fn leaf_is_lost_or_misnamed() {
    let tree = tree(&map(&[
        ("a", map(&[("b.c", 1.into()), ("", Value::Nil)])),
        (
            "list",
            Value::Array(vec![Value::Array(vec![true.into()]), Value::Array(vec![])]),
        ),
        ("map", Value::Map(vec![])),
        ("bytes", Value::Binary(vec![1])),
        ("min", i64::MIN.into()),
        ("max", u64::MAX.into()),
    ]));
    let expected = [
        ("a.", Leaf::Nil),
        ("a.b.c", Leaf::Int(1)),
        ("bytes", Leaf::Bytes(vec![1])),
        ("list[0][0]", Leaf::Bool(true)),
        ("list[1]", Leaf::EmptySeq),
        ("map", Leaf::EmptyMap),
        ("max", Leaf::Int(i128::from(u64::MAX))),
        ("min", Leaf::Int(i128::from(i64::MIN))),
    ];
    let expected: Vec<_> = expected.map(|(path, leaf)| (path.to_owned(), leaf)).into();
    assert_eq!(
        tree.leaves().clone().into_iter().collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn root_leaf_is_lost() {
    assert_eq!(tree(&Value::from(3)).get(""), Some(&Leaf::Int(3)));
    assert_eq!(tree(&Value::Map(vec![])).get(""), Some(&Leaf::EmptyMap));
}

#[test]
fn prefix_takes_in_a_namesake() {
    let tree = tree(&map(&[
        (
            "run",
            map(&[("id", 1.into()), ("log", Value::Array(vec![2.into()]))]),
        ),
        ("run-time", 3.into()),
        ("runs", 4.into()),
    ]));
    let paths = |prefix| {
        tree.below(prefix)
            .map(|(path, _)| path.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths("run"), ["run.id", "run.log[0]"]);
    assert_eq!(paths("run.log"), ["run.log[0]"]);
    assert_eq!(paths("").len(), 4);
    assert!(paths("ru").is_empty());
}

#[test]
fn map_with_one_key_more_is_a_tensor() {
    let Value::Map(mut entries) = tensor("F32", &[0], vec![]) else {
        panic!("a map");
    };
    entries.push(("extra".into(), 1.into()));
    let tree = tree(&Value::Map(entries));
    assert_eq!(tree.get("dtype"), Some(&Leaf::Str("F32".to_owned())));
}

#[test]
fn scalar_tensor_is_refused() {
    let leaf = tree(&tensor("F64", &[], vec![0; 8]));
    assert_eq!(leaf.get("").expect("there").describe(), "F64 []");
    assert_eq!(leaf.get("").expect("there").size(), 8);
}

#[test]
fn misfitting_tensor_is_accepted() {
    let bad = [
        (
            tensor("F32", &[2, 3], vec![0; 20]),
            "24 bytes for F32 [2, 3]; 20 bytes",
        ),
        (
            tensor("F32", &[u64::MAX, 2], vec![]),
            "a shape that fits memory",
        ),
        (tensor("F33", &[1], vec![0; 4]), "\"F33\""),
        (tensor("Bool", &[1], vec![0]), "\"Bool\""),
        (
            map(&[
                ("bytes", 1.into()),
                ("shape", Value::Array(vec![])),
                ("dtype", "U8".into()),
            ]),
            "elements as bytes",
        ),
        (
            map(&[
                ("bytes", Value::Binary(vec![])),
                ("shape", Value::Array(vec![(-1).into()])),
                ("dtype", "U8".into()),
            ]),
            "non-negative integers; [-1]",
        ),
        (
            map(&[
                ("bytes", Value::Binary(vec![0])),
                ("shape", Value::Array(vec![1.into()])),
                ("dtype", map(&[("QFloat", map(&[("value", "Q8S".into())]))])),
            ]),
            "QFloat",
        ),
    ];
    for (value, expected) in bad {
        let (leaf, text) = refusal(&map(&[("item", map(&[("weight", value)]))]));
        assert_eq!(leaf, "item.weight");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn duplicate_key_is_overwritten() {
    let twice = map(&[
        ("b", map(&[("x", 1.into())])),
        ("b", map(&[("y", 2.into())])),
    ]);
    let (leaf, text) = refusal(&map(&[("a", twice)]));
    assert_eq!(leaf, "a");
    assert!(text.contains("\"b\" twice"), "{text}");
}

#[test]
fn two_leaves_share_a_path() {
    let (leaf, text) = refusal(&map(&[("a.b", 1.into()), ("a", map(&[("b", 2.into())]))]));
    assert_eq!(
        (leaf.as_str(), text.as_str()),
        ("a.b", "one leaf at this path; two")
    );
    let (leaf, _) = refusal(&map(&[
        ("a", Value::Array(vec![1.into()])),
        ("a[0]", 2.into()),
    ]));
    assert_eq!(leaf, "a[0]");
}

#[test]
fn odd_key_is_accepted() {
    let (leaf, text) = refusal(&map(&[("a", Value::Map(vec![(7.into(), 1.into())]))]));
    assert_eq!(
        (leaf.as_str(), text.as_str()),
        ("a", "keys that are text; the key 7")
    );
    let (leaf, _) = refusal(&Value::Map(vec![(Value::Nil, 1.into())]));
    assert_eq!(leaf, "(root)");
}

#[test]
fn text_that_is_not_utf8_is_accepted() {
    // {"a": str of one byte 0xff}, {str of one byte 0xff: nil}.
    for (payload, expected) in [
        (b"\x81\xa1a\xa1\xff".as_slice(), "a: "),
        (b"\x81\xa1\xff\xc0", "(root): "),
    ] {
        let error = Tree::parse(Path::new("x.mpk"), payload).expect_err("not UTF-8");
        assert!(
            error.to_string().starts_with(&format!("x.mpk: {expected}")),
            "{error}"
        );
        assert!(error.to_string().contains("UTF-8"), "{error}");
    }
}

#[test]
fn extension_value_is_accepted() {
    let (leaf, text) = refusal(&map(&[("time", Value::Ext(-1, vec![0; 4]))]));
    assert_eq!(leaf, "time");
    assert!(text.contains("type -1"), "{text}");
}

#[test]
fn deep_nesting_overflows_the_stack() {
    let nested = |depth| (0..depth).fold(Value::Nil, |inner, _| map(&[("a", inner)]));
    assert!(parse(&nested(64)).is_ok());
    let (leaf, text) = refusal(&nested(65));
    assert_eq!(leaf, ["a"; 65].join("."));
    assert!(text.contains("64"), "{text}");
    // A payload may be deeper than any tree that rmpv itself would build.
    for marker in [&b"\x91"[..], b"\x81\xa1a"] {
        let mut payload = marker.repeat(1_000_000);
        payload.push(0xc0);
        assert!(malformed(&payload).contains("64 deep"));
    }
}

#[test]
fn long_paths_fill_the_memory() {
    let long = "é".repeat(5_000);
    let (leaf, text) = refusal(&map(&[(&long, Value::Array(vec![Value::Nil; 10]))]));
    assert!(leaf.len() < 100 && leaf.ends_with("..."), "{leaf}");
    assert!(text.contains("10000 bytes"), "{text}");
}

#[test]
fn long_key_over_many_small_leaves_fills_the_memory() {
    let long = "k".repeat(1000);
    let leaves = |count| map(&[(&long, Value::Array(vec![Value::Nil; count]))]);
    let (leaf, text) = refusal(&leaves(10_000));
    assert!(leaf.starts_with("kkk"), "{leaf}");
    assert!(
        text.contains("in proportion to the file's length"),
        "{text}"
    );
    // Some are in order.
    assert_eq!(tree(&leaves(50)).leaves().len(), 50);
}

#[test]
fn trailing_bytes_are_ignored() {
    let mut payload = encode(&map(&[("a", 1.into())]));
    payload.extend([0xc0, 0xc0]);
    assert!(malformed(&payload).contains("2 bytes after it"));
}

#[test]
fn truncated_payload_is_accepted() {
    let payload = encode(&map(&[("a", tensor("F32", &[2], vec![0; 8]))]));
    for length in 0..payload.len() {
        assert!(
            malformed(&payload[..length]).contains("ends early"),
            "{length}"
        );
    }
    // Lengths of 2^32 - 1 with nothing behind them: nothing to allocate.
    for marker in [0xc6, 0xdb, 0xdd, 0xdf] {
        assert!(malformed(&[marker, 255, 255, 255, 255]).contains("ends early"));
    }
}

#[derive(serde::Serialize)]
struct Row {
    loss: f32,
    best: Option<f64>,
    run: (u8, String),
}

// `to_vec_named` is what burn's recorder calls; a tuple and a struct without
// names are sequences.
#[test]
fn serde_structs_lose_their_field_names() {
    let row = Row {
        loss: 0.5,
        best: None,
        run: (1, "a".to_owned()),
    };
    let named = rmp_serde::to_vec_named(&row).expect("writes");
    let tree = Tree::parse(Path::new("a.mpk"), &named).expect("a good payload");
    let paths: Vec<_> = tree.leaves().keys().collect();
    assert_eq!(paths, ["best", "loss", "run[0]", "run[1]"]);
    let bare = rmp_serde::to_vec(&row).expect("writes");
    let tree = Tree::parse(Path::new("a.mpk"), &bare).expect("a good payload");
    assert_eq!(tree.get("[0]"), Some(&Leaf::F32(0.5)));
}
