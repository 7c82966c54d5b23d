//! CLIP fine-tuned to human similarity judgements: the job of Zhao et al.'s CLIP-HBA, and
//! of the researchers who perturb its training.

mod model;
mod session;
mod task;

pub use session::ClipSession;
pub use task::ClipTask;
