//! The published weights of CLIP, by name.

mod hugging_face;
mod layout;
mod openai;
mod read;
mod safetensors_file;
mod tensor_rule;

use layout::WeightLayout;
pub use read::read_clip_weights;
