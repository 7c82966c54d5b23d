//! Files that this crate writes, read by itself and by PyTorch.

mod common;

use std::process::Command;

use common::{GOLDEN, assert_says, describe, golden, read_all};
use dacapo_pth::{Dict, Dtype, Key, PthError, PthFile, Tensor, Value, to_bytes};
use proptest::prelude::*;

const DTYPES: [Dtype; 17] = [
    Dtype::F64,
    Dtype::F32,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::F8E4m3,
    Dtype::F8E5m2,
    Dtype::Complex64,
    Dtype::Complex128,
    Dtype::I64,
    Dtype::I32,
    Dtype::I16,
    Dtype::I8,
    Dtype::U64,
    Dtype::U32,
    Dtype::U16,
    Dtype::U8,
    Dtype::Bool,
];

fn any_tensor() -> impl Strategy<Value = Value> {
    let shape = prop::collection::vec(0..5_usize, 0..4);
    (shape, 0..DTYPES.len(), any::<u8>()).prop_map(|(shape, dtype, first)| {
        let dtype = DTYPES[dtype];
        let len = shape.iter().product::<usize>() * dtype.size();
        let byte = |i: usize| match dtype {
            Dtype::Bool => (i % 2) as u8,
            _ => first.wrapping_add(i as u8),
        };
        let tensor = Tensor::new(dtype, shape, (0..len).map(byte).collect());
        tensor.unwrap().into()
    })
}

