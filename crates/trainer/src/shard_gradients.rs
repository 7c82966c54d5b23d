//! The gradients of a step's examples: shard by shard, added in one order over all ranks.

use std::{collections::BTreeMap, ops::Range};

use burn::tensor::{
    DType, Tensor, TensorData,
    backend::{AutodiffBackend, Backend},
};
use dacapo_rng::{DropoutKey, Stream};
use serde::{Deserialize, Serialize};

use crate::{
    BatchPerturbation, Perturbation, PerturbationKind, StepContext, Task, Trainer, TrainerError,
    losses::{Losses, first},
    module_state,
    shard_tree::{ShardNode, ShardTree},
};

/// Flat tensors by path.
pub(crate) type FlatTensors<B> = BTreeMap<String, Tensor<B, 1>>;

/// Where a shard's part of the examples lies: of micro-batch `batch`, its `index`-th forward pass.
struct Piece {
    examples: Range<usize>,
    index: u32,
}

/// Sums of gradients, each over the shards below a node; `None` where none of them has an example.
type Sums<B> = BTreeMap<ShardNode, Option<FlatTensors<B>>>;

/// What a step's examples gave.
pub(crate) struct Gradients<B: Backend> {
    pub(crate) losses: Losses<B>,
    pub(crate) grads: FlatTensors<B>,
    pub(crate) examples: usize,
}

/// What a rank hands on of a step: behind the tensors' bytes, which are in this order, and before its
/// own length as a u64.
#[derive(Serialize, Deserialize)]
struct Contents {
    losses: Vec<(f64, usize)>,
    sums: Vec<Sum>,
}

