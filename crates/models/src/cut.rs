use std::collections::BTreeSet;

/// A place in a stack of transformer blocks: before a block, or before the output projection
/// of its attention. What comes before it is the prefix, the rest the suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut(usize);

impl Cut {
    /// Before this block; after all of them if there are as many.
    pub fn block(block: usize) -> Self {
        Self(2 * block)
    }

    /// Between the attention's heads of this block and their output projection.
    pub fn out_proj(block: usize) -> Self {
        Self(2 * block + 1)
    }

    /// What comes after the blocks of the image tower.
    pub(crate) const BEHIND_IMAGES: [&str; 2] = ["norm_post", "projection"];

    /// What comes after the attention in a [`Block`](crate::Block).
    pub(crate) const LATE: [&str; 2] = ["norm2", "mlp"];

    /// The latest place before every tensor of `trainable`, paths within a tower of so many blocks:
    /// `blocks.<i>.attn.out_proj.weight`.
    ///
    /// `None` if one of them is in front of the blocks; `behind` names what comes after them
    /// (`norm_post`, `projection`), and `late` what in a block comes after its attention.
    pub(crate) fn before<'a>(
        blocks: usize,
        behind: &[&str],
        late: &[&str],
        trainable: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut cut = Self::block(blocks);
        for path in trainable {
            let mut parts = path.split('.');
            let first = parts.next().unwrap_or_default();
            if behind.contains(&first) {
                continue;
            }
            let block = parts.next().and_then(|block| block.parse().ok());
            let (Some(block), true) = (block, first == "blocks") else {
                return None;
            };
            let late = match (parts.next(), parts.next()) {
                (Some("attn"), layer) => layer == Some("out_proj"),
                (part, _) => part.is_some_and(|part| late.contains(&part)),
            };
            let place = match late {
                true => Self::out_proj(block),
                false => Self::block(block),
            };
            cut = cut.min(place);
        }
        Some(cut)
    }

    /// The latest cut before every trainable tensor in the image tower of a
    /// [`Clip`](crate::Clip) of so many blocks; `None` if there is one in front of them.
    pub fn of_vision(blocks: usize, trainable: &BTreeSet<String>) -> Option<Self> {
        let within = trainable.iter();
        let within = within.filter_map(|path| path.strip_prefix("visual."));
        Self::before(blocks, &Self::BEHIND_IMAGES, &Self::LATE, within)
    }

    /// The same in its text tower.
    pub fn of_text(blocks: usize, trainable: &BTreeSet<String>) -> Option<Self> {
        let within = trainable.iter();
        let within = within.filter_map(|path| path.strip_prefix("text."));
        Self::before(blocks, &["norm", "projection"], &Self::LATE, within)
    }

    /// The block, and whether it is its output projection.
    pub fn place(self) -> (usize, bool) {
        (self.0 / 2, self.0 % 2 == 1)
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
