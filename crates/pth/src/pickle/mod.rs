//! The pickle machine: the opcodes that torch.save and TorchScript write with protocol 2,
//! and nothing else. A call is looked up in a list; nothing is imported or executed.

mod arguments;
mod call;
mod cursor;
mod encode;
mod freeze;
mod global;
mod item;
mod machine;
mod numpy;
mod tensor;

pub(crate) use encode::Encoder;
pub(crate) use machine::Machine;

/// How deep values may be nested, read or written.
pub(crate) const MAX_DEPTH: usize = 100;
