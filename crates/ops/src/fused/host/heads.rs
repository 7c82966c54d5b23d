//! Heads of tokens from tokens of heads, read as they lie.

use burn::tensor::Shape;
use burn_flex::FlexTensor;

use crate::host::{each, strides, tensor};

/// `[n, b, a, width]` of `x` `[n, a, b, width]`.
pub(super) fn swapped(x: FlexTensor) -> FlexTensor {
    let [n, a, b, width] = x.layout().shape().dims();
    // Views that run backwards are rare.
    let (x, strides) = match strides(&x) {
        Some(strides) => (x, strides),
        None => (x.to_contiguous(), vec![a * b * width, b * width, width, 1]),
    };
    let (all, start) = (x.storage::<f32>(), x.layout().start_offset());
    let y = each(
        n * a * b * width,
        width,
        #[inline(always)]
        |first, y| {
            for (row, y) in (first..).zip(y.chunks_exact_mut(width)) {
                let (outer, inner) = (row / a, row % a);
                let at = [outer / b, inner, outer % b];
                let from: usize = at
                    .iter()
                    .zip(&strides)
                    .map(|(at, stride)| at * stride)
                    .sum();
                let x = &all[start + from..];
                match strides[3] {
                    1 => y.copy_from_slice(&x[..width]),
                    stride => {
                        for (at, y) in y.iter_mut().enumerate() {
                            *y = x[at * stride];
                        }
                    }
                }
            }
        },
    );
    tensor(y, Shape::from(vec![n, b, a, width]))
}
