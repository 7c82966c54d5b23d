use super::Storage;

/// Why a merge cannot be launched.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A size of 0.
    #[error("{name}: expected at least 1, found 0; leave empty layers without adapter")]
    Empty {
        /// Which size.
        name: &'static str,
    },
    /// More elements than 32-bit positions reach.
    #[error(
        "weight [{d_in} in, {d_out} out] with rank {rank}: expected at most 2^31 elements in \
         each of its tensors; split the layer"
    )]
    TooLarge {
        /// Inputs.
        d_in: usize,
        /// Outputs.
        d_out: usize,
        /// Rank.
        rank: usize,
    },
    /// A constant that is no number.
    #[error("{name}: expected a finite number, found {value}")]
    NotFinite {
        /// Which constant.
        name: &'static str,
        /// Its value.
        value: f32,
    },
    /// The device cannot compute with a storage type.
    #[error("this device has no {found:?} storage; use F32")]
    UnsupportedStorage {
        /// The type.
        found: Storage,
    },
    /// `normalised_base` without the norms, or norms without it.
    #[error("base norms: expected {expected}, found {found}")]
    BaseNorm {
        /// What the problem says.
        expected: &'static str,
        /// What was given.
        found: &'static str,
    },
    /// The factors' parts do not fit a processor's shared memory.
    #[error(
        "rank {found}: needs {needs} bytes of shared memory, this device has {has}; use a smaller \
         rank"
    )]
    Rank {
        /// The rank.
        found: usize,
        /// Bytes.
        needs: usize,
        /// Bytes.
        has: usize,
    },
}
