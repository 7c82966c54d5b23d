use std::iter::repeat_n;

use cubecl::prelude::*;
use cubecl::server::{Handle, MemoryLayoutDescriptor, MemoryLayoutStrategy};

use super::adamw_scalars::Lowered;
use super::kernel::{TensorArgs, TensorArgsLaunch, step_tensors};
use super::plan::{self, Kind};
use super::{AdamWDtype, AdamWState, AdamWTensor, StepMode, capacity};
use crate::KernelError;
use crate::grid::{self, UNITS};

/// One AdamW step of every tensor; the results are in the order of `tensors`.
/// The module's documentation says how many launches that takes.
///
/// # Errors
///
/// [`KernelError::TooShort`] or [`KernelError::Misaligned`] if a buffer cannot
/// hold its tensor, [`KernelError::TooLong`] for a tensor of more than about
/// 2^32 vectors. Nothing has run then.
pub fn adamw_step<R: Runtime>(
    client: &ComputeClient<R>,
    tensors: &[AdamWTensor],
    mode: StepMode,
) -> Result<Vec<AdamWState>, KernelError> {
    let launches = plan::launches(tensors, |kind| {
        capacity(client, kind.dtype, kind.amsgrad, mode)
    })?;
    let states = match mode {
        StepMode::InPlace => tensors.iter().map(in_place).collect(),
        StepMode::Fresh => fresh(client, tensors),
    };
    for (kind, members) in launches {
        launch(client, kind, &members, tensors, &states, mode);
    }
    Ok(states)
}

fn in_place(tensor: &AdamWTensor) -> AdamWState {
    AdamWState {
        param: tensor.param.clone(),
        exp_avg: tensor.exp_avg.clone(),
        exp_avg_sq: tensor.exp_avg_sq.clone(),
        max_exp_avg_sq: tensor.max_exp_avg_sq.clone(),
    }
}

/// Parts of a few pieces of memory: a piece for each would cost the host ten
/// microseconds a tensor.
fn fresh<R: Runtime>(client: &ComputeClient<R>, tensors: &[AdamWTensor]) -> Vec<AdamWState> {
    let parts = |tensor: &AdamWTensor| 3 + usize::from(tensor.max_exp_avg_sq.is_some());
    let sizes: Vec<u64> = tensors
        .iter()
        .flat_map(|tensor| repeat_n(tensor.len * tensor.dtype.size(), parts(tensor)))
        .collect();
    let mut made = plan::pieces(&sizes).into_iter().flat_map(|piece| {
        let bytes = |size: &u64| {
            let contiguous = MemoryLayoutStrategy::Contiguous;
            MemoryLayoutDescriptor::new(contiguous, [*size as usize].into(), 1)
        };
        client.empty_tensors(sizes[piece].iter().map(bytes).collect())
    });
    let mut next = || made.next().expect("one for each size").memory;
    tensors
        .iter()
        .map(|tensor| AdamWState {
            param: next(),
            exp_avg: next(),
            exp_avg_sq: next(),
            max_exp_avg_sq: tensor.max_exp_avg_sq.as_ref().map(|_| next()),
        })
        .collect()
}

fn launch<R: Runtime>(
    client: &ComputeClient<R>,
    kind: Kind,
    members: &[usize],
    tensors: &[AdamWTensor],
    states: &[AdamWState],
    mode: StepMode,
) {
    let count = plan::padded(members.len());
    // A slot without a tensor names the first one's buffers, with length 0.
    let slots: Vec<(usize, usize)> = (0..count)
        .map(|slot| match members.get(slot) {
            Some(&i) => (i, tensors[i].len as usize),
            None => (members[0], 0),
        })
        .collect();
    let mut args = SequenceArg::<R, TensorArgs>::new();
    let mut cubes = 0;
    for slot in 0..count {
        let tensor = &tensors[slots[slot].0];
        args.push(scalars(
            cubes,
            &tensor.scalars.lowered(kind.dtype),
            kind.dtype,
        ));
        if slot < members.len() {
            cubes += kind.cubes(tensor);
        }
    }

    let max = |handle: &Option<Handle>| handle.clone().expect("amsgrad tensors have it");
    let input = |handle: &dyn Fn(&AdamWTensor) -> Handle| -> Vec<ArrayArg<R>> {
        slots
            .iter()
            .map(|&(i, len)| array(handle(&tensors[i]), len))
            .collect()
    };
    // In place an output is the input at that position among all buffers.
    let output = |position: usize, handle: &dyn Fn(&AdamWState) -> Handle| -> Vec<ArrayArg<R>> {
        slots
            .iter()
            .enumerate()
            .map(|(slot, &(i, len))| match mode {
                StepMode::InPlace => ArrayArg::Alias {
                    input_pos: position * count + slot,
                    length: [len],
                },
                StepMode::Fresh => array(handle(&states[i]), len),
            })
            .collect()
    };
    let (max_in, max_out) = if kind.amsgrad {
        (
            input(&|tensor| max(&tensor.max_exp_avg_sq)),
            output(4, &|state| max(&state.max_exp_avg_sq)),
        )
    } else {
        (Vec::new(), Vec::new())
    };

    // SAFETY: `Kind::of` checked that every input holds `len` elements, outputs
    // are those inputs or were allocated of that length, and each unit touches
    // only its own index below the length of its tensor.
    #[allow(unsafe_code)]
    unsafe {
        step_tensors::launch_unchecked::<R>(
            client,
            grid::cubes(cubes),
            CubeDim::new_1d(UNITS),
            kind.width,
            input(&|tensor| tensor.param.clone()).into_iter().collect(),
            input(&|tensor| tensor.grad.clone()).into_iter().collect(),
            input(&|tensor| tensor.exp_avg.clone())
                .into_iter()
                .collect(),
            input(&|tensor| tensor.exp_avg_sq.clone())
                .into_iter()
                .collect(),
            max_in.into_iter().collect(),
            output(0, &|state| state.param.clone())
                .into_iter()
                .collect(),
            output(2, &|state| state.exp_avg.clone())
                .into_iter()
                .collect(),
            output(3, &|state| state.exp_avg_sq.clone())
                .into_iter()
                .collect(),
            max_out.into_iter().collect(),
            args,
            InputScalar::new(-0.0_f64, kind.dtype.storage()),
            count,
            kind.amsgrad,
            kind.dtype.storage(),
        );
    }
}

/// `handle` as `len` elements, which it was checked to hold.
fn array<R: Runtime>(handle: Handle, len: usize) -> ArrayArg<R> {
    // SAFETY: see the one caller's launch.
    #[allow(unsafe_code)]
    unsafe {
        ArrayArg::from_raw_parts(handle, len)
    }
}

fn scalars<R: Runtime>(
    first_cube: u32,
    lowered: &Lowered,
    dtype: AdamWDtype,
) -> TensorArgsLaunch<R> {
    // Rounds to nearest, as Burn does with a scalar for a tensor of that type.
    let scalar = |value: f64| InputScalar::new(value, dtype.storage());
    TensorArgsLaunch::new(
        first_cube,
        u32::from(lowered.from_start),
        scalar(lowered.lerp),
        scalar(lowered.decay),
        scalar(lowered.beta2),
        scalar(lowered.one_minus_beta2),
        scalar(lowered.minus_step_size),
        scalar(lowered.correction2_sqrt),
        scalar(lowered.eps),
    )
}
