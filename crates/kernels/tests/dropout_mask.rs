//! The mask on a device against the hub's mask on the host.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::{TestRuntime, client};
use cubecl::prelude::*;
use dacapo_kernels::KernelError;
use dacapo_kernels::dropout_mask::{
    MAX_LEN, MaskArgs, MaskDtype, MaskParams, dropout_apply, dropout_mask, mask_at, mask_four,
    reference,
};
use dacapo_rng::{DropoutKey, MaskKey};
use half::{bf16, f16};

const RATES: [f64; 6] = [0.0, 1e-12, 0.1, 0.5, 0.999, 1.0 - f64::EPSILON / 2.0];
const LENGTHS: [usize; 10] = [0, 1, 3, 4, 5, 255, 1024, 1025, 4099, 70_001];

fn key() -> MaskKey {
    DropoutKey::new(5, "dropout", 12, 1).layer("blocks.3.attn")
}

fn params(rate: f64) -> MaskParams {
    MaskParams::new(key().philox_key(), key().upper_counter(), rate).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn mask_differs_from_the_host() {
    let client = client();
    for rate in RATES {
        for len in LENGTHS {
            let handle = dropout_mask(&client, &params(rate), len as u64).unwrap();
            let found = client.read_one(handle).unwrap();
            assert_eq!(
                bits(&bytemuck::pod_collect_to_vec::<u8, f32>(&found)),
                bits(&key().mask(rate, len)),
                "rate {rate}, {len} elements"
            );
        }
    }
}

#[test]
fn more_cubes_than_a_row_lose_their_place() {
    let client = client();
    let len = 4 * 256 * 65_535 + 4 * 256 * 3 + 2;
    if client.properties().memory.max_page_size < 4 * len as u64 + 8 {
        eprintln!("this device has no buffers as long; nothing tested");
        return;
    }
    let handle = dropout_mask(&client, &params(0.25), len as u64).unwrap();
    let found = client.read_one(handle).unwrap();
    let found: &[f32] = &bytemuck::pod_collect_to_vec(&found);
    assert_eq!(found.len(), len);
    let tail = len - 5000;
    assert_eq!(
        bits(&found[tail..]),
        bits(&reference::dropout_mask(&params(0.25), tail as u64, 5000))
    );
    assert_eq!(bits(&found[..5000]), bits(&key().mask(0.25, 5000)));
}

#[test]
fn a_mask_past_the_limit_is_made() {
    let refused = dropout_mask(&client(), &params(0.5), MAX_LEN + 1);
    assert!(matches!(refused, Err(KernelError::TooLong { .. })));
}

#[cube(launch)]
fn parts(at: &mut Array<f32>, four: &mut Array<f32>, mask: MaskArgs, low: u32, high: u32) {
    let unit = UNIT_POS as usize;
    at[unit] = mask_at(&mask, low + UNIT_POS, high);
    let factors = mask_four(
        &mask,
        ((low + UNIT_POS) >> 2u32) | (high << 30u32),
        high >> 2u32,
    );
    #[unroll]
    for lane in 0..4 {
        four[4 * unit + lane] = factors[lane];
    }
}

#[test]
fn an_index_above_32_bits_reads_another_block() {
    let client = client();
    for first in [
        0_u64,
        4,
        0xffff_ff00,
        5 << 32,
        (1 << 34) + 8,
        0x1234_5678_9abc,
    ] {
        let at = client.empty(4 * 32);
        let four = client.empty(4 * 128);
        // SAFETY: the buffers were made of these lengths just above.
        #[allow(unsafe_code)]
        let (at_arg, four_arg) = unsafe {
            (
                ArrayArg::from_raw_parts(at.clone(), 32),
                ArrayArg::from_raw_parts(four.clone(), 128),
            )
        };
        parts::launch::<TestRuntime>(
            &client,
            CubeCount::new_single(),
            CubeDim::new_1d(32),
            at_arg,
            four_arg,
            params(0.5).args(),
            first as u32,
            (first >> 32) as u32,
        );
        let at = client.read_one(at).unwrap();
        let four = client.read_one(four).unwrap();
        let four: &[f32] = &bytemuck::pod_collect_to_vec(&four);
        let expected = reference::dropout_mask(&params(0.5), first, 32);
        assert_eq!(
            bits(&bytemuck::pod_collect_to_vec::<u8, f32>(&at)),
            bits(&expected),
            "{first}"
        );
        for unit in 0..32 {
            let block = unit / 4 * 4;
            assert_eq!(
                bits(&four[4 * unit..4 * unit + 4]),
                bits(&expected[block..block + 4]),
                "{first}, unit {unit}"
            );
        }
    }
}

/// Values over many exponents, both signs, with zeros and infinities.
fn values(len: usize) -> Vec<f32> {
    (0..len as u32)
        .map(|i| match i % 11 {
            0 => 0.0,
            1 => -0.0,
            2 => f32::INFINITY,
            _ => {
                let [word, ..] = reference::philox4x32([9, 9], [i, 0, 0, 0]);
                let exponent = 127 - 10 + (word >> 8) % 20;
                f32::from_bits(word & 0x807f_ffff | exponent << 23)
            }
        })
        .collect()
}

fn same(found: f32, expected: f32) -> bool {
    found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan())
}

