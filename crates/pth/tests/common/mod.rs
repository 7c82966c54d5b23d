//! What the tests share. Each of them uses a part.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use dacapo_pth::{Key, PthError, PthFile, Value};
use serde_json::{Value as Json, json};

pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

pub fn read_golden(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).expect("a golden file can be read")
}

/// The files that can be read.
pub const GOLDEN: [&str; 7] = [
    "dtypes.pth",
    "views.pth",
    "model.pth",
    "script.pt",
    "checkpoint.pth",
    "dora.pth",
    "plain.pth",
];

/// Everything that a file says, as `golden/pth.py` describes it.
pub fn describe(value: &Value) -> Result<Json, PthError> {
    let all = |items: &[Value]| items.iter().map(describe).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Value::None => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!({"int": value.to_string()}),
        Value::Float(value) => json!({"float": format!("{:016x}", value.to_bits())}),
        Value::Str(value) => json!(**value),
        Value::Bytes(value) => json!({"bytes": hex(value)}),
        Value::List(items) => json!({"list": all(items)?}),
        Value::Tuple(items) => json!({"tuple": all(items)?}),
        Value::Dict(dict) => {
            let mut entries = Vec::new();
            for (key, value) in dict.iter() {
                entries.push(json!([describe(&plain(key))?, describe(value)?]));
            }
            json!({ "dict": entries })
        }
        Value::Tensor(tensor) => {
            let (dtype, bytes) = (tensor.dtype().name(), tensor.bytes()?);
            json!({"tensor": [dtype, tensor.shape(), hex(&bytes)]})
        }
        Value::NumpyArray(array) => {
            json!({"array": [array.dtype().name(), array.shape(), hex(array.bytes())]})
        }
        other => panic!("a new kind of value: {other:?}"),
    })
}

fn plain(key: &Key) -> Value {
    match key {
        Key::None => Value::None,
        Key::Bool(key) => Value::Bool(*key),
        Key::Int(key) => Value::Int(*key),
        Key::Float(bits) => Value::Float(f64::from_bits(*bits)),
        Key::Str(key) => Value::Str(key.clone()),
        Key::Bytes(key) => Value::Bytes(key.clone()),
        Key::Tuple(keys) => Value::Tuple(keys.iter().map(plain).collect()),
        other => panic!("a new kind of key: {other:?}"),
    }
}

/// Everything in the file that `bytes` are, its tensors too.
pub fn read_all(bytes: Vec<u8>) -> Result<Json, PthError> {
    describe(&PthFile::from_bytes("test.pth", bytes)?.into_value())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A zip archive of uncompressed entries.
pub fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
        let len = bytes.len() as u32;
        for field in [crc32fast::hash(bytes), len, len] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 12]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        out.extend(*bytes);
    }
    let (start, len) = (out.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend([len.to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0; 2]);
    out
}

/// A file of one pickle, whose protocol and STOP are added, and one storage "0" of 16 bytes.
pub fn file(pickle: &[u8]) -> Vec<u8> {
    let pickle = [b"\x80\x02", pickle, b"."].concat();
    let storage: Vec<u8> = (0..16).collect();
    archive(&[("a/data.pkl", &pickle), ("a/data/0", &storage)])
}

/// The message of the error that the file gives.
#[track_caller]
pub fn refusal(bytes: Vec<u8>) -> String {
    read_all(bytes)
        .expect_err("it should be refused")
        .to_string()
}

#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
}