/// A sum of gradients over the shards below a node, or that they have no example.
#[derive(Serialize, Deserialize)]
struct Sum {
    node: ShardNode,
    /// Place among the trained tensors, and dtype.
    tensors: Option<Vec<(usize, DType)>>,
}

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    pub(crate) fn shard_tree(&self) -> ShardTree {
        ShardTree::new(self.settings.virtual_shards)
    }

    /// The shards that this rank computes.
    pub(crate) fn own_shards(&self) -> Range<usize> {
        self.shard_tree()
            .share(self.ranks.rank(), self.ranks.size())
    }

    /// Losses and gradients of the next step's examples, these averaged over them.
    pub(crate) fn gradients(
        &mut self,
        step: u64,
    ) -> Result<Gradients<B::InnerBackend>, TrainerError> {
        let tree = self.shard_tree();
        let examples = self.step_from(self.position).len();
        let mut losses = Vec::new();
        let mut sums = BTreeMap::new();
        for node in tree.nodes(&self.own_shards()) {
            let mut at = |node: ShardNode| match node.leaf() {
                Some(shard) => self.shard(step, shard, examples, &mut losses).map(Some),
                None => Ok(None),
            };
            let sum = tree.sum(node, &mut at, &add)?;
            sums.insert(node, sum);
        }
        let losses = match self.ranks.size() {
            1 => Losses::OnDevice(losses),
            _ => Losses::Read(self.exchange_sums(step, losses, &mut sums)?),
        };
        let mut at = |node| Ok::<_, TrainerError>(sums.remove(&node));
        let grads = tree.sum(tree.root(), &mut at, &add)?;
        Ok(Gradients {
            losses,
            grads: grads.unwrap_or_default(),
            examples,
        })
    }

    /// The examples of this shard in the step that begins at `position`, as places in the epoch's order.
    fn pieces(&self, shard: usize, position: usize) -> impl Iterator<Item = Piece> + use<B, T> {
        let (batch, size) = (self.settings.batch_size, self.settings.shard_size());
        let shards = self.settings.virtual_shards;
        let step = self.step_from(position);
        let starts = step.clone().step_by(batch).enumerate();
        starts.filter_map(move |(micro_batch, start)| {
            let first = start + shard * size;
            let examples = first..step.end.min(first + size);
            let index = (micro_batch * shards + shard) as u32;
            (!examples.is_empty()).then_some(Piece { examples, index })
        })
    }

    /// This rank's examples in the step that begins at `position`, in the order in which it takes them.
    pub(crate) fn own_examples(&self, position: usize) -> Vec<usize> {
        let pieces = self
            .own_shards()
            .flat_map(|shard| self.pieces(shard, position));
        pieces
            .flat_map(|piece| self.order[piece.examples].to_vec())
            .collect()
    }

    /// The gradients of one shard, if it has an example; its losses go to `losses`.
    fn shard(
        &mut self,
        step: u64,
        shard: usize,
        total: usize,
        losses: &mut Vec<(Tensor<B::InnerBackend, 1>, usize)>,
    ) -> Result<Option<FlatTensors<B::InnerBackend>>, TrainerError> {
        let alone = self.settings.virtual_shards == 1;
        // Of the whole step, if there are no shards.
        let mut shared = self.batch_perturbation(step, None);
        let mut sum = None;
        for Piece { examples, index } in self.pieces(shard, self.position) {
            let (mut own, mut streams);
            let (perturbation, rng) = match alone {
                true => (&mut shared, &mut self.rng),
                false => {
                    own = self.batch_perturbation(step, Some(index));
                    streams = self.rng.of_micro_batch(step, index);
                    (&mut own, &mut streams)
                }
            };
            let (seed, stream) = match self.settings.disturbed(PerturbationKind::DropoutSeed, step)
            {
                Some(perturbation) => (perturbation.seed, Perturbation::STREAM),
                None => (rng.seed(), "dropout"),
            };
            let mut context = StepContext {
                dropout: DropoutKey::new(seed, stream, step - self.dropout_from, index),
                rng,
                perturbation: perturbation.as_mut(),
            };
            let batch = &self.order[examples];
            let mut loss = self
                .task
                .loss(&self.model, batch, &mut context)
                .map_err(|source| TrainerError::Task { step, source })?;
            losses.push((loss.clone().inner(), batch.len()));
            if batch.len() != total {
                loss = loss.mul_scalar(batch.len() as f64 / total as f64);
            }
            let grads =
                module_state::flat(&*self.model, &self.trainable_paths, Some(&loss.backward()));
            sum = Some(match sum {
                Some(sum) => add(grads, sum),
                None => grads,
            });
        }
        Ok(sum)
    }

    /// What is to be done to the batches of this step, or to the `index`-th forward pass alone.
    fn batch_perturbation(&self, step: u64, index: Option<u32>) -> Option<BatchPerturbation> {
        let perturbation = self.settings.perturbation.as_ref()?;
        let Perturbation { kind, seed, .. } = *perturbation;
        let stream = match index {
            None => Stream::keyed(seed, Perturbation::STREAM, step),
            Some(index) => Stream::of_micro_batch(seed, Perturbation::STREAM, step, index),
        };
        (kind.is_of_batch() && perturbation.is_active(step))
            .then_some(BatchPerturbation { kind, stream })
    }

    /// Hands this rank's sums to the others and puts theirs beside them; gives the losses of all.
    fn exchange_sums(
        &self,
        step: u64,
        losses: Vec<(Tensor<B::InnerBackend, 1>, usize)>,
        sums: &mut Sums<B::InnerBackend>,
    ) -> Result<Vec<(f64, usize)>, TrainerError> {
        let what = format!("gradients of step {step}");
        let own = self.written(losses, sums)?;
        let mut losses = Vec::new();
        for (rank, message) in self.ranks.exchange(&what, own)?.into_iter().enumerate() {
            let theirs = self.read_sums(rank, &message, sums);
            losses.extend(theirs.ok_or_else(|| TrainerError::OtherRank {
                rank,
                size: self.ranks.size(),
                message: format!("its {what} are not those of its shards."),
            })?);
        }
        Ok(losses)
    }

    /// Losses and sums as a message.
    fn written(
        &self,
        losses: Vec<(Tensor<B::InnerBackend, 1>, usize)>,
        sums: &Sums<B::InnerBackend>,
    ) -> Result<Vec<u8>, TrainerError> {
        let (losses, examples): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
        let tensors = sums.values().flatten().flat_map(BTreeMap::values).cloned();
        let all = losses.into_iter().chain(tensors).collect();
        let mut read = module_state::read_all(all, "reading the gradients")?.into_iter();
        let losses = examples.into_iter().map(|examples| {
            let loss = read.next().expect("as many as there are");
            (first(&loss), examples)
        });
        let losses = losses.collect();
        let places: BTreeMap<&String, usize> = self.trainable_paths.iter().zip(0..).collect();
        // All of it, and a little for the rest.
        let size: usize = read
            .as_slice()
            .iter()
            .map(|data| data.as_bytes().len())
            .sum();
        let mut message = Vec::with_capacity(size + size / 64 + 4096);
        let mut sum_of = |tensors: &FlatTensors<B::InnerBackend>| {
            let tensors = tensors.keys().map(|path| {
                let data = read.next().expect("as many as there are");
                message.extend_from_slice(data.as_bytes());
                (places[path], data.dtype)
            });
            tensors.collect()
        };
        let sums = sums.iter().map(|(node, tensors)| Sum {
            node: *node,
            tensors: tensors.as_ref().map(&mut sum_of),
        });
        let sums = sums.collect();
        let contents = rmp_serde::to_vec(&Contents { losses, sums }).expect("plain data");
        message.extend_from_slice(&contents);
        message.extend_from_slice(&(contents.len() as u64).to_le_bytes());
        Ok(message)
    }

    /// The losses of the message of `rank`; its sums go to `sums`, unless they are this rank's own, which
    /// are there. `None` where they are not those of its shards in this model.
    fn read_sums(
        &self,
        rank: usize,
        message: &[u8],
        sums: &mut Sums<B::InnerBackend>,
    ) -> Option<Vec<(f64, usize)>> {
        let (rest, length) = message.split_last_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (mut bytes, contents) = rest.split_at_checked(rest.len().checked_sub(length)?)?;
        let contents: Contents = rmp_serde::from_slice(contents).ok()?;
        let tree = self.shard_tree();
        let mut nodes = tree.nodes(&tree.share(rank, self.ranks.size()));
        nodes.sort();
        if !contents.sums.iter().map(|sum| sum.node).eq(nodes) {
            return None;
        }
        if rank == self.ranks.rank() {
            return Some(contents.losses);
        }
        let specs: Vec<_> = self.trainable.iter().collect();
        for Sum { node, tensors } in contents.sums {
            let mut read = |(place, dtype): (usize, DType)| {
                let (path, spec) = specs.get(place)?;
                let (own, rest) = bytes.split_at_checked(spec.len() * dtype.size())?;
                bytes = rest;
                let data = TensorData::from_bytes_vec(own.to_vec(), [spec.len()], dtype);
                let tensor = Tensor::from_data(data, (&self.device, dtype));
                Some(((*path).clone(), tensor))
            };
            let sum = match tensors {
                Some(tensors) => Some(tensors.into_iter().map(&mut read).collect::<Option<_>>()?),
                None => None,
            };
            sums.insert(node, sum);
        }
        bytes.is_empty().then_some(contents.losses)
    }
}

/// Sums by path; a tensor that only one of them has is taken as it is.
fn add<B: Backend>(left: FlatTensors<B>, mut right: FlatTensors<B>) -> FlatTensors<B> {
    for (path, left) in left {
        let sum = match right.remove(&path) {
            Some(right) => left.add(right),
            None => left,
        };
        right.insert(path, sum);
    }
    right
}
