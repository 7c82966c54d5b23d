//! CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language
//! Supervision", 2021) with vision transformers, as OpenAI published it.

mod clip_config;
mod model;
mod split_forward;
mod text_tower;
mod token_batch;
mod tokenizer;
mod tower_config;
mod vision_tower;
pub(crate) mod weights;

use burn::tensor::backend::Backend;
pub use clip_config::ClipConfig;
use dacapo_dora::{DoraError, DoraLinear};
pub use model::Clip;
pub use text_tower::TextTower;
pub use token_batch::TokenBatch;
pub use tokenizer::ClipTokenizer;
pub use tower_config::TowerConfig;
pub use vision_tower::VisionTower;
pub use weights::read_clip_weights;

use crate::Block;

fn map_blocks<B: Backend, F>(
    tower: &str,
    blocks: Vec<Block<B>>,
    f: &mut F,
) -> Result<Vec<Block<B>>, DoraError>
where
    F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
{
    let blocks = blocks.into_iter().enumerate();
    let map = |(i, block): (usize, Block<B>)| block.map_linears(&format!("{tower}.blocks.{i}"), f);
    blocks.map(map).collect()
}
