//! The built-in job: adapting a small pretrained network to handwritten digits.

mod accuracy;
mod base_record;
mod classifier;
mod model;
mod session;
mod task;

pub use accuracy::Accuracy;
pub use base_record::BaseRecord;
pub use classifier::Classifier;
pub use model::DigitsModel;
pub(crate) use model::{architecture, no_classifier};
pub use session::Session;
pub use task::DigitsTask;
