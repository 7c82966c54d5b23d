//! The configuration of a run.

mod adapt_config;
mod adapt_mode;
mod augment;
mod check;
mod clip_backbone;
mod clip_hba_config;
mod data_config;
mod load;
mod model_config;
mod model_kind;
mod run_config;
mod schema;
mod seed_config;
mod sentences_config;
mod sweep_plan;
mod train_config;

pub use adapt_config::AdaptConfig;
pub use adapt_mode::AdaptMode;
pub use augment::Augment;
pub use clip_backbone::ClipBackbone;
pub use clip_hba_config::ClipHbaConfig;
pub use data_config::DataConfig;
pub use load::load_config;
pub use model_config::ModelConfig;
pub use model_kind::ModelKind;
pub use run_config::RunConfig;
pub use schema::config_schema;
pub(crate) use schema::keys_of;
pub use seed_config::SeedConfig;
pub use sentences_config::SentencesConfig;
pub use sweep_plan::{SweepPlan, SweepPoint};
pub use train_config::TrainConfig;
