//! The published weights of CLIP, by name.

mod distinct_map;
mod floats;
mod hugging_face;
mod layout;
mod names;
mod openai;
mod read;
mod rules;
mod safetensors_file;
mod tensor_rule;
mod torch_file;
mod weight_file;

use layout::WeightLayout;
pub use read::read_clip_weights;
