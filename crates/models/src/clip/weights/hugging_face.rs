use super::names::Names;
use crate::weights::{AttentionNames, BlockNames};

/// Those of `transformers.CLIPModel`.
pub(super) const NAMES: Names = Names {
    class_token: "vision_model.embeddings.class_embedding",
    patch_embed: "vision_model.embeddings.patch_embedding.weight",
    positions: "vision_model.embeddings.position_embedding.weight",
    // The spelling is theirs.
    norm_pre: "vision_model.pre_layrnorm",
    norm_post: "vision_model.post_layernorm",
    projection: "visual_projection.weight",
    blocks: "vision_model.encoder.layers",
    token_embed: "text_model.embeddings.token_embedding.weight",
    text_positions: "text_model.embeddings.position_embedding.weight",
    text_norm: "text_model.final_layer_norm",
    text_projection: "text_projection.weight",
    text_blocks: "text_model.encoder.layers",
    projections_turned: true,
    block: BlockNames {
        attention: AttentionNames::Apart([
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
        ]),
        out_proj: "self_attn.out_proj",
        fc1: "mlp.fc1",
        fc2: "mlp.fc2",
        norm1: "layer_norm1",
        norm2: "layer_norm2",
    },
};
