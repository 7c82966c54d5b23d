use crate::weights::BlockNames;

/// What one code base calls the tensors of a CLIP. Those of a linear layer or a norm go on
/// with `.weight` and `.bias`.
pub(super) struct Names {
    pub class_token: &'static str,
    pub patch_embed: &'static str,
    pub positions: &'static str,
    pub norm_pre: &'static str,
    pub norm_post: &'static str,
    pub projection: &'static str,
    /// What the number of an image block follows.
    pub blocks: &'static str,
    pub token_embed: &'static str,
    pub text_positions: &'static str,
    pub text_norm: &'static str,
    pub text_projection: &'static str,
    /// What the number of a text block follows.
    pub text_blocks: &'static str,
    /// Whether the projections are linear layers, `[out, in]`, and not `[in, out]`.
    pub projections_turned: bool,
    /// Of both towers' blocks.
    pub block: BlockNames,
}
