//! CLIP fine-tuned to human similarity judgements: the job of CLIP-HBA, and of the
//! researchers who perturb its training.

mod dora_params;
mod layer_name;
mod loaded_ahead;
mod original;
mod original_files;
mod original_history;
mod original_states;
mod prefix;
mod prompts;
mod quoted;
mod session;
mod split_file;
mod task;
mod tensors;

pub use dora_params::dora_params;
pub use original::read_original;
pub use original_files::OriginalFiles;
pub use session::ClipSession;
pub(crate) use session::{model, no_base};
pub use task::ClipTask;