fn any_key() -> impl Strategy<Value = Key> {
    let leaf = prop_oneof![
        ".{0,6}".prop_map(|key| key.as_str().into()),
        any::<i64>().prop_map(Key::from),
        any::<Vec<u8>>().prop_map(|key| Key::Bytes(key.into())),
        Just(Key::None),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(|keys| Key::Tuple(keys.into()))
    })
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>().prop_map(Value::Int),
        (-70_000..70_000_i64).prop_map(Value::from),
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        ".{0,20}".prop_map(|text| text.as_str().into()),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        any_tensor(),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        let entries = prop::collection::vec((any_key(), inner), 0..6);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.prop_map(Value::Tuple),
            entries.prop_map(|entries| Value::Dict(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn value_changes_on_its_way_through_a_file(value in any_value()) {
        let bytes = to_bytes(&value).unwrap();
        prop_assert_eq!(&to_bytes(&value).unwrap(), &bytes);
        let read = PthFile::from_bytes("test.pth", bytes.clone()).unwrap().into_value();
        prop_assert_eq!(describe(&read).unwrap(), describe(&value).unwrap());
        prop_assert_eq!(to_bytes(&read).unwrap(), bytes);
    }
}

/// A value of every kind and every dtype.
fn everything() -> Value {
    let mut tensors = Dict::new();
    for dtype in DTYPES {
        let bytes: Vec<u8> = (0..6 * dtype.size()).map(|i| (i % 2) as u8).collect();
        let tensor = Tensor::new(dtype, vec![2, 3], bytes).unwrap();
        tensors.insert(dtype.name(), tensor.into());
    }
    let tensor = |shape: Vec<usize>| {
        let len = 4 * shape.iter().product::<usize>();
        Tensor::new(Dtype::I32, shape, vec![7; len]).unwrap().into()
    };
    tensors.insert("scalar", tensor(vec![]));
    tensors.insert("empty", tensor(vec![0, 3]));
    let ints = [0, 255, 256, -1, i128::from(i64::MAX), i128::MIN, i128::MAX];
    let entries: [(Key, Value); 7] = [
        ("tensors".into(), tensors.into()),
        ("ints".into(), Value::List(ints.map(Value::Int).to_vec())),
        ("float".into(), 0.1.into()),
        ("text".into(), "Grüße".into()),
        ("bytes".into(), Value::Bytes([0, 128, 255].into())),
        (
            3.into(),
            Value::Tuple(vec![Value::None, true.into(), Value::List(vec![])]),
        ),
        (
            Key::Tuple([1.into(), "x".into()].into()),
            Dict::new().into(),
        ),
    ];
    Dict::from_iter(entries).into()
}

/// Loads a file with `weights_only` and saves what it finds, for the comparison here.
const RESAVE: &str = "\
import sys, torch
try:
    value = torch.load(sys.argv[1], weights_only=True)
    mapped = torch.load(sys.argv[1], weights_only=True, mmap=True)
    torch.save(value, sys.argv[2])
    torch.save(mapped, sys.argv[3])
except Exception as error:
    sys.exit(f'{type(error).__name__}: {error}')
";

#[test]
fn torch_refuses_or_misreads_a_written_file() {
    let Some(python) = std::env::var_os("DACAPO_PYTHON") else {
        eprintln!("skipped: DACAPO_PYTHON names no Python with torch");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = PthFile::open(golden("dora.pth")).unwrap().into_value();
    for (number, value) in [everything(), checkpoint, Dict::new().into()]
        .iter()
        .enumerate()
    {
        let path = |name: &str| folder.path().join(format!("{name}-{number}.pth"));
        std::fs::write(path("ours"), to_bytes(value).unwrap()).unwrap();
        let output = Command::new(&python)
            .args(["-c", RESAVE])
            .args([path("ours"), path("torch"), path("mapped")])
            .output()
            .expect("DACAPO_PYTHON can be run");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{message}");
        for name in ["torch", "mapped"] {
            let theirs = PthFile::open(path(name)).unwrap().into_value();
            assert_eq!(
                describe(&theirs).unwrap(),
                describe(value).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn bytes_of_a_file_depend_on_more_than_its_value() {
    // Pinned: what was written stays what is written.
    let bytes = to_bytes(&everything()).unwrap();
    assert_eq!(bytes, to_bytes(&everything()).unwrap());
    assert_eq!(
        crc32fast::hash(&bytes),
        0x9fdb_17bf,
        "{} bytes",
        bytes.len()
    );
}

#[test]
fn storage_is_not_aligned_as_torch_aligns_it() {
    let bytes = to_bytes(&everything()).unwrap();
    let headers: Vec<usize> = (0..bytes.len() - 30)
        .filter(|&at| bytes[at..].starts_with(b"PK\x03\x04"))
        .collect();
    // data.pkl, byteorder, version and 19 tensors.
    assert_eq!(headers.len(), 22);
    for at in headers {
        let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        assert_eq!((at + 30 + word(at + 26) + word(at + 28)) % 64, 0);
    }
}

#[test]
fn file_of_torch_cannot_be_written_again() {
    for name in GOLDEN {
        let value = PthFile::open(golden(name)).unwrap().into_value();
        match to_bytes(&value) {
            Ok(bytes) => assert_eq!(
                read_all(bytes).unwrap(),
                describe(&value).unwrap(),
                "{name}"
            ),
            // With numpy's arrays, torch.load would refuse it.
            Err(error) => {
                assert!(["checkpoint.pth", "plain.pth"].contains(&name), "{error}");
                assert!(matches!(error, PthError::Unwritable { .. }), "{error}");
            }
        }
    }
    let value = PthFile::open(golden("checkpoint.pth"))
        .unwrap()
        .into_value();
    let message = to_bytes(&value).unwrap_err().to_string();
    assert_says(
        &message,
        &[
            "numpy_rng_state[1]: expected ",
            "found a numpy array. Make it a Tensor",
        ],
    );
}

#[test]
fn endless_nesting_is_written() {
    let mut value = Value::None;
    for _ in 0..1000 {
        value = Value::List(vec![value]);
    }
    assert_says(
        &to_bytes(&value).unwrap_err().to_string(),
        &["nested at most 100 deep"],
    );
}

#[test]
fn tensor_of_too_few_bytes_is_made() {
    let error = Tensor::new(Dtype::F32, vec![2, 3], vec![0; 23]).unwrap_err();
    assert_says(
        &error.to_string(),
        &["float32", "[2, 3]", "expected 24 bytes, found 23"],
    );
    Tensor::new(Dtype::F32, vec![usize::MAX, 2], vec![]).unwrap_err();
    Tensor::new(Dtype::F32, vec![usize::MAX, 2, 0], vec![]).unwrap();
}
