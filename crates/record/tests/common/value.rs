//! MessagePack values for tests.

use std::path::Path;

use dacapo_record::{RecordError, Tree};
use rmpv::Value;

pub fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).expect("writes to memory");
    bytes
}

pub fn map(entries: &[(&str, Value)]) -> Value {
    let entries = entries.iter().cloned();
    Value::Map(entries.map(|(key, value)| (key.into(), value)).collect())
}

/// A tensor as burn's `TensorData` is written.
pub fn tensor(dtype: &str, shape: &[u64], bytes: Vec<u8>) -> Value {
    map(&[
        ("bytes", Value::Binary(bytes)),
        (
            "shape",
            Value::Array(shape.iter().map(|&x| x.into()).collect()),
        ),
        ("dtype", dtype.into()),
    ])
}

pub fn parse(value: &Value) -> Result<Tree, RecordError> {
    Tree::parse(Path::new("a.mpk"), &encode(value))
}

pub fn tree(value: &Value) -> Tree {
    parse(value).expect("a good payload")
}
