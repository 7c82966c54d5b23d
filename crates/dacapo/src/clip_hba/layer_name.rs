/// An attention output projection of CLIP: its place, which orders them as the original's
/// parameters are, those of the image transformer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayerName {
    text: bool,
    block: usize,
}

impl LayerName {
    /// From a path of ours, such as `visual.blocks.22.attn.out_proj`.
    pub(crate) fn from_ours(path: &str) -> Option<Self> {
        let block = path.strip_suffix(".attn.out_proj")?;
        let (tower, block) = block.split_once(".blocks.")?;
        let text = match tower {
            "visual" => false,
            "text" => true,
            _ => return None,
        };
        let block = block.parse().ok()?;
        Some(Self { text, block })
    }

    /// The path of ours.
    pub(crate) fn ours(self) -> String {
        let tower = if self.text { "text" } else { "visual" };
        format!("{tower}.blocks.{}.attn.out_proj", self.block)
    }

    /// The original's path, such as
    /// `clip_model.visual.transformer.resblocks.22.attn.out_proj`.
    pub(crate) fn theirs(self) -> String {
        let tower = if self.text {
            "transformer"
        } else {
            "visual.transformer"
        };
        format!("clip_model.{tower}.resblocks.{}.attn.out_proj", self.block)
    }
}

/// The parts of an adapter: the original's name, ours, and whether a matrix has its axes
/// exchanged. In the order of the original's parameters.
pub(crate) const PARTS: [(&str, &str, bool); 3] = [
    ("m", "magnitude", false),
    ("delta_D_A", "lora_b", true),
    ("delta_D_B", "lora_a", true),
];
