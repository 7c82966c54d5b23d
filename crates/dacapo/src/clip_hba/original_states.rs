use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use dacapo_optim::{
    AdamWConfig, AdamWRecord, MomentsRecord, MomentumRecord, OptimizerRecord, SgdConfig, SgdRecord,
};
use dacapo_pth::{Key, Node, PthError, PthFile};

use super::{
    layer_name::{LayerName, PARTS},
    quoted::quoted,
    tensors::{from_theirs, wrong},
};
use crate::CliError;

/// Parts of `epochN_random_states.pth` that PyTorch's generators alone can use.
const GENERATORS: &[&str] = &[
    "torch_rng_state",
    "numpy_rng_state",
    "python_rng_state",
    "dataloader_generator_state",
    "cuda_rng_state",
    "cuda_rng_state_all",
];

/// What `epochN_random_states.pth` holds.
pub(crate) struct OriginalStates {
    /// The optimizer's settings and state; nothing if the file has none.
    pub(crate) optimizer: Option<OptimizerRecord>,
    /// The states of generators that are in it.
    pub(crate) generators: Vec<String>,
    /// Where its schedule stands, if it had one.
    pub(crate) scheduler_epoch: Option<i64>,
}

/// Reads `epochN_random_states.pth` of a run with adapters on these layers, whose optimizer
/// should have taken `steps` steps.
///
/// # Errors
/// A file of another epoch, a part that is not known, an optimizer that is neither AdamW nor
/// SGD or has other parameters than the adapters': with the place in the file.
pub(crate) fn read_states(
    file: &PthFile,
    epoch: u64,
    layers: &[LayerName],
    steps: u64,
) -> Result<OriginalStates, CliError> {
    let root = file.root();
    let found = root.get("epoch")?.int()?;
    if u64::try_from(found) != Ok(epoch) {
        return Err(wrong(&root.get("epoch")?, &format!("epoch {epoch}"), found));
    }
    let mut states = OriginalStates {
        optimizer: None,
        generators: Vec::new(),
        scheduler_epoch: None,
    };
    for (key, node) in root.entries()? {
        let Key::Str(name) = key else {
            return Err(wrong(&node, "a key that is a string", key));
        };
        match &**name {
            "epoch" => {}
            "optimizer_state_dict" => states.optimizer = Some(optimizer(&node, layers, steps)?),
            "scheduler_state_dict" => {
                states.scheduler_epoch = Some(node.get("last_epoch")?.int()?);
            }
            name if GENERATORS.contains(&name) => states.generators.push(name.to_owned()),
            name => {
                return Err(wrong(
                    &node,
                    "a part that the original's training writes",
                    format!("the key {}", quoted(name)),
                ));
            }
        }
    }
    Ok(states)
}

fn optimizer(
    node: &Node<'_>,
    layers: &[LayerName],
    steps: u64,
) -> Result<OptimizerRecord, CliError> {
    let groups = node.get("param_groups")?;
    let [group] = &groups.items()?[..] else {
        return Err(wrong(&groups, "one group", "another number of groups"));
    };
    for (name, allowed) in [("maximize", false), ("decoupled_weight_decay", true)] {
        if let Some(flag) = group.find(name)?
            && flag.bool()? != allowed
        {
            return Err(wrong(&flag, &allowed.to_string(), !allowed));
        }
    }
    let mut numbers = BTreeSet::new();
    let listed = group.get("params")?;
    for number in listed.items()? {
        if !numbers.insert(i128::from(number.int()?)) {
            return Err(wrong(&number, "every parameter once", number.int()?));
        }
    }
    // The parameters with a state are the trained ones; their numbers follow the model's order.
    let state = node.get("state")?;
    let mut entries = Vec::new();
    for (key, entry) in state.entries()? {
        let Key::Int(id) = key else {
            return Err(wrong(&entry, "a parameter's number as key", key));
        };
        if !numbers.contains(id) {
            return Err(wrong(&entry, "a parameter of the optimizer's group", id));
        }
        entries.push((*id, entry));
    }
    entries.sort_by_key(|(id, _)| *id);
    // SGD without momentum has none.
    let stateless = entries.is_empty() && group.find("momentum")?.is_some();
    if !stateless && entries.len() != PARTS.len() * layers.len() {
        return Err(wrong(
            &state,
            &format!(
                "the state of {} parameters, {} for each of {} adapters",
                PARTS.len() * layers.len(),
                PARTS.len(),
                layers.len()
            ),
            format!("that of {}", entries.len()),
        ));
    }
    let states = entries.into_iter().map(|(_, entry)| Some(entry));
    let parts = layers
        .iter()
        .flat_map(|layer| PARTS.iter().map(move |part| (*layer, part)));
    let trained: Vec<Trained> = states
        .chain(iter::repeat(None))
        .zip(parts)
        .map(|(state, (layer, (_, ours, turned)))| Trained {
            path: format!("{}.adapter.{ours}", layer.ours()),
            state,
            turned: *turned,
        })
        .collect();
    match group.find("betas")? {
        Some(betas) => adamw(group, &betas, &trained).map(OptimizerRecord::AdamW),
        None => sgd(group, &trained, steps).map(OptimizerRecord::Sgd),
    }
}

