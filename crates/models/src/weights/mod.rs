//! The published weights of a model, by name.

mod architecture;
mod block_names;
mod distinct_map;
mod floats;
mod read_weights;
mod safetensors_file;
mod safetensors_header;
mod sources;
mod tensor_rule;
mod torch_file;
mod weight_file;
mod weight_set;
mod write_merged_weights;

pub use architecture::Architecture;
pub(crate) use block_names::{AttentionNames, BlockNames};
pub(crate) use distinct_map::DistinctMap;
pub(crate) use read_weights::read_weights;
pub(crate) use sources::Sources;
pub(crate) use tensor_rule::{Take, TensorRule};
pub use write_merged_weights::write_merged_weights;
