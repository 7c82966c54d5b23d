//! Reads PyTorch's `torch.save` files (`.pt`, `.pth`) without executing them, and
//! writes files that `torch.load(.., weights_only=True)` loads, for dacapo.
//!
//! # Contract
//!
//! * [`PthFile`]: reads a file's values; a [`Tensor`] stays in the file until its bytes
//!   are asked for.
//! * [`Value`]: what a file says: plain values, dicts in order, tensors of every dtype
//!   as row-major little-endian bytes, numpy arrays.
//! * [`Node`]: walks through a value; its errors tell the way to what is wrong.
//! * [`to_bytes`]: a value as a file. The same value gives the same bytes.
//!
//! Nothing is executed. A pickle's classes and functions are looked up in a short list;
//! one that is not on it is an error that names it, as is every opcode that torch.save
//! does not write. Damage and malice are errors: checksums are verified, no length,
//! shape or stride is believed before the file has as many bytes, names are those of plain
//! files, no entry lies in another, no key is twice in a dict, and memory is in
//! proportion to the file.
//!
//! Every error names the file and the place in it, what was expected, what was found and
//! what to do.
//!
//! ```
//! use dacapo_pth::{Dict, Dtype, PthFile, Tensor, to_bytes};
//!
//! let weight = Tensor::new(Dtype::F32, vec![1, 2], [1.0_f32, -2.0].map(f32::to_le_bytes).concat())?;
//! let params = Dict::from_iter([("proj.m", weight.into())]);
//! let bytes = to_bytes(&Dict::from_iter([("params", params.into()), ("epoch", 3.into())]).into())?;
//!
//! let file = PthFile::from_bytes("adapter.pth", bytes)?;
//! assert_eq!(file.root().get("epoch")?.int()?, 3);
//! let weight = file.root().get("params")?.get("proj.m")?.tensor()?.clone();
//! assert_eq!(weight.shape(), [1, 2]);
//! assert_eq!(weight.bytes()?[..4], 1.0_f32.to_le_bytes());
//! # Ok::<(), dacapo_pth::PthError>(())
//! ```
//!
//! # What it reads
//!
//! * torch.save's zip format (torch 1.6 and newer) with pickle protocol 2, its default.
//! * Tensors and parameters of every place in a shared storage, with any strides; the
//!   device is ignored. An OrderedDict, a Counter and a dict are a [`Dict`]; an
//!   OrderedDict's `_metadata` is ignored.
//! * numpy arrays and scalars of numbers and bools, which random states hold. A scalar
//!   becomes the Python value that it is worth.
//! * TorchScript archives (`torch.jit.save`): objects become dicts of their attributes,
//!   and [`Node::tensors`] gives their state dict. The code in them is not looked at.
//!
//! # What this crate does not do
//!
//! * It knows no tensor library and computes nothing.
//! * It writes no file: [`to_bytes`] gives the bytes, below 4 GiB.
//! * torch's formats before 1.6, other pickle protocols, whole modules, sparse and
//!   quantised tensors, tensor subclasses, lazily conjugated views and numpy arrays of
//!   objects are refused.
//! * Tensors that share a storage do not share one in a file that it writes, and are
//!   written in full.

mod archive;
mod dict;
mod dtype;
mod error;
mod key;
mod layout;
mod node;
mod numpy_array;
mod pickle;
mod place;
mod pth_file;
mod storage;
mod tensor;
mod to_bytes;
mod value;

pub use dict::Dict;
pub use dtype::Dtype;
pub use error::PthError;
pub use key::Key;
pub use node::Node;
pub use numpy_array::NumpyArray;
pub use pth_file::PthFile;
pub use tensor::Tensor;
pub use to_bytes::to_bytes;
pub use value::Value;
