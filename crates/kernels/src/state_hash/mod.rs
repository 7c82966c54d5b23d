//! BLAKE3 of device buffers, computed where they lie: `blake3::hash` of their
//! bytes to the bit, or its keyed and key-derivation forms, with nothing but
//! the 32 bytes of each hash copied to the host.
//!
//! The formulas are those of the BLAKE3 paper (O'Connor, Aumasson, Neves,
//! Wilcox-O'Hearn, 2020): chunks of 1 KiB, one a unit; then parents of pairs,
//! level by level, where a node without a partner moves up as it is.
//!
//! What it is for: two devices' states, or one before and after a resume, are
//! compared tensor by tensor without copying either. It does not give the state
//! hash of a record: that one runs over all leaves with their paths as a single
//! stream, and hashes of parts do not compose into it.
//!
//! # Launches
//!
//! Buffers are grouped by whether they can be read 16 bytes at a time: those of
//! at least 1 KiB that start at a multiple of 16 bytes. A launch takes up to
//! [`capacity`] of a group (32 on CUDA) and reduces each run of 128 KiB to one
//! node; one more launch for all buffers together follows if any is longer than
//! 128 KiB. In total the sum of `ceil(buffers / capacity)` over the two groups,
//! plus one; and one copy of 32 bytes a buffer. Empty buffers cost nothing.

mod hash_mode;
mod kernel;
mod launch;
pub mod reference;

pub use hash_mode::HashMode;
pub use launch::{MAX_BYTES, capacity, tensor_hashes};