/// A trained parameter: its path here, its state there, and whether the axes are exchanged.
struct Trained<'a> {
    path: String,
    state: Option<Node<'a>>,
    turned: bool,
}

fn adamw(
    group: &Node<'_>,
    betas: &Node<'_>,
    trained: &[Trained<'_>],
) -> Result<AdamWRecord, CliError> {
    let [beta1, beta2] = &betas.items()?[..] else {
        return Err(wrong(betas, "two numbers", "another number of them"));
    };
    let config = AdamWConfig {
        lr: base_lr(group)?,
        beta1: number(beta1)?,
        beta2: number(beta2)?,
        eps: number(&group.get("eps")?)?,
        weight_decay: number(&group.get("weight_decay")?)?,
        amsgrad: group.get("amsgrad")?.bool()?,
        ..AdamWConfig::default()
    };
    let mut params = BTreeMap::new();
    for Trained {
        path,
        state,
        turned,
    } in trained
    {
        let Some(state) = state else {
            return Err(wrong(group, "moments of every adapter", "none"));
        };
        let tensor = |name: &str| from_theirs(&state.get(name)?, *turned);
        let moments = MomentsRecord {
            step: step(&state.get("step")?)?,
            exp_avg: tensor("exp_avg")?,
            exp_avg_sq: tensor("exp_avg_sq")?,
            max_exp_avg_sq: match config.amsgrad {
                true => Some(tensor("max_exp_avg_sq")?),
                false => None,
            },
        };
        params.insert(path.clone(), moments);
    }
    Ok(AdamWRecord { config, params })
}

fn sgd(group: &Node<'_>, trained: &[Trained<'_>], steps: u64) -> Result<SgdRecord, CliError> {
    let config = SgdConfig {
        lr: base_lr(group)?,
        momentum: number(&group.get("momentum")?)?,
        dampening: number(&group.get("dampening")?)?,
        nesterov: group.get("nesterov")?.bool()?,
        weight_decay: number(&group.get("weight_decay")?)?,
        ..SgdConfig::default()
    };
    let mut params = BTreeMap::new();
    for Trained {
        path,
        state,
        turned,
    } in trained
    {
        let buffer = match state {
            Some(state) => state.find("momentum_buffer")?,
            None => None,
        };
        let buffer = buffer.filter(|buffer| !buffer.is_none());
        let momentum = MomentumRecord {
            // PyTorch's SGD does not count.
            step: steps,
            momentum_buffer: buffer
                .map(|buffer| from_theirs(&buffer, *turned))
                .transpose()?,
        };
        params.insert(path.clone(), momentum);
    }
    Ok(SgdRecord { config, params })
}

/// A schedule keeps the rate that it started from beside the one in force.
fn base_lr(group: &Node<'_>) -> Result<f64, CliError> {
    let node = match group.find("initial_lr")? {
        Some(node) => node,
        None => group.get("lr")?,
    };
    Ok(number(&node)?)
}

/// A float, or an integer, which Python takes for one.
fn number(node: &Node<'_>) -> Result<f64, PthError> {
    match node.int() {
        Ok(value) => Ok(value as f64),
        Err(_) => node.float(),
    }
}

/// A whole number, which PyTorch keeps as a tensor of one f32, older ones as an integer.
fn step(node: &Node<'_>) -> Result<u64, CliError> {
    let value = match node.int() {
        Ok(value) => value as f64,
        Err(_) => {
            let data = from_theirs(node, false)?;
            match data.as_slice::<f32>() {
                Ok([value]) => f64::from(*value),
                _ => {
                    let found = format!("shape {:?}", data.shape.as_slice());
                    return Err(wrong(node, "one number of steps", found));
                }
            }
        }
    };
    // Above, f32 does not hold every number.
    if value.fract() == 0.0 && (0.0..=16_777_216.0).contains(&value) {
        return Ok(value as u64);
    }
    Err(wrong(node, "a whole number of steps, at most 2^24", value))
}
