//! The step on a device against the host's, bit for bit.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::{TestRuntime, client};
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use cubecl::server::Handle;
use dacapo_kernels::KernelError;
use dacapo_kernels::adamw_step::{
    AdamWDtype, AdamWScalars, AdamWState, AdamWTensor, StepMode, adamw_step, capacity, reference,
};
use dacapo_kernels::dropout_mask::reference::philox4x32;

type Client = ComputeClient<TestRuntime>;

/// A type that a step runs in, with its reference.
trait Element: bytemuck::Pod + PartialEq + std::fmt::Debug {
    const DTYPE: AdamWDtype;
    /// A number from 64 random bits.
    fn random(bits: u64) -> Self;
    fn special(which: usize) -> Self;
    fn same(self, other: Self) -> bool;
    fn magnitude(self) -> Self;
    fn step(scalars: &AdamWScalars, tensor: &mut Host<Self>);
}

macro_rules! element {
    ($float:ident, $dtype:ident, $step:path, $mantissa:expr, $bias:expr) => {
        impl Element for $float {
            const DTYPE: AdamWDtype = AdamWDtype::$dtype;
            fn random(bits: u64) -> Self {
                // 2^-20 to 2^20: no product here comes near what a GPU may
                // flush to zero.
                let exponent = ($bias - 20 + (bits >> 56) % 41) << $mantissa;
                let fraction = bits & ((1 << $mantissa) - 1);
                let value = $float::from_bits((exponent | fraction) as _);
                if bits & (1 << 55) == 0 { value } else { -value }
            }
            fn special(which: usize) -> Self {
                [
                    $float::from_bits(1),
                    -$float::MIN_POSITIVE / 3.0,
                    $float::MAX,
                    $float::MIN,
                    $float::INFINITY,
                    $float::NEG_INFINITY,
                    $float::NAN,
                    $float::MIN_POSITIVE,
                ][which % 8]
            }
            fn same(self, other: Self) -> bool {
                self.to_bits() == other.to_bits() || (self.is_nan() && other.is_nan())
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
            fn step(scalars: &AdamWScalars, tensor: &mut Host<Self>) {
                $step(
                    scalars,
                    &mut tensor.param,
                    &tensor.grad,
                    &mut tensor.exp_avg,
                    &mut tensor.exp_avg_sq,
                    tensor.max.as_deref_mut(),
                );
            }
        }
    };
}
element!(f32, F32, reference::adamw_step_f32, 23, 127);
element!(f64, F64, reference::adamw_step_f64, 52, 1023);

#[derive(Clone)]
struct Host<F> {
    param: Vec<F>,
    grad: Vec<F>,
    exp_avg: Vec<F>,
    exp_avg_sq: Vec<F>,
    max: Option<Vec<F>>,
}

/// Random numbers, every seventh a zero of either sign, and with `extremes`
/// every fifth at an end of the type.
fn values<F: Element>(stream: u32, len: usize, extremes: bool) -> Vec<F> {
    (0..len as u32)
        .map(|i| {
            let [a, b, c, _] = philox4x32([stream, 77], [i, 0, 0, 0]);
            match c % 35 {
                0 | 7 | 14 => F::zeroed(),
                21 | 28 => bytemuck::cast_slice::<u8, F>(&negative_zero::<F>())[0],
                n if extremes && n % 5 == 0 => F::special(a as usize),
                _ => F::random(u64::from(a) << 32 | u64::from(b)),
            }
        })
        .collect()
}

fn negative_zero<F: Element>() -> Vec<u8> {
    match F::DTYPE {
        AdamWDtype::F32 => bytemuck::bytes_of(&-0.0_f32).to_vec(),
        AdamWDtype::F64 => bytemuck::bytes_of(&-0.0_f64).to_vec(),
    }
}

impl<F: Element> Host<F> {
    fn new(stream: u32, len: usize, amsgrad: bool, extremes: bool) -> Self {
        let stream = stream * 5;
        let positive = |stream| {
            let values = values::<F>(stream, len, extremes);
            values.into_iter().map(F::magnitude).collect::<Vec<F>>()
        };
        Self {
            param: values(stream, len, extremes),
            grad: values(stream + 1, len, extremes),
            exp_avg: values(stream + 2, len, extremes),
            exp_avg_sq: positive(stream + 3),
            max: amsgrad.then(|| positive(stream + 4)),
        }
    }

    fn upload(&self, client: &Client, scalars: AdamWScalars) -> AdamWTensor {
        let upload = |values: &[F]| client.create_from_slice(bytemuck::cast_slice(values));
        AdamWTensor {
            param: upload(&self.param),
            grad: upload(&self.grad),
            exp_avg: upload(&self.exp_avg),
            exp_avg_sq: upload(&self.exp_avg_sq),
            max_exp_avg_sq: self.max.as_deref().map(upload),
            len: self.param.len() as u64,
            dtype: F::DTYPE,
            scalars,
        }
    }

    fn assert_equals(&self, client: &Client, state: &AdamWState, context: &str) {
        let mut pairs = vec![
            ("param", &self.param, &state.param),
            ("exp_avg", &self.exp_avg, &state.exp_avg),
            ("exp_avg_sq", &self.exp_avg_sq, &state.exp_avg_sq),
        ];
        if let (Some(host), Some(device)) = (&self.max, &state.max_exp_avg_sq) {
            pairs.push(("max_exp_avg_sq", host, device));
        }
        assert_eq!(pairs.len(), 3 + usize::from(self.max.is_some()));
        for (what, host, device) in pairs {
            for (i, (&found, &expected)) in read(client, device, host.len())
                .iter()
                .zip(host)
                .enumerate()
            {
                assert!(
                    F::same(found, expected),
                    "{context}: {what}[{i}] of {}: found {found:?}, expected {expected:?}",
                    host.len()
                );
            }
        }
    }
}

fn read<F: Element>(client: &Client, handle: &Handle, len: usize) -> Vec<F> {
    if len == 0 {
        return Vec::new();
    }
    let bytes = client.read_one(handle.clone()).unwrap();
    bytemuck::cast_slice(&bytes)[..len].to_vec()
}

/// Three steps of tensors of `lens` under `scalars` (of a step number).
fn check<F: Element>(
    lens: &[usize],
    scalars: impl Fn(usize, u64) -> AdamWScalars,
    amsgrad: bool,
    mode: StepMode,
    extremes: bool,
) {
    let client = client();
    let mut hosts: Vec<Host<F>> = (0..)
        .zip(lens)
        .map(|(stream, &len)| Host::new(stream, len, amsgrad, extremes))
        .collect();
    let mut tensors: Vec<AdamWTensor> = hosts
        .iter()
        .enumerate()
        .map(|(t, host)| host.upload(&client, scalars(t, 1)))
        .collect();
    for step in 1..=3 {
        for (t, tensor) in tensors.iter_mut().enumerate() {
            tensor.scalars = scalars(t, step);
        }
        let states = adamw_step(&client, &tensors, mode).unwrap();
        for (t, host) in hosts.iter_mut().enumerate() {
            if mode == StepMode::Fresh {
                // What went in is as it was.
                assert_eq!(
                    read::<F>(&client, &tensors[t].param, lens[t])
                        .iter()
                        .zip(&host.param)
                        .position(|(&found, &before)| !F::same(found, before)),
                    None
                );
            }
            F::step(&scalars(t, step), host);
            host.assert_equals(
                &client,
                &states[t],
                &format!("tensor {t} of {}, step {step}, {mode:?}", lens.len()),
            );
        }
        for (tensor, state) in tensors.iter_mut().zip(states) {
            tensor.param = state.param;
            tensor.exp_avg = state.exp_avg;
            tensor.exp_avg_sq = state.exp_avg_sq;
            tensor.max_exp_avg_sq = state.max_exp_avg_sq;
        }
    }
}

const LENS: [usize; 9] = [1, 3, 4, 5, 1023, 4096, 4097, 0, 8200];

fn usual(_: usize, step: u64) -> AdamWScalars {
    AdamWScalars::new(1e-3, [0.9, 0.999], 1e-8, 0.01, step)
}

#[test]
fn a_product_is_fused_with_a_sum() {
    for mode in [StepMode::InPlace, StepMode::Fresh] {
        for amsgrad in [false, true] {
            check::<f32>(&LENS, usual, amsgrad, mode, false);
        }
    }
}

#[test]
fn weight_above_a_half_takes_the_other_branch() {
    let scalars = |_, step| AdamWScalars::new(0.1, [0.3, 0.7], 1e-3, 0.5, step);
    check::<f32>(&LENS, scalars, true, StepMode::InPlace, false);
    let border = |_, step| AdamWScalars::new(0.1, [0.5, 0.9], 0.0, 0.0, step);
    check::<f32>(&LENS, border, false, StepMode::InPlace, false);
}

#[test]
fn a_tensor_steps_with_its_neighbours_scalars() {
    let scalars = |t: usize, step| {
        let decay = if t.is_multiple_of(2) { 0.0 } else { 0.1 };
        let beta1 = [0.9, 0.2, 0.5, 0.99][t % 4];
        AdamWScalars::new(
            1e-2 / (1 + t) as f64,
            [beta1, 0.95],
            1e-8,
            decay,
            step * 9 + t as u64,
        )
    };
    check::<f32>(&LENS, scalars, false, StepMode::InPlace, false);
}

#[test]
fn a_tensor_is_lost_between_launches() {
    for count in [2, 4, 5, 16, 17, 33, 70] {
        let lens: Vec<usize> = (0..count).map(|t| LENS[t % 6] + 4 * t).collect();
        check::<f32>(&lens, usual, count % 2 == 1, StepMode::InPlace, false);
    }
    let lens: Vec<usize> = (0..40).map(|t| LENS[t % 6]).collect();
    check::<f32>(&lens, usual, true, StepMode::Fresh, false);
}

#[test]
fn f64_tensors_step_in_f32() {
    if !client()
        .properties()
        .supports_type(ElemType::Float(FloatKind::F64))
    {
        eprintln!("this device has no f64; nothing tested");
        return;
    }
    for mode in [StepMode::InPlace, StepMode::Fresh] {
        check::<f64>(&LENS, usual, mode == StepMode::Fresh, mode, false);
    }
    let scalars = |_, step| AdamWScalars::new(0.1, [0.3, 0.7], 1e-3, 0.5, step);
    check::<f64>(&LENS, scalars, true, StepMode::InPlace, false);
}

/// Vulkan lets a device flush subnormals and ignore infinities and NaN, CUDA
/// does not.
#[cfg(feature = "cuda")]
#[test]
fn subnormals_or_infinities_go_astray() {
    for amsgrad in [false, true] {
        check::<f32>(&[1, 4097, 40_000], usual, amsgrad, StepMode::InPlace, true);
        check::<f64>(&[1, 4097, 40_000], usual, amsgrad, StepMode::InPlace, true);
    }
}

#[test]
fn a_repeated_step_differs() {
    let client = client();
    let host = Host::<f32>::new(1, 70_001, true, false);
    let run = || {
        let tensor = host.upload(&client, usual(0, 5));
        let state = adamw_step(&client, &[tensor], StepMode::Fresh).unwrap();
        read::<f32>(&client, &state[0].param, 70_001)
    };
    assert!(run().into_iter().zip(run()).all(|(a, b)| a.same(b)));
}

#[test]
fn a_view_at_an_odd_offset_is_read_as_vectors() {
    let client = client();
    let host = Host::<f32>::new(3, 64, false, false);
    let align = client.properties().memory.alignment as usize;
    let mut tensor = host.upload(&client, usual(0, 1));
    // The gradient lies behind other numbers. A device that cannot bind there
    // is given the next offset that it can.
    let offset = if cfg!(feature = "cuda") { 4 } else { align };
    let mut bytes = vec![0xff; offset];
    bytes.extend_from_slice(bytemuck::cast_slice(&host.grad));
    tensor.grad = client.create_from_slice(&bytes).offset_start(offset as u64);
    let states = adamw_step(&client, &[tensor], StepMode::InPlace).unwrap();
    let mut host = host;
    f32::step(&usual(0, 1), &mut host);
    host.assert_equals(&client, &states[0], "view");
}

#[test]
fn a_short_buffer_is_written_past_its_end() {
    let client = client();
    let mut tensor = Host::<f32>::new(3, 64, false, false).upload(&client, usual(0, 1));
    tensor.exp_avg = client.empty(4 * 63);
    let refused = adamw_step(&client, &[tensor], StepMode::InPlace);
    assert!(
        matches!(
            refused,
            Err(KernelError::TooShort {
                what: "exp_avg",
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn no_tensors_launch() {
    assert!(
        adamw_step(&client(), &[], StepMode::InPlace)
            .unwrap()
            .is_empty()
    );
    assert!(capacity(&client(), AdamWDtype::F32, false, StepMode::InPlace) >= 1);
}
