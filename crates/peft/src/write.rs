use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::{Dtype, View};

use crate::names::{Part, of_base, of_part};
use crate::{LayerKind, MagnitudeKey, PeftError, PeftLayer, Tensor};

/// The bytes of `adapter_model.safetensors`.
pub(crate) fn weights(
    layers: &BTreeMap<String, PeftLayer>,
    saved: &BTreeMap<String, Tensor>,
    magnitude: MagnitudeKey,
) -> Result<Vec<u8>, PeftError> {
    let mut tensors = Vec::new();
    for (module, layer) in layers {
        let mut add = |part, shape, values| {
            let name = of_part(module, part, magnitude);
            tensors.push((name, Values { shape, values }));
        };
        let kernel: &[usize] = match layer.kind() {
            LayerKind::Conv { kernel } => kernel,
            LayerKind::Linear | LayerKind::Embedding => &[],
        };
        let with = |first: [usize; 2], rest: &[usize]| [&first, rest].concat();
        let ones = vec![1; kernel.len()];
        let [a, b] = Part::pair(layer.kind());
        let (rank, outputs) = (layer.rank(), layer.outputs());
        add(a, with([rank, layer.inputs()], kernel), layer.a().values());
        add(b, with([outputs, rank], &ones), layer.b().values());
        if let Some(values) = layer.magnitude() {
            let shape = match kernel {
                [] => vec![outputs],
                _ => with([1, outputs], &ones),
            };
            add(Part::Magnitude, shape, values);
        }
    }
    for (name, tensor) in saved {
        let module = name.rsplit_once('.').map(|(module, _)| module);
        let adapted = module.is_some_and(|module| layers.contains_key(module));
        let shape = tensor.shape().to_vec();
        let values = tensor.values();
        tensors.push((of_base(name, adapted), Values { shape, values }));
    }
    // As PEFT writes: transformers refuses a file that does not name its framework.
    let remarks = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(tensors, Some(remarks)).map_err(|error| PeftError::TooLarge {
        found: error.to_string(),
    })
}

/// Values that are written as f32.
struct Values<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = self.values.iter().copied().map(f32::to_le_bytes);
        Cow::Owned(bytes.collect::<Vec<_>>().into_flattened())
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}
