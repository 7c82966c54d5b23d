//! A BERT fine-tuned to human similarity judgements of objects, from their names.

mod figures;
mod regressor;
mod ridge;
mod sentence_set;
mod session;
mod task;

pub use self::task::SentenceTask;
pub use figures::Figures;
pub use regressor::SentenceRegressor;
pub use ridge::Ridge;
pub use session::SentenceSession;
pub(crate) use session::{encoder, sizes, task};
