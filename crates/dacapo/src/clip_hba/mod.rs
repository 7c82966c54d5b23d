//! CLIP fine-tuned to human similarity judgements: the job of CLIP-HBA, and of the
//! researchers who perturb its training.

mod dora_params;
mod session;
mod task;

pub use dora_params::dora_params;
pub use session::ClipSession;
pub(crate) use session::no_base;
pub use task::ClipTask;
