//! Golden adapters, and adapters out of thin air.
#![allow(dead_code)]

pub mod reference;

use std::collections::BTreeMap;
use std::path::PathBuf;

use dacapo_peft::{LayerKind, Matrix, PeftAdapter, PeftConfig, PeftError, PeftLayer, PeftSettings};
use dacapo_peft::{TargetModules, Tensor};
use serde_json::Value;

pub fn golden(name: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("golden").join(name)
}

pub fn read_golden(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn golden_json(name: &str) -> Value {
    serde_json::from_slice(&read_golden(name)).expect("JSON")
}

/// The two files of a golden adapter.
pub fn files(name: &str) -> (Vec<u8>, Vec<u8>) {
    let read = |file: &str| read_golden(&format!("{name}/{file}"));
    (
        read("adapter_config.json"),
        read("adapter_model.safetensors"),
    )
}

/// Values that are different everywhere, below 1.
pub fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((state >> 40) as f32 - (1 << 23) as f32) / (1 << 23) as f32
    };
    (0..count).map(|_| next()).collect()
}

pub fn matrix(rows: usize, columns: usize, seed: u64) -> Matrix {
    Matrix::new(rows, columns, values(rows * columns, seed)).expect("a matrix")
}

/// A linear layer.
pub fn linear(rank: usize, inputs: usize, outputs: usize, dora: bool) -> PeftLayer {
    let magnitude = dora.then(|| values(outputs, 3));
    PeftLayer::new(
        LayerKind::Linear,
        matrix(rank, inputs, 1),
        matrix(outputs, rank, 2),
        magnitude,
    )
    .expect("a layer")
}

/// A configuration of rank 2 and alpha 4.
pub fn settings(targets: &[&str]) -> PeftSettings {
    PeftSettings::new(2, 4.0, TargetModules::names(targets.iter().copied()))
}

pub fn adapter(
    settings: PeftSettings,
    layers: &[(&str, PeftLayer)],
    saved: &[(&str, Tensor)],
) -> Result<PeftAdapter, PeftError> {
    let layers = layers.iter().cloned();
    let saved = saved.iter().cloned();
    PeftAdapter::new(
        PeftConfig::new(settings)?,
        layers
            .map(|(name, layer)| (name.to_owned(), layer))
            .collect(),
        saved
            .map(|(name, tensor)| (name.to_owned(), tensor))
            .collect(),
    )
}

/// A file of safetensors of these f32 tensors, in the order given.
pub fn safetensors(tensors: &[(&str, &[usize], Vec<f32>)]) -> Vec<u8> {
    let mut header = BTreeMap::new();
    let mut bytes = Vec::new();
    for (name, shape, values) in tensors {
        let begin = bytes.len();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let info = serde_json::json!({
            "dtype": "F32", "shape": shape, "data_offsets": [begin, bytes.len()],
        });
        header.insert(*name, info);
    }
    let header = serde_json::to_string(&header).expect("JSON");
    with_header(&header, &bytes)
}

/// A file of this header and these bytes of tensors.
pub fn with_header(header: &str, bytes: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), bytes].concat()
}

/// A message that a user can do something with.
#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    for part in parts.iter().chain(&["expected ", "found "]) {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 2000, "{} bytes", message.len());
}
