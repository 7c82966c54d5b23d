//! On CUDA large products do more with their sums than write them.

use burn::tensor::backend::DeviceOps;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::server::ComputeServer;

use super::FusedProducts;

#[cfg(feature = "cuda")]
use {
    super::compositions::{activated, added, sloped},
    super::fused_products::LayerTensors,
    crate::cube::finished,
    crate::fused::{handle, kind},
    crate::{Activation, Precision},
    burn::tensor::ops::FloatTensor,
    dacapo_kernels::finish::Finish,
};

impl<R, F, I, BT> FusedProducts for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    #[cfg(feature = "cuda")]
    fn product_add(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        beside: FloatTensor<Self>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        let (bias, stream) = (layer.bias.clone().map(handle), handle(beside.clone()));
        let finish = Finish::Add {
            bias: bias.as_ref(),
            beside: Some(&stream),
        };
        match finished(&x, &layer.weight, precision, finish) {
            Some(found) => found.out,
            None => added::<Self>(x, layer, beside, precision),
        }
    }

    #[cfg(feature = "cuda")]
    fn product_activate(
        x: FloatTensor<Self>,
        layer: LayerTensors<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2] {
        let bias = layer.bias.clone().map(handle);
        let finish = Finish::Activate {
            kind: kind(activation),
            bias: bias.as_ref(),
            rounded: precision == Precision::Bf16,
        };
        match finished(&x, &layer.weight, precision, finish) {
            Some(found) => [found.sums.expect("of an activation"), found.out],
            None => activated::<Self>(x, layer, activation, precision),
        }
    }

    #[cfg(feature = "cuda")]
    fn product_slope(
        dy: FloatTensor<Self>,
        w: FloatTensor<Self>,
        z: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
        precision: Precision,
        operand: bool,
    ) -> FloatTensor<Self> {
        let (bias_at, x) = (bias.clone().map(handle), handle(z.clone()));
        let finish = Finish::Slope {
            kind: kind(activation),
            bias: bias_at.as_ref(),
            x: &x,
            rounded: operand && precision == Precision::Bf16,
        };
        match finished(&dy, &w, precision, finish) {
            Some(found) => found.out,
            None => sloped::<Self>(dy, w, z, bias, activation, precision),
        }
    }
}