#[test]
fn product_differs_from_the_host() {
    let client = client();
    for rate in RATES {
        for len in LENGTHS {
            let x = values(len);
            let handle = client.create_from_slice(bytemuck::cast_slice(&x));
            let applied =
                dropout_apply(&client, &params(rate), &handle, len as u64, MaskDtype::F32);
            let found = client.read_one(applied.unwrap()).unwrap();
            let found: &[f32] = &bytemuck::pod_collect_to_vec(&found);
            let expected = reference::dropout_apply(&params(rate), &x);
            assert_eq!(found.len(), len);
            for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
                assert!(
                    same(found, expected),
                    "rate {rate}, {i} of {len}: {found} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn a_half_product_differs_from_the_host() {
    let client = client();
    for len in [1, 4, 1025, 4096] {
        let x: Vec<f16> = values(len).into_iter().map(f16::from_f32).collect();
        let wide: Vec<f32> = x.iter().map(|x| x.to_f32()).collect();
        let handle = client.create_from_slice(bytemuck::cast_slice(&x));
        let applied = dropout_apply(&client, &params(0.3), &handle, len as u64, MaskDtype::F16);
        let found = client.read_one(applied.unwrap()).unwrap();
        let found: &[f16] = bytemuck::cast_slice(&found);
        let expected = reference::dropout_apply(&params(0.3), &wide);
        for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let expected = f16::from_f32(expected);
            assert!(
                same(found.to_f32(), expected.to_f32()),
                "{i} of {len}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn a_bf16_product_differs_from_the_host() {
    let client = client();
    if !supports_bf16(&client) {
        eprintln!("this device has no bf16; nothing tested");
        return;
    }
    for len in [1, 4, 1025, 4096] {
        let x: Vec<bf16> = values(len).into_iter().map(bf16::from_f32).collect();
        let wide: Vec<f32> = x.iter().map(|x| x.to_f32()).collect();
        let handle = client.create_from_slice(bytemuck::cast_slice(&x));
        let applied = dropout_apply(&client, &params(0.3), &handle, len as u64, MaskDtype::Bf16);
        let found = client.read_one(applied.unwrap()).unwrap();
        let found: &[bf16] = bytemuck::cast_slice(&found);
        let expected = reference::dropout_apply(&params(0.3), &wide);
        for (i, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            let expected = bf16::from_f32(expected);
            assert!(
                same(found.to_f32(), expected.to_f32()),
                "{i} of {len}: {found} is not {expected}"
            );
        }
    }
}

fn supports_bf16(client: &ComputeClient<TestRuntime>) -> bool {
    use cubecl::ir::{ElemType, FloatKind};
    client
        .properties()
        .supports_type(ElemType::Float(FloatKind::BF16))
}

#[test]
fn a_short_buffer_is_read_past_its_end() {
    let client = client();
    let handle = client.create_from_slice(&[0; 16]);
    let refused = dropout_apply(&client, &params(0.5), &handle, 5, MaskDtype::F32);
    assert!(matches!(refused, Err(KernelError::TooShort { .. })));
    let view = handle.offset_start(2);
    let refused = dropout_apply(&client, &params(0.5), &view, 2, MaskDtype::F32);
    assert!(matches!(refused, Err(KernelError::Misaligned { .. })));
}
