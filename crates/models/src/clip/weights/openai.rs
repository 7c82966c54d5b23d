use super::names::Names;
use crate::weights::{AttentionNames, BlockNames};

/// Those of OpenAI's `clip/model.py`.
pub(super) const NAMES: Names = Names {
    class_token: "visual.class_embedding",
    patch_embed: "visual.conv1.weight",
    positions: "visual.positional_embedding",
    norm_pre: "visual.ln_pre",
    norm_post: "visual.ln_post",
    projection: "visual.proj",
    blocks: "visual.transformer.resblocks",
    token_embed: "token_embedding.weight",
    text_positions: "positional_embedding",
    text_norm: "ln_final",
    text_projection: "text_projection",
    text_blocks: "transformer.resblocks",
    projections_turned: false,
    block: BlockNames {
        attention: AttentionNames::Joined("attn.in_proj"),
        out_proj: "attn.out_proj",
        fc1: "mlp.c_fc",
        fc2: "mlp.c_proj",
        norm1: "ln_1",
        norm2: "ln_2",
    },
};
