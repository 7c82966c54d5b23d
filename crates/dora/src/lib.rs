//! Weight-decomposed low-rank adaptation (DoRA) layers for Burn.

mod adapter;
mod attach;
mod config;
mod error;
mod flavour;
mod init;
mod keyed_dropout;
mod linear;
mod math;
mod merged;
mod targets;

pub use adapter::DoraAdapter;
pub use attach::{attach_matching, merge_all, unmerge_all};
pub use config::DoraConfig;
pub use error::DoraError;
pub use flavour::Flavour;
pub use keyed_dropout::KeyedDropout;
pub use linear::DoraLinear;
pub use targets::DoraTargets;
