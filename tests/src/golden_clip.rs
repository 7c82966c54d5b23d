/// Sizes of the small CLIP of the golden files, as a section of a configuration.
pub const GOLDEN_CLIP_SIZES: &str = "\
[clip.sizes]
image_size = 28
patch_size = 14
vision = { d_model = 16, blocks = 2, heads = 2, d_mlp = 32 }
text = { d_model = 16, blocks = 2, heads = 2, d_mlp = 32 }
vocabulary = 594
context = 48
d_embed = 12
";
