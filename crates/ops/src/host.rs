//! Loops on the host: rows are dealt to threads in blocks of a fixed size, so that no bit depends
//! on their number.

use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use dacapo_kernels::host::filled;
use pulp::{Arch, Simd, WithSimd};
#[cfg(feature = "rayon")]
use rayon::prelude::*;

/// Elements of a block, about: what fits the first cache beside what is read.
const BLOCK: usize = 4096;

/// The elements of a contiguous f32 tensor.
pub(crate) fn values(tensor: &FlexTensor) -> &[f32] {
    let start = tensor.layout().start_offset();
    &tensor.storage::<f32>()[start..start + tensor.layout().num_elements()]
}

/// A contiguous f32 tensor.
pub(crate) fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape),
        DType::F32,
    )
}

/// `tensor`, of f32, contiguous and with elements that nobody else holds.
pub(crate) fn own(tensor: FlexTensor) -> FlexTensor {
    let mut own = tensor.to_contiguous();
    drop(tensor);
    if own.try_storage_mut::<f32>().is_some() {
        return own;
    }
    let from = values(&own);
    let copy = each(from.len(), 1, |first, out| {
        out.copy_from_slice(&from[first..][..out.len()]);
    });
    self::tensor(copy, own.layout().shape().clone())
}

/// How far the next element of each dimension is; `None` if one lies before.
pub(crate) fn strides(tensor: &FlexTensor) -> Option<Vec<usize>> {
    let strides = tensor.layout().strides().iter();
    strides
        .map(|stride| usize::try_from(*stride).ok())
        .collect()
}

/// Parts of `size` elements, to be worked on by several threads.
#[cfg(feature = "rayon")]
fn parts<T: Send>(list: &mut [T], size: usize) -> rayon::slice::ChunksMut<'_, T> {
    list.par_chunks_mut(size)
}
/// Parts of `size` elements, to be worked on one after another.
#[cfg(not(feature = "rayon"))]
fn parts<T>(list: &mut [T], size: usize) -> std::slice::ChunksMut<'_, T> {
    list.chunks_mut(size)
}

/// `f(first, part)`, compiled for the vector instructions that the machine has.
///
/// A closure that `pulp` gets may be compiled by itself, without them, if it is large; this is not.
fn vectorised<A, F: Fn(usize, A)>(f: &F, first: usize, part: A) {
    struct Call<'a, F, A>(&'a F, usize, A);
    impl<A, F: Fn(usize, A)> WithSimd for Call<'_, F, A> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            (self.0)(self.1, self.2);
        }
    }
    Arch::new().dispatch(Call(f, first, part));
}

/// Rows of a block.
fn rows(width: usize) -> usize {
    (BLOCK / width.max(1)).max(1)
}

/// A matrix of `len` elements: calls `f` with the number of the first row and the rows of each block,
/// zeros before, in any order and on any thread. `f` is compiled for the vector instructions that
/// the machine has: inline what it calls.
pub(crate) fn each(len: usize, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let rows = rows(width);
    filled(len, rows * width, |block, out| {
        vectorised(&f, block * rows, out);
    })
}

/// The same over what is there.
pub(crate) fn each_in(list: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = rows(width);
    let work = |(block, part): (usize, &mut [f32])| {
        vectorised(&f, block * rows, part);
    };
    parts(list, rows * width).enumerate().for_each(work);
}

/// The same over a matrix `[rows, width]` and two numbers a row.
pub(crate) fn each_with_stats(
    out: &mut [f32],
    width: usize,
    [first, second]: [&mut [f32]; 2],
    f: impl Fn(usize, (&mut [f32], [&mut [f32]; 2])) + Sync,
) {
    type Part<'a> = (&'a mut [f32], (&'a mut [f32], &'a mut [f32]));
    let rows = rows(width);
    let work = |(block, (out, (first, second))): (usize, Part<'_>)| {
        vectorised(&f, block * rows, (out, [first, second]));
    };
    let stats = parts(first, rows).zip(parts(second, rows));
    parts(out, rows * width)
        .zip(stats)
        .enumerate()
        .for_each(work);
}

/// The sum over all rows of what `f` adds for each: `f` gets a row's number and a sum of `out`
/// numbers to add to. Rows are summed in blocks, and the blocks' sums in their order.
pub(crate) fn sum_rows(count: usize, out: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    /// Rows of a block: few enough for several threads, many enough to be worth one.
    const ROWS: usize = 64;
    let blocks = count.div_ceil(ROWS);
    let mut sums = vec![0.0; blocks * out];
    let work = |(block, sum): (usize, &mut [f32])| {
        for row in block * ROWS..count.min((block + 1) * ROWS) {
            vectorised(&f, row, &mut *sum);
        }
    };
    parts(&mut sums, out).enumerate().for_each(work);
    let mut total = vec![0.0; out];
    for sum in sums.chunks(out) {
        for (total, sum) in total.iter_mut().zip(sum) {
            *total += sum;
        }
    }
    total
}

/// Calls `f` with the place of the first element and the elements of each block of four lists, the
/// last of which may be empty; else all have one length.
pub(crate) fn each_of_four(
    [a, b, c, d]: [&mut [f32]; 4],
    f: impl Fn(usize, [&mut [f32]; 4]) + Sync,
) {
    type Four<'a> = (
        (&'a mut [f32], &'a mut [f32]),
        (&'a mut [f32], &'a mut [f32]),
    );
    let ends = a.len().div_ceil(BLOCK);
    let mut last: Vec<&mut [f32]> = d.chunks_mut(BLOCK).collect();
    last.resize_with(ends, Default::default);
    let work = |(block, ((a, b), (c, d))): (usize, Four<'_>)| {
        vectorised(&f, block * BLOCK, [a, b, c, d]);
    };
    let first = parts(a, BLOCK).zip(parts(b, BLOCK));
    let second = parts(c, BLOCK).zip(last);
    first.zip(second).enumerate().for_each(work);
}
