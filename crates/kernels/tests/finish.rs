//! What products do with their sums against the kernels that would do it after them: equal in every bit.
#![cfg(feature = "cuda")]

mod common;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/matrices.rs"]
mod matrices;

use common::{TestRuntime, client};
use cubecl::prelude::*;
use cubecl::server::Handle;
use dacapo_kernels::RowShape;
use dacapo_kernels::activation::{ActivationKind, activation, activation_backward};
use dacapo_kernels::f32_product::{Operand, ProductShape, finished_f32_product};
use dacapo_kernels::finish::{Finish, Finished};
use dacapo_kernels::tensor_core_product::{Numbers, Stored, is_supported, tensor_core_product};
use half::bf16;
use matrices::numbers;

type Client = ComputeClient<TestRuntime>;

/// Batch, m, k, n: part of a tile, tiles of both sizes, and rows and columns past the last.
const SHAPES: [[usize; 4]; 5] = [
    [1, 4, 8, 4],
    [1, 132, 40, 124],
    [2, 70, 64, 260],
    [1, 300, 1056, 516],
    [1, 8200, 32, 516],
];

fn upload(client: &Client, values: &[f32]) -> Handle {
    client.create_from_slice(bytemuck::cast_slice(values))
}

fn bits(client: &Client, handle: Handle) -> Vec<u32> {
    bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
}

fn floats(client: &Client, handle: Handle) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
}

fn to_bits(values: impl IntoIterator<Item = f32>) -> Vec<u32> {
    values.into_iter().map(f32::to_bits).collect()
}

/// How a product with a finish is computed.
type Product<'a> = dyn Fn(Finish<'_>) -> Finished + 'a;

/// Each finish of `product`, or a few, against kernels of their own on its sums: each is compiled by
/// itself.
fn check(client: &Client, name: &str, [batch, m, n]: [usize; 3], rounds: bool, product: &Product) {
    let len = batch * m * n;
    let few = if (1 << 8..1 << 20).contains(&len) {
        4
    } else {
        1
    };
    let rows = RowShape {
        rows: (batch * m) as u64,
        width: n as u64,
    };
    let (shift, other) = (numbers(n, 3), numbers(len, 4));
    let (bias, beside) = (upload(client, &shift), upload(client, &other));
    let plain = product(Finish::Plain);
    assert!(plain.sums.is_none());
    let sums = floats(client, plain.out.clone());
    assert_eq!(sums.len(), len);

    let adds = [
        (Some(&bias), Some(&beside)),
        (Some(&bias), None),
        (None, Some(&beside)),
        (None, None),
    ];
    for (bias, beside) in adds.into_iter().take(few) {
        let found = bits(client, product(Finish::Add { bias, beside }).out);
        let wanted = sums.iter().enumerate().map(|(at, sum)| {
            let sum = match bias {
                Some(_) => sum + shift[at % n],
                None => *sum,
            };
            match beside {
                Some(_) => sum + other[at],
                None => sum,
            }
        });
        assert!(found == to_bits(wanted), "{name}: added");
    }
    let activations = [
        (ActivationKind::QuickGelu, Some(&bias), rounds),
        (ActivationKind::Gelu, Some(&bias), false),
        (ActivationKind::QuickGelu, None, false),
        (ActivationKind::Gelu, Some(&bias), rounds),
    ];
    for (kind, bias, rounded) in activations.into_iter().take(few) {
        let name = format!("{name}: {kind:?}, {}, {rounded}", bias.is_some());
        let y = activation(client, kind, rows, &plain.out, bias).unwrap();
        let dx = activation_backward(client, kind, rows, &beside, bias, &plain.out).unwrap();
        let wanted = |handle: Handle| match rounded {
            false => bits(client, handle),
            true => {
                let values = floats(client, handle);
                let halves = values.chunks(2).map(|pair| {
                    let [low, high] = [pair[0], pair[1]].map(|x| bf16::from_f32(x).to_bits());
                    u32::from(low) | u32::from(high) << 16
                });
                halves.collect()
            }
        };
        let activate = Finish::Activate {
            kind,
            bias,
            rounded,
        };
        let activated = product(activate);
        assert!(
            bits(client, activated.out) == wanted(y),
            "{name}: activated"
        );
        let kept = bits(client, activated.sums.unwrap());
        assert!(kept == to_bits(sums.iter().copied()), "{name}: sums");
        let x = &beside;
        let slope = Finish::Slope {
            kind,
            bias,
            x,
            rounded,
        };
        assert!(
            bits(client, product(slope).out) == wanted(dx),
            "{name}: slope"
        );
    }
}

#[test]
fn finish_in_the_product_differs_from_one_after_it() {
    let client = client();
    let tensor_cores = is_supported(0);
    if !tensor_cores {
        eprintln!("skipped in part: the first GPU has no compute capability 9.0");
    }
    for [batch, m, k, n] in SHAPES {
        let shape = ProductShape { batch, m, k, n };
        let left: Vec<_> = (0..batch).map(|b| numbers(m * k, b as u32)).collect();
        let right: Vec<_> = (0..batch).map(|b| numbers(k * n, 50 + b as u32)).collect();
        let operands = |half: bool| -> [Operand; 2] {
            let operand = |matrices: &[Vec<f32>], columns, k_last| match half {
                false => matrices::operand(&client, matrices, columns, k_last, 8, f32::to_le_bytes),
                true => matrices::operand(&client, matrices, columns, k_last, 8, |x| {
                    bf16::from_f32(x).to_le_bytes()
                }),
            };
            [operand(&left, k, true), operand(&right, n, false)]
        };
        let [lhs, rhs] = operands(false);
        check(
            &client,
            &format!("f32 {shape:?}"),
            [batch, m, n],
            false,
            &|finish| finished_f32_product(&client, shape, &lhs, &rhs, finish).unwrap(),
        );
        if !tensor_cores {
            continue;
        }
        for numbers in [Numbers::Tf32, Numbers::Bf16] {
            let [lhs, rhs] = operands(numbers == Numbers::Bf16);
            let stored = match numbers {
                Numbers::Tf32 => Stored::F32,
                Numbers::Bf16 => Stored::Bf16,
            };
            let rhs = (&rhs, stored);
            check(
                &client,
                &format!("{numbers:?} {shape:?}"),
                [batch, m, n],
                true,
                &|finish| tensor_core_product(&client, shape, numbers, &lhs, rhs, finish).unwrap(),
            );
        }
    }
}
