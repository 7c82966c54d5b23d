//! Which tensors share a launch.

use std::ops::Range;

use cubecl::prelude::*;

use super::{AdamWDtype, AdamWTensor, StepMode};
use crate::grid::{self, UNITS};
use crate::{KernelError, buffer};

/// The numbers of tensors that kernels are compiled for.
const SIZES: [usize; 4] = [1, 4, 16, 32];

/// CUDA's limit before version 12.1, less the one scalar of the launch.
const ARGUMENT_BYTES: usize = 4096 - 16;

/// The bytes that buffers may have in one piece of memory together: far less than
/// any device allocates at once.
const PIECE_BYTES: u64 = 32 << 20;

/// Which neighbours of buffers of `sizes` bytes share a piece of memory; a larger
/// one has its own.
pub(super) fn pieces(sizes: &[u64]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (i, size) in sizes.iter().enumerate() {
        bytes += size;
        match pieces.last_mut() {
            Some(piece) if bytes <= PIECE_BYTES => piece.end = i + 1,
            _ => {
                pieces.push(i..i + 1);
                bytes = *size;
            }
        }
    }
    pieces
}

/// Tensors that one kernel can take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) dtype: AdamWDtype,
    pub(super) amsgrad: bool,
    /// Elements a unit reads at once.
    pub(super) width: usize,
}

impl Kind {
    /// The kind of `tensor`, whose buffers are checked.
    pub(super) fn of(tensor: &AdamWTensor) -> Result<Self, KernelError> {
        let kernel = "adamw_step";
        let size = tensor.dtype.size();
        // 16 bytes, the widest load of a unit.
        let vector = 16 / size;
        let mut width = if tensor.len.is_multiple_of(vector) {
            vector
        } else {
            1
        };
        let bytes = tensor.len.saturating_mul(size);
        let handles = [
            ("param", Some(&tensor.param)),
            ("grad", Some(&tensor.grad)),
            ("exp_avg", Some(&tensor.exp_avg)),
            ("exp_avg_sq", Some(&tensor.exp_avg_sq)),
            ("max_exp_avg_sq", tensor.max_exp_avg_sq.as_ref()),
        ];
        for (what, handle) in handles {
            let Some(handle) = handle else { continue };
            buffer::check(kernel, what, handle, bytes, size)?;
            if !buffer::offset(handle).is_multiple_of(16) {
                width = 1;
            }
        }
        let limit = width * grid::MAX_UNITS;
        if tensor.len > limit {
            return Err(KernelError::TooLong {
                kernel,
                what: "param",
                limit,
                len: tensor.len,
                unit: "elements",
            });
        }
        Ok(Self {
            dtype: tensor.dtype,
            amsgrad: tensor.max_exp_avg_sq.is_some(),
            width: width as usize,
        })
    }

    pub(super) fn cubes(&self, tensor: &AdamWTensor) -> u32 {
        (tensor.len / self.width as u64).div_ceil(UNITS.into()) as u32
    }
}

/// The most tensors of one dtype and vector width that a launch takes.
pub fn capacity<R: Runtime>(
    client: &ComputeClient<R>,
    dtype: AdamWDtype,
    amsgrad: bool,
    mode: StepMode,
) -> usize {
    let bindings = client.properties().hardware.max_bindings as usize;
    capacity_of(bindings, dtype, amsgrad, mode)
}

fn capacity_of(bindings: usize, dtype: AdamWDtype, amsgrad: bool, mode: StepMode) -> usize {
    let state = if amsgrad { 4 } else { 3 };
    let buffers = match mode {
        StepMode::InPlace => 1 + state,
        StepMode::Fresh => 1 + 2 * state,
    };
    // A pointer and two 32-bit lengths a buffer; two words and seven scalars.
    let bytes = buffers * 16 + 8 + 7 * dtype.size() as usize;
    SIZES
        .into_iter()
        .rev()
        // Two bindings are left for the scalars and the lengths.
        .find(|size| size * bytes <= ARGUMENT_BYTES && size * buffers + 2 <= bindings)
        .unwrap_or(1)
}

/// The size that a launch of `tensors` is padded to.
pub(super) fn padded(tensors: usize) -> usize {
    SIZES
        .into_iter()
        .find(|&size| size >= tensors)
        .expect("a launch takes no more tensors than the largest size")
}

