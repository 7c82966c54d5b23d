//! What identifies a base, an order of examples, a run.

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    module::{AutodiffModule, Module},
    tensor::{
        TensorData,
        backend::{AutodiffBackend, Backend},
    },
};

use crate::{Task, module_state};

/// A hash of every tensor that is neither trained nor a buffer.
pub(crate) fn frozen_hashes<B: AutodiffBackend, T: Task<B>>(
    task: &T,
    model: &T::Model,
    trainable: &BTreeSet<String>,
) -> BTreeMap<String, blake3::Hash> {
    hashes(&model.valid(), |path| {
        !trainable.contains(path) && !task.is_buffer(path)
    })
}

/// The hash of a model's frozen tensors, as a run on this base has it in
/// [`Identity::base_hash`](crate::Identity::base_hash).
pub fn base_hash<B: Backend, M: Module<B>>(model: &M, is_frozen: impl Fn(&str) -> bool) -> String {
    hash_all(&hashes(model, is_frozen))
}

/// A hash of every tensor that is selected.
pub(crate) fn hashes<B: Backend, M: Module<B>>(
    model: &M,
    select: impl Fn(&str) -> bool,
) -> BTreeMap<String, blake3::Hash> {
    let tensors = module_state::tensors(model, select).into_iter();
    tensors
        .map(|(path, data)| (path, hash_tensor(&data)))
        .collect()
}

fn hash_tensor(data: &TensorData) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", data.dtype).as_bytes());
    for dim in data.shape.iter() {
        hasher.update(&(*dim as u64).to_le_bytes());
    }
    hasher.update(&[0xff]);
    hasher.update(data.as_bytes());
    hasher.finalize()
}

/// The hash of a base: of its tensors' paths and hashes.
pub(crate) fn hash_all(hashes: &BTreeMap<String, blake3::Hash>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, hash) in hashes {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(hash.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The hash of an order of examples.
pub(crate) fn order_key(order: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for index in order {
        hasher.update(&(*index as u64).to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// The first 16 digits of a hash of `parts`.
pub(crate) fn short_hash(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}
