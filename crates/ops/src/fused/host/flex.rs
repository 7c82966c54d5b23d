//! The operations on `Flex` tensors.

use burn::tensor::{
    DType, Shape,
    ops::{FloatTensor, FloatTensorOps},
};
use burn_flex::{Flex, FlexTensor};

use super::{heads, lanes, math};
use crate::Activation;
use crate::fused::{FusedKernels, Normalised};
use crate::host::{each, each_in, each_with_stats, own, sum_rows, tensor, values};

fn width(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

/// What `f` makes of the list of x + bias, times `dy` if there is one.
fn element_wise(
    x: &FlexTensor,
    bias: Option<&FlexTensor>,
    dy: Option<&FlexTensor>,
    f: impl Fn(&mut [f32]) + Sync,
) -> FlexTensor {
    let width = width(x);
    let shape = x.layout().shape().clone();
    let (x, bias, dy) = (values(x), bias.map(values), dy.map(values));
    let out = each(
        x.len(),
        width,
        #[inline(always)]
        |first, out| {
            let x = &x[first * width..][..out.len()];
            match bias {
                None => out.copy_from_slice(x),
                Some(bias) => {
                    for (out, x) in out.chunks_mut(width).zip(x.chunks(width)) {
                        for ((out, x), bias) in out.iter_mut().zip(x).zip(bias) {
                            *out = x + bias;
                        }
                    }
                }
            }
            f(out);
            if let Some(dy) = dy {
                for (out, dy) in out.iter_mut().zip(&dy[first * width..]) {
                    *out *= dy;
                }
            }
        },
    );
    tensor(out, shape)
}

impl FusedKernels for Flex {
    fn takes(x: &FloatTensor<Self>) -> bool {
        x.dtype() == DType::F32 && x.layout().num_elements() > 0
    }

    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: Option<FloatTensor<Self>>,
        eps: f64,
    ) -> Normalised<FloatTensor<Self>> {
        let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
        let beta = beta.map(|beta| beta.to_contiguous());
        let (shape, width, eps) = (x.layout().shape().clone(), width(&x), eps as f32);
        let (x, gamma, beta) = (values(&x), values(&gamma), beta.as_ref().map(values));
        let (rows, count) = (x.len() / width, width as f32);
        let mut y = vec![0.0; x.len()];
        let (mut means, mut rstds) = (vec![0.0; rows], vec![0.0; rows]);
        each_with_stats(
            &mut y,
            width,
            [&mut means, &mut rstds],
            #[inline(always)]
            |first, (y, [means, rstds])| {
                let x = x[first * width..].chunks_exact(width);
                let stats = means.iter_mut().zip(rstds);
                for ((y, x), (to_mean, to_rstd)) in y.chunks_exact_mut(width).zip(x).zip(stats) {
                    let mean = lanes::sum(x, |x| x) / count;
                    let variance = lanes::sum(x, |x| (x - mean) * (x - mean)) / count;
                    let rstd = 1.0 / (variance + eps).sqrt();
                    for ((y, x), gamma) in y.iter_mut().zip(x).zip(gamma) {
                        *y = (x - mean) * rstd * gamma;
                    }
                    if let Some(beta) = beta {
                        for (y, beta) in y.iter_mut().zip(beta) {
                            *y += beta;
                        }
                    }
                    (*to_mean, *to_rstd) = (mean, rstd);
                }
            },
        );
        let stat = |values| tensor(values, Shape::from(vec![rows]));
        Normalised {
            y: tensor(y, shape),
            mean: stat(means),
            rstd: stat(rstds),
        }
    }

    fn normalise_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        [mean, rstd]: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (x, gamma, dy) = (x.to_contiguous(), gamma.to_contiguous(), dy.to_contiguous());
        let (shape, width) = (x.layout().shape().clone(), width(&x));
        let (x, gamma, dy) = (values(&x), values(&gamma), values(&dy));
        let (means, rstds, count) = (values(&mean), values(&rstd), width as f32);
        let dx = each(
            x.len(),
            width,
            #[inline(always)]
            |first, dx| {
                let rows = x[first * width..].chunks_exact(width);
                let rows = rows.zip(dy[first * width..].chunks_exact(width));
                let stats = means[first..].iter().zip(&rstds[first..]);
                for ((dx, (x, dy)), (mean, rstd)) in dx.chunks_exact_mut(width).zip(rows).zip(stats)
                {
                    let h = |x: f32| (x - mean) * rstd;
                    let sum = lanes::sum_two(dy, gamma, |dy, gamma| dy * gamma) / count;
                    let along =
                        lanes::sum_three(dy, gamma, x, |dy, gamma, x| dy * gamma * h(x)) / count;
                    for (((dx, x), dy), gamma) in dx.iter_mut().zip(x).zip(dy).zip(gamma) {
                        *dx = (dy * gamma - sum - h(*x) * along) * rstd;
                    }
                }
            },
        );
        tensor(dx, shape)
    }

    fn normalise_parameters_backward(
        x: FloatTensor<Self>,
        [mean, rstd]: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let (x, dy) = (x.to_contiguous(), dy.to_contiguous());
        let width = width(&x);
        let (x, dy) = (values(&x), values(&dy));
        let (means, rstds) = (values(&mean), values(&rstd));
        let mut sums = sum_rows(
            x.len() / width,
            2 * width,
            #[inline(always)]
            |row, sums| {
                let (x, dy) = (&x[row * width..][..width], &dy[row * width..][..width]);
                let (mean, rstd) = (means[row], rstds[row]);
                let (gammas, betas) = sums.split_at_mut(width);
                for (((gamma, beta), x), dy) in gammas.iter_mut().zip(betas).zip(x).zip(dy) {
                    *gamma += dy * ((x - mean) * rstd);
                    *beta += dy;
                }
            },
        );
        let beta = sums.split_off(width);
        [sums, beta].map(|sum| tensor(sum, Shape::from(vec![width])))
    }

    fn activate(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let (x, bias) = (x.to_contiguous(), bias.map(|bias| bias.to_contiguous()));
        element_wise(
            &x,
            bias.as_ref(),
            None,
            #[inline(always)]
            |list| math::activate(activation, list),
        )
    }

    fn activate_backward(
        x: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        dy: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let (x, bias) = (x.to_contiguous(), bias.map(|bias| bias.to_contiguous()));
        let dy = Some(&dy.to_contiguous());
        element_wise(
            &x,
            bias.as_ref(),
            dy,
            #[inline(always)]
            |list| math::slope(activation, list),
        )
    }

    fn sum_rows(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let dy = dy.to_contiguous();
        let width = width(&dy);
        let dy = values(&dy);
        let sums = sum_rows(
            dy.len() / width,
            width,
            #[inline(always)]
            |row, sums| {
                for (sum, dy) in sums.iter_mut().zip(&dy[row * width..]) {
                    *sum += dy;
                }
            },
        );
        tensor(sums, Shape::from(vec![width]))
    }

    /// Burn's own.
    fn sum_all(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_sum(x)
    }

    fn add_row(x: FloatTensor<Self>, row: FloatTensor<Self>) -> FloatTensor<Self> {
        let row = row.to_contiguous();
        let row = values(&row);
        let mut x = own(x);
        each_in(
            x.storage_mut::<f32>(),
            row.len(),
            #[inline(always)]
            |_, x| {
                for x in x.chunks_mut(row.len()) {
                    for (x, row) in x.iter_mut().zip(row) {
                        *x += row;
                    }
                }
            },
        );
        x
    }

    fn swap_heads(x: FloatTensor<Self>) -> FloatTensor<Self> {
        heads::swapped(x)
    }

    fn l2_normalise(x: FloatTensor<Self>) -> [FloatTensor<Self>; 2] {
        let x = x.to_contiguous();
        let (shape, width) = (x.layout().shape().clone(), width(&x));
        let x = values(&x);
        let norms = each(
            x.len() / width.max(1),
            1,
            #[inline(always)]
            |first, norms| {
                let rows = x[first * width..].chunks_exact(width);
                for (norm, x) in norms.iter_mut().zip(rows) {
                    *norm = lanes::sum(x, |x| x * x).sqrt();
                }
            },
        );
        let y = each(
            x.len(),
            width,
            #[inline(always)]
            |first, y| {
                let rows = x[first * width..].chunks_exact(width);
                for ((y, x), norm) in y.chunks_exact_mut(width).zip(rows).zip(&norms[first..]) {
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = x / norm;
                    }
                }
            },
        );
        let rows = Shape::from(vec![norms.len()]);
        [tensor(y, shape), tensor(norms, rows)]
    }

    fn l2_normalise_backward(
        [y, norms]: [FloatTensor<Self>; 2],
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (y, dy) = (y.to_contiguous(), dy.to_contiguous());
        let (shape, width) = (y.layout().shape().clone(), width(&y));
        let (y, dy, norms) = (values(&y), values(&dy), values(&norms));
        let dx = each(
            y.len(),
            width,
            #[inline(always)]
            |first, dx| {
                let rows = y[first * width..].chunks_exact(width);
                let rows = rows.zip(dy[first * width..].chunks_exact(width));
                for ((dx, (y, dy)), norm) in
                    dx.chunks_exact_mut(width).zip(rows).zip(&norms[first..])
                {
                    let along = lanes::sum_two(y, dy, |y, dy| y * dy);
                    for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                        *dx = (dy - along * y) / norm;
                    }
                }
            },
        );
        tensor(dx, shape)
    }

    fn scaled_softmax(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let (shape, width, scale) = (x.layout().shape().clone(), width(&x), scale as f32);
        let x = values(&x);
        let y = each(
            x.len(),
            width,
            #[inline(always)]
            |first, y| {
                let rows = x[first * width..].chunks_exact(width);
                for (y, x) in y.chunks_exact_mut(width).zip(rows) {
                    let most = lanes::largest(x);
                    for (y, x) in y.iter_mut().zip(x) {
                        *y = math::exp(scale * (x - most));
                    }
                    let sum = lanes::sum(y, |y| y);
                    for y in y {
                        *y /= sum;
                    }
                }
            },
        );
        tensor(y, shape)
    }

    fn scaled_softmax_backward(
        y: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let (y, dy) = (y.to_contiguous(), dy.to_contiguous());
        let (shape, width, scale) = (y.layout().shape().clone(), width(&y), scale as f32);
        let (y, dy) = (values(&y), values(&dy));
        let dx = each(
            y.len(),
            width,
            #[inline(always)]
            |first, dx| {
                let rows = y[first * width..].chunks_exact(width);
                let rows = rows.zip(dy[first * width..].chunks_exact(width));
                for (dx, (y, dy)) in dx.chunks_exact_mut(width).zip(rows) {
                    let along = lanes::sum_two(y, dy, |y, dy| y * dy);
                    for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                        *dx = scale * y * (dy - along);
                    }
                }
            },
        );
        tensor(dx, shape)
    }
}