/// The launches of a step: for each the kind and the indices of its tensors.
/// Kinds are in their order, tensors in theirs; those of length 0 are left out.
pub(super) fn launches(
    tensors: &[AdamWTensor],
    capacity: impl Fn(&Kind) -> usize,
) -> Result<Vec<(Kind, Vec<usize>)>, KernelError> {
    let mut kinds = Vec::with_capacity(tensors.len());
    for (i, tensor) in tensors.iter().enumerate() {
        let kind = Kind::of(tensor)?;
        if tensor.len > 0 {
            kinds.push((kind, i));
        }
    }
    kinds.sort();
    let most_cubes = grid::MAX_UNITS / u64::from(UNITS);
    let mut launches: Vec<(Kind, Vec<usize>)> = Vec::new();
    let mut used = 0;
    for (kind, i) in kinds {
        let cubes = u64::from(kind.cubes(&tensors[i]));
        match launches.last_mut() {
            Some((last, members))
                if *last == kind
                    && members.len() < capacity(&kind)
                    && used + cubes <= most_cubes =>
            {
                members.push(i);
                used += cubes;
            }
            _ => {
                launches.push((kind, vec![i]));
                used = cubes;
            }
        }
    }
    Ok(launches)
}

#[cfg(test)]
mod tests {
    use cubecl::server::Handle;
    use cubecl::stream_id::StreamId;

    use super::*;
    use crate::adamw_step::AdamWScalars;

    #[test]
    fn a_piece_of_memory_outgrows_the_device() {
        let most = PIECE_BYTES;
        assert!(pieces(&[]).is_empty());
        assert_eq!(pieces(&[0, 4, most - 4, 1]), vec![0..3, 3..4]);
        assert_eq!(pieces(&[8, 2 * most, 8, 8]), vec![0..1, 1..2, 2..4]);
    }

    #[test]
    fn arguments_outgrow_what_cuda_takes() {
        use AdamWDtype::{F32, F64};
        use StepMode::{Fresh, InPlace};
        let cuda = 1024;
        assert_eq!(capacity_of(cuda, F32, false, InPlace), 32);
        assert_eq!(capacity_of(cuda, F32, true, InPlace), 32);
        assert_eq!(capacity_of(cuda, F32, false, Fresh), 16);
        assert_eq!(capacity_of(cuda, F32, true, Fresh), 16);
        assert_eq!(capacity_of(cuda, F64, false, InPlace), 16);
        assert_eq!(capacity_of(cuda, F64, true, Fresh), 16);
        let vulkan = 31;
        assert_eq!(capacity_of(vulkan, F32, false, InPlace), 4);
        assert_eq!(capacity_of(vulkan, F32, true, Fresh), 1);
    }

    fn tensor(len: u64, dtype: AdamWDtype, amsgrad: bool) -> AdamWTensor {
        // A handle that nothing allocates, for its size alone.
        let handle = Handle::new(StreamId::current(), len * dtype.size());
        AdamWTensor {
            param: handle.clone(),
            grad: handle.clone(),
            exp_avg: handle.clone(),
            exp_avg_sq: handle.clone(),
            max_exp_avg_sq: amsgrad.then_some(handle),
            len,
            dtype,
            scalars: AdamWScalars::new(1e-3, [0.9, 0.999], 1e-8, 0.0, 1),
        }
    }

    #[test]
    fn tensors_of_one_kind_take_a_launch_each() {
        use AdamWDtype::{F32, F64};
        let count = |tensors: &[AdamWTensor]| launches(tensors, |_| 32).unwrap().len();
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[tensor(0, F32, false)]), 0);
        assert_eq!(count(&vec![tensor(4, F32, false); 32]), 1);
        assert_eq!(count(&vec![tensor(4, F32, false); 33]), 2);
        // Widths, dtypes and amsgrad do not mix, in whatever order they come.
        let mixed = [
            tensor(8, F32, false),
            tensor(3, F32, false),
            tensor(6, F64, false),
            tensor(8, F32, true),
        ];
        let mixed: Vec<AdamWTensor> = mixed.iter().cycle().take(32).cloned().collect();
        assert_eq!(count(&mixed), 4);
    }

    #[test]
    fn a_tensor_is_left_out_or_taken_twice() {
        let tensors: Vec<AdamWTensor> = (0..100)
            .map(|i| tensor(i, AdamWDtype::F32, i % 3 == 0))
            .collect();
        let mut members: Vec<usize> = launches(&tensors, |_| 4)
            .unwrap()
            .into_iter()
            .flat_map(|(_, members)| members)
            .collect();
        members.sort_unstable();
        assert_eq!(members, (1..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_launch_outgrows_the_grid() {
        let long = tensor(1 << 33, AdamWDtype::F32, false);
        assert_eq!(launches(&[long.clone(), long], |_| 32).unwrap().len(), 2);
        let longer = tensor(1 << 34, AdamWDtype::F32, false);
        assert!(launches(&[longer], |_| 32).is_err());
    }
}
