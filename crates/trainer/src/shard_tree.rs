//! The order in which the gradients of a step's shards are added.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The binary tree over the shards of a step: its leaves are the shards in their order, and every other
/// node adds its left child and its right one, which may be missing at the end of a row.
///
/// It depends on the number of shards alone. A process adds what lies below the nodes that it has
/// completely, and hands on their sums in place of every shard's gradient: the additions are the same,
/// whoever does them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardTree {
    shards: usize,
}

/// A node: the `index`-th of its row, whose nodes hold 2^`level` shards each, the last one maybe fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ShardNode {
    level: u32,
    index: usize,
}

impl ShardNode {
    /// The shard that this node is, if it is a leaf.
    pub(crate) fn leaf(self) -> Option<usize> {
        (self.level == 0).then_some(self.index)
    }
}

impl ShardTree {
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards }
    }

    pub(crate) fn root(self) -> ShardNode {
        ShardNode {
            level: self.shards.next_power_of_two().ilog2(),
            index: 0,
        }
    }

    /// The shards of process `rank` of `size`: as many as the others have, or one more, in one piece.
    pub(crate) fn share(self, rank: usize, size: usize) -> Range<usize> {
        self.shards * rank / size..self.shards * (rank + 1) / size
    }

    fn shards_of(self, node: ShardNode) -> Range<usize> {
        let first = node.index << node.level;
        first..self.shards.min(first + (1 << node.level))
    }

    fn children(self, node: ShardNode) -> impl Iterator<Item = ShardNode> {
        let level = node.level.wrapping_sub(1);
        let nodes = [2 * node.index, 2 * node.index + 1].map(|index| ShardNode { level, index });
        nodes
            .into_iter()
            .filter(move |child| node.level > 0 && !self.shards_of(*child).is_empty())
    }

    /// The fewest nodes that hold exactly these shards, in their order.
    pub(crate) fn nodes(self, shards: &Range<usize>) -> Vec<ShardNode> {
        let mut nodes = Vec::new();
        self.collect(self.root(), shards, &mut nodes);
        nodes
    }

    fn collect(self, node: ShardNode, shards: &Range<usize>, nodes: &mut Vec<ShardNode>) {
        let own = self.shards_of(node);
        if shards.start <= own.start && own.end <= shards.end {
            nodes.push(node);
        } else if own.start < shards.end && shards.start < own.end {
            self.children(node)
                .for_each(|child| self.collect(child, shards, nodes));
        }
    }

    /// The sum at `node`. `at` gives what is at a node, which is `None` where none of its shards has an
    /// example; or says, by `None`, that its children are to be added. It is never asked twice for a
    /// node.
    pub(crate) fn sum<T, E>(
        self,
        node: ShardNode,
        at: &mut impl FnMut(ShardNode) -> Result<Option<Option<T>>, E>,
        add: &impl Fn(T, T) -> T,
    ) -> Result<Option<T>, E> {
        if let Some(known) = at(node)? {
            return Ok(known);
        }
        let mut sum = None;
        for child in self.children(node) {
            let right = self.sum(child, at, add)?;
            sum = match (sum, right) {
                (Some(left), Some(right)) => Some(add(left, right)),
                (left, right) => left.or(right),
            };
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum as text, which shows its order.
    fn shown(tree: ShardTree, sizes: usize) -> String {
        let mut sums = std::collections::BTreeMap::new();
        let add = |left: String, right: String| format!("({left}+{right})");
        for rank in 0..sizes {
            for node in tree.nodes(&tree.share(rank, sizes)) {
                let leaf = |node: ShardNode| Ok::<_, ()>(node.leaf().map(|n| Some(n.to_string())));
                let sum = tree.sum(node, &mut { leaf }, &add).unwrap();
                assert!(sums.insert(node, sum).is_none(), "{node:?} of two ranks");
            }
        }
        let sum = tree.sum(
            tree.root(),
            &mut |node| {
                let known = sums.remove(&node);
                // A leaf that nobody has sent.
                if known.is_none() && node.leaf().is_some() {
                    return Err(node);
                }
                Ok(known)
            },
            &add,
        );
        assert!(sums.is_empty(), "{sums:?} sent for nothing");
        sum.unwrap().unwrap()
    }

    #[test]
    fn number_of_ranks_changes_the_order_of_additions() {
        for shards in 1..=17 {
            let tree = ShardTree::new(shards);
            let alone = shown(tree, 1);
            for size in 2..=shards {
                assert_eq!(shown(tree, size), alone, "{size} ranks, {shards} shards");
            }
        }
        assert_eq!(shown(ShardTree::new(6), 4), "(((0+1)+(2+3))+(4+5))");
        assert_eq!(shown(ShardTree::new(1), 1), "0");
    }

    #[test]
    fn aligned_ranks_send_more_than_one_sum() {
        let tree = ShardTree::new(8);
        for size in [1, 2, 4, 8] {
            for rank in 0..size {
                assert_eq!(tree.nodes(&tree.share(rank, size)).len(), 1);
            }
        }
    }

    #[test]
    fn shard_without_examples_is_added() {
        let tree = ShardTree::new(4);
        let add = |left: String, right: String| format!("({left}+{right})");
        let mut at = |node: ShardNode| {
            Ok::<_, ()>(node.leaf().map(|leaf| (leaf < 3).then(|| leaf.to_string())))
        };
        let sum = tree.sum(tree.root(), &mut at, &add).unwrap();
        assert_eq!(sum.unwrap(), "((0+1)+2)");
        let mut none = |node: ShardNode| Ok::<_, ()>(node.leaf().map(|_| None));
        assert_eq!(tree.sum(tree.root(), &mut none, &add).unwrap(), None);
    }
}
