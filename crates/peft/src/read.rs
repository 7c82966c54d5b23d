use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::layer::wrong_magnitude;
use crate::names::{PREFIX, Part, Role, is_quantised};
use crate::plain_file::open_plain_file;
use crate::shown::shown;
use crate::source::TensorSource;
use crate::{LayerKind, Matrix, PeftAdapter, PeftConfig, PeftError, PeftLayer, Tensor};

/// The longest configuration that is read, in bytes: names of a hundred thousand modules.
const LONGEST_CONFIG: u64 = 16 << 20;

/// The most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

pub(crate) fn config(path: &Path) -> Result<PeftConfig, PeftError> {
    let mut bytes = Vec::new();
    let file = open_plain_file(path)?;
    file.take(LONGEST_CONFIG + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_CONFIG {
        return Err(PeftError::Json {
            found: format!("more than {LONGEST_CONFIG} bytes"),
        });
    }
    PeftConfig::from_json(&bytes)
}

/// The adapter of `config` whose tensors are `source`'s.
pub(crate) fn adapter(
    config: PeftConfig,
    mut source: impl TensorSource,
) -> Result<PeftAdapter, PeftError> {
    let names = Names::sort(source.tensors())?;
    let mut layers = BTreeMap::new();
    for (module, parts) in &names.layers {
        let layer = layer(parts, &mut source)
            .map_err(|error| error.at(format!("layer `{}`", shown(module))))?;
        layers.insert(module.clone(), layer);
    }
    let mut saved = BTreeMap::new();
    for (name, found) in &names.saved {
        let tensor = source
            .read(&found.name)
            .and_then(|values| Tensor::new(found.shape.clone(), values))
            .map_err(|error| error.at(found.place()))?;
        saved.insert(name.clone(), tensor);
    }
    PeftAdapter::new(config, layers, saved)
}

/// A tensor of a file.
struct Found {
    name: String,
    shape: Vec<usize>,
}

impl Found {
    fn place(&self) -> String {
        format!("tensor `{}`", shown(&self.name))
    }
}

type Parts = BTreeMap<Part, Found>;

/// The tensors of a file by what they are.
#[derive(Default)]
struct Names {
    layers: BTreeMap<String, Parts>,
    saved: BTreeMap<String, Found>,
}

impl Names {
    fn sort(tensors: Vec<(String, Vec<usize>)>) -> Result<Self, PeftError> {
        let prefixed = has_prefix(&tensors)?;
        let mut names = Self::default();
        let mut others = Vec::new();
        for (name, shape) in tensors {
            if shape.len() > MOST_DIMENSIONS || shape.contains(&0) {
                let error = PeftError::Shape {
                    expected: format!("at most {MOST_DIMENSIONS} dimensions of sizes above 0"),
                    found: shape.iter().copied().take(MOST_DIMENSIONS + 1).collect(),
                };
                return Err(error.at(Found { name, shape }.place()));
            }
            let own = match prefixed {
                true => &name[PREFIX.len()..],
                false => name.as_str(),
            };
            if is_quantised(own) {
                return Err(PeftError::QuantisedBase {
                    found: format!("tensor `{}`", shown(&name)),
                    advice: "save it without the base's weights",
                });
            }
            match Role::of(own) {
                Role::Part(module, part) => {
                    let parts = names.layers.entry(module).or_default();
                    once(parts.insert(part, Found { name, shape }), parts, &part)?;
                }
                role => others.push((role, Found { name, shape })),
            }
        }
        for (role, found) in others {
            let name = match role {
                Role::Base(module, tensor) if names.layers.contains_key(&module) => {
                    format!("{module}.{tensor}")
                }
                Role::Other(name) if !names.of_layer(&name) => name,
                _ => {
                    return Err(PeftError::UnknownTensor {
                        tensor: shown(&found.name),
                        why: "",
                    });
                }
            };
            let twice = names.saved.insert(name.clone(), found);
            once(twice, &names.saved, &name)?;
        }
        Ok(names)
    }

    /// Whether a tensor of the base is that of an adapted layer, which PEFT names otherwise.
    fn of_layer(&self, name: &str) -> bool {
        let module = name.rsplit_once('.').map(|(module, _)| module);
        module.is_some_and(|module| self.layers.contains_key(module))
    }
}

/// Refuses a tensor that took the place of another.
fn once<K: Ord>(before: Option<Found>, map: &BTreeMap<K, Found>, key: &K) -> Result<(), PeftError> {
    match before {
        None => Ok(()),
        Some(before) => Err(PeftError::DuplicateTensor {
            tensor: shown(&before.name),
            other: shown(&map[key].name),
        }),
    }
}

/// Whether all names have [`PREFIX`]; either all or none.
fn has_prefix(tensors: &[(String, Vec<usize>)]) -> Result<bool, PeftError> {
    let find = |wanted: bool| {
        let mut names = tensors.iter().map(|(name, _)| name);
        names.find(|name| name.starts_with(PREFIX) == wanted)
    };
    match (find(true), find(false)) {
        (Some(with), Some(without)) => Err(PeftError::MixedPrefixes {
            with: shown(with),
            without: shown(without),
        }),
        (with, _) => Ok(with.is_some()),
    }
}

fn layer(parts: &Parts, source: &mut impl TensorSource) -> Result<PeftLayer, PeftError> {
    let (a, b, embedding) = pair(parts)?;
    let kind = kind(a, b, embedding)?;
    let (inputs, outputs) = (a.shape[1], b.shape[0]);
    let magnitude = parts.get(&Part::Magnitude);
    if let Some(magnitude) = magnitude {
        let due: Vec<usize> = match &kind {
            LayerKind::Conv { kernel } => {
                let ones = kernel.iter().map(|_| 1);
                [1, outputs].into_iter().chain(ones).collect()
            }
            LayerKind::Linear | LayerKind::Embedding => vec![outputs],
        };
        if magnitude.shape != due {
            let error = wrong_magnitude(&magnitude.shape, inputs, &due);
            return Err(error.at(magnitude.place()));
        }
    }
    let mut read = |found: &Found| {
        let values = source.read(&found.name);
        values.map_err(|error| error.at(found.place()))
    };
    let matrix = |found: &Found, values| {
        let columns = found.shape[1..].iter().product();
        Matrix::new(found.shape[0], columns, values).map_err(|error| error.at(found.place()))
    };
    let a = matrix(a, read(a)?)?;
    let b = matrix(b, read(b)?)?;
    let magnitude = magnitude.map(read).transpose()?;
    PeftLayer::new(kind, a, b, magnitude)
}

/// A and B, and whether they are an embedding's.
fn pair(parts: &Parts) -> Result<(&Found, &Found, bool), PeftError> {
    let get = |part| parts.get(&part);
    let missing = |has: &Found, lacks: Part| {
        Err(PeftError::MissingPair {
            has: shown(&has.name),
            lacks: lacks.name(),
        })
    };
    let linear = (get(Part::A), get(Part::B));
    let embedding = (get(Part::EmbeddingA), get(Part::EmbeddingB));
    match (linear, embedding) {
        ((Some(a), Some(b)), (None, None)) => Ok((a, b, false)),
        ((None, None), (Some(a), Some(b))) => Ok((a, b, true)),
        ((Some(has), _) | (_, Some(has)), (Some(other), _) | (_, Some(other))) => {
            Err(PeftError::DuplicateTensor {
                tensor: shown(&has.name),
                other: shown(&other.name),
            })
        }
        ((Some(a), None), _) => missing(a, Part::B),
        ((None, Some(b)), _) => missing(b, Part::A),
        (_, (Some(a), None)) => missing(a, Part::EmbeddingB),
        (_, (None, Some(b))) => missing(b, Part::EmbeddingA),
        ((None, None), (None, None)) => {
            let has = parts.values().next().expect("a layer has a part");
            missing(has, Part::A)
        }
    }
}

/// The kind of layer that A and B are shaped for.
fn kind(a: &Found, b: &Found, embedding: bool) -> Result<LayerKind, PeftError> {
    let refuse = |found: &Found, expected: &str| {
        let error = PeftError::Shape {
            expected: expected.to_owned(),
            found: found.shape.clone(),
        };
        Err(error.at(found.place()))
    };
    let (a_dims, b_dims) = (a.shape.len(), b.shape.len());
    if embedding || a_dims == 2 {
        return match (a_dims, b_dims) {
            (2, 2) if embedding => Ok(LayerKind::Embedding),
            (2, 2) => Ok(LayerKind::Linear),
            (2, _) => refuse(b, "[out, r] beside A [r, in]"),
            _ => refuse(a, "[r, entries]"),
        };
    }
    if !(3..=5).contains(&a_dims) {
        return refuse(a, "[r, in], or [r, in, kernel..] of 1 to 3 dimensions");
    }
    if b_dims != a_dims || b.shape[2..].iter().any(|size| *size != 1) {
        return refuse(b, "[out, r, 1..] of as many dimensions as A");
    }
    let kernel = a.shape[2..].to_vec();
    Ok(LayerKind::Conv { kernel })
}
