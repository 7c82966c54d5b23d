//! Checksummed, atomically committed record files, and a leaf-by-leaf view of
//! them, for dacapo.
//!
//! # Contract
//!
//! * [`seal`] and [`open`]: a file is a payload and a trailer. [`open`] gives the
//!   payload only after its length and checksum agree; nothing is parsed before.
//! * [`commit`]: after a failure or a crash at any point, the target holds its
//!   previous content or the new one, whole.
//! * [`CheckpointStore`]: the checkpoints of a run folder, the pointers `latest` and
//!   `best` to them, the pins that keep them, and the lock that keeps others out.
//! * [`Tree`]: every leaf of a payload by its path, whatever the record's type;
//!   [`Tree::diff`] compares bits, [`Tree::state_hash`] names a state.
//!
//! Every error names the file or the leaf, what was expected, what was found and
//! what to do next. Memory is bounded by the size of the file that is read: the
//! file itself and, for a [`Tree`], each leaf's bytes and at most 1 KiB of path.
//!
//! ```
//! use dacapo_record::{CheckpointStore, FsStorage, Tree};
//!
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path();
//! let store = CheckpointStore::new(run, FsStorage);
//! let path = store.save("step-000001", b"\x81\xa4loss\xca\x3e\x80\x00\x00".to_vec())?;
//! store.set_pointer("latest", "step-000001")?;
//!
//! let name = store.pointer("latest")?.expect("set just above");
//! let tree = Tree::parse(&path, &store.load(&name)?)?;
//! assert_eq!(tree.get("loss"), Some(&dacapo_record::Leaf::F32(0.25)));
//! assert!(tree.diff(&tree, &[]).is_equal());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The file, byte by byte
//!
//! ```text
//! file    = payload trailer
//! payload = the MessagePack map that burn 0.21's NamedMpkFileRecorder writes
//! trailer = 80 bytes, integers little-endian:
//!
//!   offset  size  content
//!        0     8  magic: 89 44 41 43 41 50 4f 0a ("\x89DACAPO\n")
//!        8     4  format version, u32: 1
//!       12     2  major \
//!       14     2  minor  } the first dacapo version that reads this format, u16 each
//!       16     2  patch /
//!       18     6  reserved, zero
//!       24     8  length of the payload in bytes, u64
//!       32    32  BLAKE3 of the payload
//!       64    16  first 16 bytes of the BLAKE3 of the trailer's bytes 8..64
//! ```
//!
//! To read it: take the last 80 bytes, compare the magic and the check, refuse a
//! format version above your own (bytes 12..18 say who can read it), compare the
//! length with the file's, hash the payload, and only then parse it. Later
//! format versions keep these 80 bytes where they are and what they mean.
//!
//! The payload comes first because burn's `NamedMpkFileRecorder` reads one
//! MessagePack value and ignores what follows: any Burn program can open the
//! file, without the verification.
//!
//! # The run folder
//!
//! ```text
//! RUN/latest              "NAME.mpk\n"
//! RUN/best                "NAME.mpk\n"
//! RUN/checkpoints/NAME.mpk
//! RUN/pins/NAME@BY        a branch's folder, for people: NAME is not removed
//! RUN/lock                who works in RUN, while the operating system's lock on it is held
//! RUN/damaged/            what a repair has moved out of the way
//! ```
//!
//! A temporary file is called `.NAME.tmp` beside its target; one that a crash
//! left behind is replaced by the next commit to that target. Two processes
//! must not write to one run folder at the same time: [`CheckpointStore::lock`] keeps
//! them apart if both ask it. The lock is the operating system's (`flock`, `LockFileEx`),
//! so it never outlives its process; the file stays.
//!
//! # What this crate does not do
//!
//! * It knows neither Burn nor any record type: it does not serialise.
//! * It reads no clock and makes no random names.
//! * The checksum finds damage, not forgery: anyone can seal any payload.
//! * Quantised tensors (`QFloat`) are refused by [`Tree::parse`].

mod checkpoint_name;
mod commit;
mod container;
mod diff;
mod diff_display;
mod diff_kind;
mod dtype;
mod entry_kind;
mod error;
mod flatten;
mod fs_storage;
mod hash;
mod leaf;
mod leaf_diff;
mod lock;
mod pin;
mod storage;
mod store;
mod tree;
mod ulp;

pub use commit::{commit, create_folder};
pub use container::{FORMAT_VERSION, TRAILER_LEN, open, read_sealed, seal};
pub use diff::TreeDiff;
pub use diff_kind::DiffKind;
pub use entry_kind::EntryKind;
pub use error::RecordError;
pub use fs_storage::FsStorage;
pub use leaf::Leaf;
pub use leaf_diff::LeafDiff;
pub use lock::{Lock, lock_folder};
pub use pin::Pin;
pub use storage::Storage;
pub use store::CheckpointStore;
pub use tree::Tree;
