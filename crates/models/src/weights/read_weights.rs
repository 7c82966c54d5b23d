use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::TensorData;

use super::Architecture;
use super::weight_set::WeightSet;
use crate::ModelsError;

/// Every tensor of a model, in f32 and by stable path, from published weights.
pub(crate) fn read_weights(
    path: &Path,
    architecture: Architecture<'_>,
) -> Result<BTreeMap<String, TensorData>, ModelsError> {
    architecture.validate()?;
    let mut set = WeightSet::open(path)?;
    let sources = architecture.sources(path, &set.names())?;
    set.check(&sources)?;
    let mut tensors = BTreeMap::new();
    for rule in &sources.rules {
        let values = set.read(&rule.source)?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} at position {at}", values[at]);
            let expected = format!("finite values in tensor `{}`", rule.source);
            return Err(ModelsError::weights(path, expected, found));
        }
        let data = TensorData::new(rule.apply(values), rule.shape.clone());
        tensors.insert(rule.ours.clone(), data);
    }
    Ok(tensors)
}
