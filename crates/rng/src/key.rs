//! The key derivation documented in the crate's root.

const STREAM: &str = "dacapo-rng v1 stream key";
const DROPOUT: &str = "dacapo-rng v1 dropout key";
const MASK: &str = "dacapo-rng v1 mask key";

/// The key of a registered stream (`index` is `None`) or of a sub-stream.
///
/// The tag byte keeps `(seed, name)` apart from `(seed, name, 0)`, and both from those of a
/// [micro-batch](micro_batch).
pub(crate) fn stream(seed: u64, name: &str, index: Option<u64>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(STREAM);
    hasher.update(&seed.to_le_bytes());
    string(&mut hasher, name);
    match index {
        None => hasher.update(&[0]),
        Some(index) => hasher.update(&[1]).update(&index.to_le_bytes()),
    };
    *hasher.finalize().as_bytes()
}

pub(crate) fn micro_batch(seed: u64, name: &str, step: u64, micro_batch: u32) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(STREAM);
    hasher.update(&seed.to_le_bytes());
    string(&mut hasher, name);
    hasher.update(&[2]);
    hasher.update(&step.to_le_bytes());
    hasher.update(&micro_batch.to_le_bytes());
    *hasher.finalize().as_bytes()
}

pub(crate) fn dropout(seed: u64, name: &str, step: u64, micro_batch: u32) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(DROPOUT);
    hasher.update(&seed.to_le_bytes());
    string(&mut hasher, name);
    hasher.update(&step.to_le_bytes());
    hasher.update(&micro_batch.to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// The first 128 bits of a layer's key, as four little-endian words.
pub(crate) fn mask(dropout: &[u8; 32], path: &str) -> [u32; 4] {
    let mut hasher = blake3::Hasher::new_derive_key(MASK);
    hasher.update(dropout);
    string(&mut hasher, path);
    let hash = hasher.finalize();
    let bytes = hash.as_bytes();
    std::array::from_fn(|i| {
        u32::from_le_bytes([
            bytes[4 * i],
            bytes[4 * i + 1],
            bytes[4 * i + 2],
            bytes[4 * i + 3],
        ])
    })
}

/// Length first, so that no two lists of fields give the same message.
fn string(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}
