use crate::{MaskKey, key};

/// The key of every dropout mask of one forward pass: `(seed, stream, step,
/// micro-batch)`. A small `Copy` value that goes down through a model; each
/// layer takes its own [`MaskKey`] from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropoutKey {
    key: [u8; 32],
}

impl DropoutKey {
    /// The masks of `stream` under `seed`, for optimizer step `step` (counted
    /// from the start of the run, never reset) and the `micro_batch`-th forward
    /// pass of that step's accumulation.
    pub fn new(seed: u64, stream: &str, step: u64, micro_batch: u32) -> Self {
        Self {
            key: key::dropout(seed, stream, step, micro_batch),
        }
    }

    /// The mask key of the layer at `path`. Two layers of a model must give
    /// different paths, or their masks are equal.
    pub fn layer(&self, path: &str) -> MaskKey {
        MaskKey::from_words(key::mask(&self.key, path))
    }
}
