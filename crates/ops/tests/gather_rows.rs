//! Rows that are gathered against those that the host picks: on the host always, and on a GPU, or
//! on Vulkan's software driver, with its feature.

mod common;

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use burn_flex::Flex;
use common::numbers;
use dacapo_ops::gather_rows;

#[cfg(feature = "cuda")]
type Gpu = burn_cuda::Cuda;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Gpu = burn_wgpu::Wgpu;

/// Rows of the pieces.
const PIECES: [usize; 3] = [4, 4, 2];

/// How a piece lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Together,
    /// After rows of another tensor.
    View,
    /// Its last two dimensions swapped.
    Swapped,
}

/// Some rows, those of one piece, all, a few of them several times.
fn choices() -> Vec<Vec<(usize, usize)>> {
    let all =
        || (0..PIECES.len()).flat_map(|piece| (0..PIECES[piece]).map(move |row| (piece, row)));
    vec![
        vec![(1, 2)],
        vec![(2, 1), (0, 0), (1, 3), (1, 3), (0, 2)],
        vec![(1, 3), (1, 0), (1, 1)],
        all().collect(),
        all().rev().collect(),
        vec![],
    ]
}

fn piece<B: Backend>(data: &TensorData, lie: Lie) -> Tensor<B, 3> {
    let device = Default::default();
    let piece = Tensor::<B, 3>::from_data(data.clone(), (&device, data.dtype));
    match lie {
        Lie::Together => piece,
        Lie::View => {
            let rows = piece.dims()[0];
            Tensor::cat(vec![piece.ones_like(), piece], 0).narrow(0, rows, rows)
        }
        Lie::Swapped => {
            let swapped = piece.swap_dims(1, 2);
            // In memory, too, where the backend copies nothing for a view.
            (swapped * 1).swap_dims(1, 2)
        }
    }
}

/// Also no rows if `empty`: CUDA refuses the launches over no elements of Burn's own operations.
fn rows_are_others<B: Backend>(dtype: DType, empty: bool) {
    // Odd, whole vectors, rows of no whole words in bf16.
    for [height, width] in [[1, 1], [3, 5], [2, 4], [7, 64], [2, 515]] {
        let values: Vec<TensorData> = (1..)
            .zip(PIECES)
            .map(|(seed, rows)| {
                let values = numbers(rows * height * width, seed);
                TensorData::new(values, [rows, height, width]).convert_dtype(dtype)
            })
            .collect();
        for lie in [Lie::Together, Lie::View, Lie::Swapped] {
            let pieces: Vec<Tensor<B, 3>> =
                values.iter().map(|data| piece::<B>(data, lie)).collect();
            let bytes = height * width * dtype.size();
            for rows in choices().iter().filter(|rows| empty || !rows.is_empty()) {
                let found = gather_rows(&pieces, rows).into_data();
                let wanted: Vec<u8> = rows
                    .iter()
                    .flat_map(|(piece, row)| &values[*piece].as_bytes()[row * bytes..][..bytes])
                    .copied()
                    .collect();
                let name = format!("{dtype:?} {height}x{width} {lie:?} {rows:?}");
                assert_eq!(found.dtype, dtype, "{name}");
                assert_eq!(found.shape.to_vec(), [rows.len(), height, width], "{name}");
                assert!(found.as_bytes() == wanted, "{name}");
            }
        }
        let only = piece::<B>(&values[0], Lie::Together);
        let found = gather_rows(std::slice::from_ref(&only), &[(0, 3), (0, 1)]).into_data();
        let wanted = Tensor::cat(vec![only.clone().narrow(0, 3, 1), only.narrow(0, 1, 1)], 0);
        assert!(found.as_bytes() == wanted.into_data().as_bytes());
    }
}

#[test]
fn rows_on_the_host_are_others() {
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        rows_are_others::<Flex>(dtype, true);
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
#[test]
fn rows_on_the_device_are_others() {
    rows_are_others::<Gpu>(DType::F32, false);
    match Gpu::supports_dtype(&Default::default(), DType::BF16) {
        true => rows_are_others::<Gpu>(DType::BF16, false),
        false => eprintln!("this device has no bf16; f32 only"),
    }
}

fn gradient_is_lost<B: Backend>() {
    let device = Default::default();
    let piece = || {
        Tensor::<Autodiff<B>, 3>::from_data([[[1.0, 2.0]], [[3.0, 4.0]]], &device).require_grad()
    };
    let pieces = [piece(), piece()];
    let gathered = gather_rows(&pieces, &[(1, 1), (0, 0), (1, 1)]);
    let factors = Tensor::from_data([[[1.0, 2.0]], [[4.0, 8.0]], [[16.0, 32.0]]], &device);
    let grads = (gathered * factors).sum().backward();
    let wanted = [[4.0, 8.0, 0.0, 0.0], [0.0, 0.0, 17.0, 34.0]];
    for (piece, wanted) in pieces.iter().zip(wanted) {
        let found = piece.grad(&grads).expect("it is tracked").into_data();
        assert_eq!(found.to_vec::<f32>().expect("f32"), wanted);
    }
}

#[test]
fn gradient_of_a_row_is_lost() {
    gradient_is_lost::<Flex>();
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    gradient_is_lost::<Gpu>();
}

fn ones<const D: usize>(shape: [usize; D]) -> Tensor<Flex, D> {
    Tensor::ones(shape, &Default::default())
}

#[test]
#[should_panic(expected = "found row 2 of piece 1, which has 2")]
fn row_past_a_piece_is_left_out() {
    gather_rows(&[ones([2, 3]), ones([2, 3])], &[(0, 0), (1, 2)]);
}

#[test]
#[should_panic(expected = "expected one of 2 pieces")]
fn piece_that_is_not_there_is_left_out() {
    gather_rows(&[ones([2, 3]), ones([2, 3])], &[(0, 0), (2, 0)]);
}

#[test]
#[should_panic(expected = "rows of pieces")]
fn rows_of_other_shapes_are_mixed() {
    gather_rows(&[ones([2, 3]), ones([2, 4])], &[(0, 0)]);
}

#[test]
#[should_panic(expected = "float types")]
fn rows_of_other_float_types_are_mixed() {
    gather_rows(&[ones([2, 3]), ones([2, 3]).cast(DType::F64)], &[(0, 0)]);
}
