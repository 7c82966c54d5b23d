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
    pub attention: Attention,
    pub out_proj: &'static str,
    pub fc1: &'static str,
    pub fc2: &'static str,
    pub norm1: &'static str,
    pub norm2: &'static str,
}

/// Where a block's queries, keys and values are.
pub(super) enum Attention {
    /// Linear layers each.
    Apart([&'static str; 3]),
    /// One above the other, in `<name>_weight` and `<name>_bias`.
    Joined(&'static str),
}
