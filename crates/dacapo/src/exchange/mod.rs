//! Adapters and merged weights for programs that know the same models: Hugging Face's PEFT and
//! transformers.

mod adapt_section;
mod head;
mod peft_export;
mod peft_folder;
mod published_model;
mod trained_layer;
mod trained_model;

pub(crate) use head::Head;
pub(crate) use peft_export::{base_name, peft_adapter};
pub(crate) use peft_folder::PeftFolder;
pub(crate) use published_model::PublishedModel;
pub(crate) use trained_layer::TrainedLayer;
pub(crate) use trained_model::TrainedModel;
