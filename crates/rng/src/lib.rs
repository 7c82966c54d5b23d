//! Named, keyed, position-addressed random streams for dacapo.
//!
//! # Contract
//!
//! Every draw depends only on `(seed, stream, position)`, never on the machine,
//! the thread, the clock or the draws of another stream:
//!
//! * [`Stream`] is a PCG-64 (`rand_pcg::Pcg64`, XSL-RR 128/64) whose 256-bit
//!   seed is a BLAKE3 key of `(seed, name)` or `(seed, name, index)`. It counts
//!   its 64-bit draws, so that its whole state is `(key, position)`, and
//!   [`Stream::seek`] reaches any position in O(log n).
//! * [`RngHub`] holds the registered streams of a run. Asking for a name that
//!   was not registered is an error. [`RngHub::to_record`] and
//!   [`RngHub::from_record`] carry it through a file.
//! * [`epoch_permutation`] depends on `(seed, stream, epoch, len)` alone: any
//!   epoch can be rebuilt without replaying the earlier ones.
//! * [`DropoutKey`] → [`MaskKey`] → mask: a counter-based [`Philox4x32`] whose
//!   element `i` depends only on `(seed, stream, step, micro-batch, layer, i)`,
//!   so that a CPU and a GPU can make the same mask in any order.
//!
//! The values are part of the file format: a change to any of them is a change
//! of [`ALGORITHM`], and literals in the tests hold them.
//!
//! ```
//! use dacapo_rng::RngHub;
//!
//! let mut hub = RngHub::new(7, &["init", "shuffle"]);
//! hub.stream("init")?.next_u64();
//! let record = hub.to_record();
//!
//! let mut resumed = RngHub::from_record(&record)?;
//! assert_eq!(resumed.stream("init")?.next_u64(), hub.stream("init")?.next_u64());
//! assert!(hub.stream("inti").is_err());
//! # Ok::<(), dacapo_rng::RngError>(())
//! ```
//!
//! # Key derivation
//!
//! A key is `BLAKE3::derive_key(context, message)`; integers are little-endian,
//! a string is its length in bytes as a u64 followed by its UTF-8 bytes.
//!
//! | key | context | message |
//! |---|---|---|
//! | stream | `dacapo-rng v1 stream key` | u64 seed, string name, u8 0 |
//! | indexed stream | `dacapo-rng v1 stream key` | u64 seed, string name, u8 1, u64 index |
//! | stream of a micro-batch | `dacapo-rng v1 stream key` | u64 seed, string name, u8 2, u64 step, u32 micro-batch |
//! | dropout | `dacapo-rng v1 dropout key` | u64 seed, string name, u64 step, u32 micro-batch |
//! | mask | `dacapo-rng v1 mask key` | 32 bytes of the dropout key, string path |
//!
//! # What this crate does not do
//!
//! * It is not for cryptography.
//! * It knows no tensors and no Burn; it gives host values.
//! * It never reads a clock, the environment or an operating-system generator.
//! * It does not decide which streams a run has; its caller registers them, and
//!   checks them after loading with [`RngHub::expect_streams`].

mod dropout_key;
mod error;
mod hub;
mod key;
mod mask_key;
mod permutation;
mod philox;
mod record;
mod stream;
mod stream_record;

pub use dropout_key::DropoutKey;
pub use error::RngError;
pub use hub::RngHub;
pub use mask_key::MaskKey;
pub use permutation::epoch_permutation;
pub use philox::Philox4x32;
pub use record::RngRecord;
pub use stream::Stream;
pub use stream_record::StreamRecord;

/// Names the generator and the key derivation in an [`RngRecord`]. A file that
/// carries another tag is refused, because its positions mean other values.
pub const ALGORITHM: &str = "pcg64-xsl-rr-128-64/blake3-derive-key/v1";
