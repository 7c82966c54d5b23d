//! Which parameters are trained.

use std::collections::BTreeMap;

use burn::tensor::backend::AutodiffBackend;
use dacapo_optim::ParamSpec;
use wildmatch::WildMatch;

use crate::{Task, TrainerError, module_state};

/// The paths to train: every float tensor that a pattern names and that is no buffer.
pub(crate) fn trainable<B: AutodiffBackend, T: Task<B>>(
    task: &T,
    model: &T::Model,
    patterns: &[String],
) -> Result<BTreeMap<String, ParamSpec>, TrainerError> {
    let mut all = module_state::float_paths::<B, _>(model);
    all.retain(|path, _| !task.is_buffer(path));
    let mut chosen = BTreeMap::new();
    for pattern in patterns {
        let matcher = WildMatch::new(pattern);
        let before = chosen.len();
        let matching = all.iter().filter(|(path, _)| matcher.matches(path));
        let mut found = false;
        for (path, leaf) in matching {
            found = true;
            chosen.insert(path.clone(), leaf.clone());
        }
        if !found && before == chosen.len() {
            let paths: Vec<&str> = all.keys().map(String::as_str).collect();
            return Err(TrainerError::setting(
                "trainable",
                pattern,
                "the pattern matches no parameter",
                format!("Parameters are: {}", paths.join(", ")),
            ));
        }
    }
    if chosen.is_empty() {
        return Err(TrainerError::setting(
            "trainable",
            "no pattern",
            "at least one parameter must be trained",
            "Name the parameters to train, for example *.adapter.*",
        ));
    }
    Ok(chosen)
}
