use burn::tensor::TensorData;
use dacapo_dora::DoraLinear;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{CliError, compute::Cpu};

/// The linear layer that a sentence run puts on the encoder's embeddings, as PyTorch stores it.
/// It is no module of the published model, so it has a file of its own.
pub(crate) struct Head {
    inputs: usize,
    /// `[out, in]`.
    weight: Vec<f32>,
    /// `[out]`.
    bias: Vec<f32>,
}

const WEIGHT: &str = "head.weight";
const BIAS: &str = "head.bias";

impl Head {
    /// The name of its file beside an adapter's.
    pub(crate) const FILE: &str = "head.safetensors";

    /// The layer with its adapter, if it has one, merged.
    pub(crate) fn of(layer: &DoraLinear<Cpu>) -> Result<Self, CliError> {
        let values = |data: TensorData| {
            let values = data.to_vec::<f32>();
            let values = values
                .ok()
                .filter(|all| all.iter().all(|value| value.is_finite()));
            values.ok_or_else(|| {
                CliError::input(
                    "the head is not of finite f32 values",
                    "Use another checkpoint",
                )
            })
        };
        let weight = values(layer.merged_weight().transpose().into_data())?;
        let bias = match &layer.bias {
            Some(bias) => values(bias.val().into_data())?,
            None => vec![0.0; layer.d_out()],
        };
        let inputs = layer.d_in();
        Ok(Self {
            inputs,
            weight,
            bias,
        })
    }

    /// Its file: `head.weight` `[out, in]` and `head.bias` `[out]`, in f32.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = |values: &[f32]| -> Vec<u8> {
            let values = values.iter().copied().map(f32::to_le_bytes);
            values.collect::<Vec<_>>().into_flattened()
        };
        let (weight, bias) = (bytes(&self.weight), bytes(&self.bias));
        let outputs = self.bias.len();
        let view = |shape, bytes| {
            TensorView::new(Dtype::F32, shape, bytes).expect("as many values as the shape has")
        };
        let tensors = [
            (WEIGHT, view(vec![outputs, self.inputs], &weight)),
            (BIAS, view(vec![outputs], &bias)),
        ];
        // As PyTorch's programs ask for.
        let remarks = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(tensors, Some(remarks)).expect("two names and shapes fit a header")
    }

    /// Reads its file, which `place` names.
    ///
    /// # Errors
    /// Damaged bytes, other tensors, values that are not finite.
    pub(crate) fn from_bytes(place: &str, bytes: &[u8]) -> Result<Self, CliError> {
        let refuse = |found: String| {
            CliError::input(
                format!(
                    "{place}: expected {WEIGHT} [out, in] and {BIAS} [out] of finite f32 alone, \
                     found {found}"
                ),
                "Export it again, or take the file away to begin with a new head",
            )
        };
        let file = SafeTensors::deserialize(bytes);
        let file = file.map_err(|error| refuse(format!("a damaged file: {error}")))?;
        if file.len() != 2 {
            return Err(refuse(format!("{} tensors", file.len())));
        }
        let tensor = |name: &str| -> Result<(Vec<usize>, Vec<f32>), CliError> {
            let view = file.tensor(name);
            let view = view.map_err(|_| refuse(format!("no {name}")))?;
            if view.dtype() != Dtype::F32 {
                return Err(refuse(format!("{name} in {:?}", view.dtype())));
            }
            let values = view.data().as_chunks::<4>().0.iter();
            let values: Vec<f32> = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
            match values.iter().find(|value| !value.is_finite()) {
                Some(value) => Err(refuse(format!("{value} in {name}"))),
                None => Ok((view.shape().to_vec(), values)),
            }
        };
        let (shape, weight) = tensor(WEIGHT)?;
        let (bias_shape, bias) = tensor(BIAS)?;
        match (&shape[..], &bias_shape[..]) {
            (&[outputs, inputs], &[biases]) if outputs == biases => Ok(Self {
                inputs,
                weight,
                bias,
            }),
            _ => Err(refuse(format!("the shapes {shape:?} and {bias_shape:?}"))),
        }
    }

    /// As a run has it: `head.weight` `[in, out]` and `head.bias` `[out]`.
    pub(crate) fn tensors(&self) -> [(String, TensorData); 2] {
        let (inputs, outputs) = (self.inputs, self.bias.len());
        let turned = (0..inputs)
            .flat_map(|input| (0..outputs).map(move |output| self.weight[output * inputs + input]));
        let weight = TensorData::new(turned.collect::<Vec<_>>(), [inputs, outputs]);
        let bias = TensorData::new(self.bias.clone(), [outputs]);
        [(WEIGHT.to_owned(), weight), (BIAS.to_owned(), bias)]
    }
}

#[cfg(test)]
mod tests {
    use super::Head;

    fn head() -> Head {
        Head {
            inputs: 3,
            weight: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            bias: vec![-1.0, -2.0],
        }
    }

    #[test]
    fn axes_of_a_head_are_mixed_up() {
        let again = Head::from_bytes("head", &head().to_bytes()).expect("just written");
        let [(_, weight), (_, bias)] = again.tensors();
        assert_eq!(weight.shape.as_slice(), [3, 2]);
        assert_eq!(
            weight.as_slice::<f32>().unwrap(),
            [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
        );
        assert_eq!(bias.as_slice::<f32>().unwrap(), [-1.0, -2.0]);
    }

    #[test]
    fn another_file_is_taken_for_a_head() {
        let refused = |bytes: &[u8], part: &str| {
            let error = Head::from_bytes("head.safetensors", bytes).map(|_| ());
            let error = error.expect_err(part).to_string();
            assert!(
                error.contains(part) && error.contains("head.safetensors"),
                "{error}"
            );
        };
        let bytes = head().to_bytes();
        refused(&bytes[..bytes.len() - 1], "damaged");
        refused(b"", "damaged");
        let shapes = Head {
            bias: vec![0.0; 6],
            inputs: 1,
            ..head()
        };
        assert!(Head::from_bytes("head", &shapes.to_bytes()).is_ok());
        let text = |from: &str, to: &str| {
            let at = bytes
                .windows(from.len())
                .position(|part| part == from.as_bytes());
            let mut bytes = bytes.clone();
            bytes[at.unwrap()..][..from.len()].copy_from_slice(to.as_bytes());
            bytes
        };
        refused(&text("head.bias", "head.bios"), "no head.bias");
        let infinite = Head {
            bias: vec![f32::INFINITY, 0.0],
            ..head()
        };
        refused(&infinite.to_bytes(), "inf in head.bias");
    }
}
