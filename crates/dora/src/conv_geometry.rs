use burn::module::Param;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, backend::Backend};

/// How a kernel goes over an image, as in Burn's
/// [`Conv2d`]. The default is stride 1 without padding, dilation and groups.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvGeometry {
    /// Distance of the kernel's places, in rows and columns.
    pub stride: [usize; 2],
    /// What is added around the image. Burn's `Same` takes no account of dilation.
    pub padding: PaddingConfig2d,
    /// Distance of the image's elements under one kernel.
    pub dilation: [usize; 2],
    /// Into how many groups the channels are split, each convolved by itself.
    pub groups: usize,
}

impl Default for ConvGeometry {
    fn default() -> Self {
        Self {
            stride: [1; 2],
            padding: PaddingConfig2d::Valid,
            dilation: [1; 2],
            groups: 1,
        }
    }
}

impl ConvGeometry {
    /// Burn's layer of a weight `[out, in/groups, kh, kw]`.
    pub(crate) fn layer<B: Backend>(
        &self,
        weight: Param<Tensor<B, 4>>,
        bias: Option<Param<Tensor<B, 1>>>,
    ) -> Conv2d<B> {
        let [_, _, kernel_height, kernel_width] = weight.lazy_shape().dims();
        Conv2d {
            weight,
            bias,
            stride: self.stride,
            kernel_size: [kernel_height, kernel_width],
            dilation: self.dilation,
            groups: self.groups,
            padding: self.padding.clone(),
        }
    }

    /// `[n, out, h, w]` of `x` `[n, in, height, width]` and `weight`
    /// `[out, in/groups, kh, kw]`, without a bias, differentiable in both.
    pub(crate) fn convolve<B: Backend>(
        &self,
        x: Tensor<B, 4>,
        weight: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let [_, _, height, width] = x.dims();
        let [_, _, kernel_height, kernel_width] = weight.dims();
        let [rows, columns] = match self.padding {
            PaddingConfig2d::Valid => [[0; 2]; 2],
            PaddingConfig2d::Same => [
                same(kernel_height, self.stride[0], height),
                same(kernel_width, self.stride[1], width),
            ],
            PaddingConfig2d::Explicit(top, left, bottom, right) => [[top, bottom], [left, right]],
        };
        let even = |[before, after]: [usize; 2]| before == after;
        let (x, padding) = match even(rows) && even(columns) {
            true => (x, [rows[0], columns[0]]),
            false => (padded(x, rows, columns), [0; 2]),
        };
        let options = ConvOptions::new(self.stride, padding, self.dilation, self.groups);
        conv2d(x, weight, None, options)
    }
}

/// What Burn's layers add before and after a side of this size.
fn same(kernel: usize, stride: usize, size: usize) -> [usize; 2] {
    let last = size.div_ceil(stride).checked_sub(1);
    let total = last.map_or(0, |last| (last * stride + kernel).saturating_sub(size));
    [total / 2, total - total / 2]
}

/// `x` with zeros around it, in its own dtype: those of Burn's `pad` have the
/// backend's.
fn padded<B: Backend>(x: Tensor<B, 4>, rows: [usize; 2], columns: [usize; 2]) -> Tensor<B, 4> {
    let [n, channels, height, width] = x.dims();
    let shape = [
        n,
        channels,
        rows[0] + height + rows[1],
        columns[0] + width + columns[1],
    ];
    let inside = [
        0..n,
        0..channels,
        rows[0]..rows[0] + height,
        columns[0]..columns[0] + width,
    ];
    Tensor::zeros(shape, (&x.device(), x.dtype())).slice_assign(inside, x)
}
