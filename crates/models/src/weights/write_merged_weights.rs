use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::safetensors_header::SafetensorsHeader;
use super::weight_set::WeightSet;
use super::{Architecture, TensorRule};
use crate::ModelsError;
use crate::shown::shown;

/// Writes the published weights at `original` to `out` as a `.safetensors` file, some of them
/// `replaced`: those of merged layers, for whatever reads the original.
///
/// `original` is what [`read_clip_weights`](crate::read_clip_weights) and
/// [`read_bert_weights`](crate::read_bert_weights) take. Every tensor of it comes out under its
/// own name, those included that are not read, byte for byte as it was; but tensors of which
/// something is replaced, which are f32, in the original's shape and order (`[out, in]`; queries,
/// keys and values in the third of a tensor that is theirs). The remarks of the original are kept.
/// Keys of `replaced` are stable paths (`blocks.0.attn.query.weight`), values are f32.
///
/// The whole of `replaced`, and the names and shapes of `original`, are checked before anything is
/// written. Whoever gives `out` sees to it that a file that could not be finished is not used.
///
/// # Errors
/// [`ModelsError::ReplacedWeight`] for a path that is no weight of the model, another shape or
/// type, or values that are not finite; [`ModelsError::WriteWeights`] if `out` fails; and those
/// of reading the original.
pub fn write_merged_weights<'a>(
    original: &Path,
    architecture: impl Into<Architecture<'a>>,
    replaced: &BTreeMap<String, TensorData>,
    out: &mut impl Write,
) -> Result<(), ModelsError> {
    let architecture = architecture.into();
    architecture.validate()?;
    let mut set = WeightSet::open(original)?;
    let sources = architecture.sources(original, &set.names())?;
    set.check(&sources)?;
    let replaced = by_source(&sources.rules, replaced)?;

    let header = header(&set, &replaced)?;
    let mut text = serde_json::to_vec(&header).expect("maps of texts and numbers");
    // The tensors begin at a multiple of 8, as the format's own library has it.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut write = |bytes: &[u8]| {
        let written = out.write_all(bytes);
        written.map_err(|error| ModelsError::WriteWeights {
            found: error.to_string(),
        })
    };
    write(&(text.len() as u64).to_le_bytes())?;
    write(&text)?;
    for (name, _) in header.in_order() {
        let bytes = match replaced.get(name.as_str()) {
            None => set.bytes(name)?,
            Some(parts) => {
                let mut values = set.read(name)?;
                for (rule, part) in parts {
                    rule.put_back(part, &mut values);
                }
                values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            }
        };
        write(&bytes)?;
    }
    Ok(())
}

/// The new values of parts of tensors of the file, by the tensor's name.
type Replaced<'a> = BTreeMap<&'a str, Vec<(&'a TensorRule, &'a [f32])>>;

fn by_source<'a>(
    rules: &'a [TensorRule],
    replaced: &'a BTreeMap<String, TensorData>,
) -> Result<Replaced<'a>, ModelsError> {
    let rules: BTreeMap<&str, &TensorRule> = rules
        .iter()
        .map(|rule| (rule.ours.as_str(), rule))
        .collect();
    let mut all = Replaced::new();
    for (path, data) in replaced {
        let refuse = |expected: String, found: String| ModelsError::ReplacedWeight {
            path: shown(path),
            expected,
            found,
        };
        let Some(rule) = rules.get(path.as_str()) else {
            let known = rules
                .keys()
                .take(3)
                .copied()
                .collect::<Vec<_>>()
                .join("`, `");
            let expected = format!("a weight of the model, such as `{known}`");
            return Err(refuse(expected, "another path".to_owned()));
        };
        let expected = || format!("f32 values of shape {:?}", rule.shape);
        let found = || format!("{:?} of shape {:?}", data.dtype, data.shape.as_slice());
        if data.dtype != DType::F32 || data.shape.as_slice() != rule.shape {
            return Err(refuse(expected(), found()));
        }
        let values = data.as_slice::<f32>();
        let values = values.map_err(|error| refuse(expected(), format!("{error:?}")))?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} at position {at}", values[at]);
            return Err(refuse("finite values".to_owned(), found));
        }
        all.entry(&rule.source).or_default().push((rule, values));
    }
    Ok(all)
}

/// What the new file says of its tensors: in the order in which the format's own library writes
/// them, those of long elements first.
fn header(set: &WeightSet, replaced: &Replaced<'_>) -> Result<SafetensorsHeader, ModelsError> {
    let mut order = Vec::new();
    for name in set.names() {
        let (dtype, shape) = set.info(&name)?;
        let dtype = match replaced.contains_key(name.as_str()) {
            true => Dtype::F32,
            false => dtype,
        };
        order.push((name, dtype, shape));
    }
    // By name they are in order already.
    order.sort_by_key(|(_, dtype, _)| std::cmp::Reverse(*dtype));
    let mut at = 0;
    let tensors = order.into_iter().map(|(name, dtype, shape)| {
        let begin = at;
        at += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let info = TensorInfo {
            dtype,
            shape,
            data_offsets: (begin, at),
        };
        (name, info)
    });
    let tensors = tensors.collect();
    Ok(SafetensorsHeader {
        tensors,
        metadata: set.metadata()?,
    })
}
