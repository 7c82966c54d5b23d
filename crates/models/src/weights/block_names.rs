use super::{Take, TensorRule};

/// What one code base calls the tensors of a transformer block, after the block's own name.
/// Those of a linear layer or a norm go on with `.weight` and `.bias`.
pub(crate) struct BlockNames {
    pub attention: AttentionNames,
    pub out_proj: &'static str,
    pub fc1: &'static str,
    pub fc2: &'static str,
    pub norm1: &'static str,
    pub norm2: &'static str,
}

/// Where a block's queries, keys and values are.
pub(crate) enum AttentionNames {
    /// Linear layers each.
    Apart([&'static str; 3]),
    /// One above the other, in `<name>_weight` and `<name>_bias`.
    Joined(&'static str),
}

impl BlockNames {
    /// Where the tensors of the block at `ours` come from, which is `from` there.
    pub fn rules(&self, [d, d_mlp]: [usize; 2], ours: &str, from: &str) -> Vec<TensorRule> {
        let mut rules = Vec::new();
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            let ours = format!("{ours}.attn.{name}");
            match self.attention {
                AttentionNames::Apart(theirs) => {
                    let from = format!("{from}.{}", theirs[part]);
                    rules.extend(TensorRule::linear(&ours, [d, d], &from));
                }
                AttentionNames::Joined(theirs) => rules.extend([
                    TensorRule {
                        ours: format!("{ours}.weight"),
                        shape: vec![d, d],
                        source: format!("{from}.{theirs}_weight"),
                        source_shape: vec![3 * d, d],
                        take: Take::ThirdTurned(part),
                    },
                    TensorRule {
                        ours: format!("{ours}.bias"),
                        shape: vec![d],
                        source: format!("{from}.{theirs}_bias"),
                        source_shape: vec![3 * d],
                        take: Take::Third(part),
                    },
                ]),
            }
        }
        for (name, theirs, sizes) in [
            ("attn.out_proj", self.out_proj, [d, d]),
            ("mlp.fc1", self.fc1, [d, d_mlp]),
            ("mlp.fc2", self.fc2, [d_mlp, d]),
        ] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::linear(&ours, sizes, &from));
        }
        for (name, theirs) in [("norm1", self.norm1), ("norm2", self.norm2)] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::norm(&ours, d, &from));
        }
        rules
    }
}
