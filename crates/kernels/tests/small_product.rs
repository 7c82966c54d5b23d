//! Small products against the host.
#![cfg(feature = "cuda")]

mod common;
#[path = "common/matrices.rs"]
mod matrices;
#[path = "common/rounded.rs"]
mod rounded;

use common::client;
use dacapo_kernels::activation::ActivationKind;
use dacapo_kernels::f32_product::{Operand, ProductShape};
use dacapo_kernels::finish::Finish;
use dacapo_kernels::small_product::{RowsLie, SmallOperand, is_supported, is_taken, small_product};
use dacapo_kernels::tensor_core_product::{Numbers, Stored};
use half::bf16;
use matrices::{numbers, transposed};
use rounded::products;

/// Says so where the GPU is another.
fn is_here() -> bool {
    let here = is_supported(0);
    if !here {
        eprintln!("skipped: the first GPU has a compute capability below 9.0");
    }
    here
}

/// `matrices` as an operand that is stored so, in groups.
fn operand(
    matrices: &[Vec<f32>],
    per_group: usize,
    columns: usize,
    k_last: bool,
    padding: usize,
    stored: Stored,
) -> SmallOperand {
    let operand = rounded::operand(matrices, columns, k_last, padding, stored);
    SmallOperand {
        stored,
        group_stride: per_group * operand.batch_stride,
        operand,
    }
}

/// Of `matrices` `[rows, columns]`, given transposed if `turned`.
fn either(
    matrices: &[Vec<f32>],
    per_group: usize,
    columns: usize,
    turned: bool,
    k_last: bool,
    padding: usize,
    stored: Stored,
) -> SmallOperand {
    let rows = matrices[0].len() / columns;
    match turned {
        true => {
            let matrices: Vec<_> = matrices.iter().map(|x| transposed(x, columns)).collect();
            operand(&matrices, per_group, rows, k_last, padding, stored)
        }
        false => operand(matrices, per_group, columns, k_last, padding, stored),
    }
}

fn found(
    client: &cubecl::prelude::ComputeClient<common::TestRuntime>,
    handle: cubecl::server::Handle,
) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
}

/// Batch, m, k, n: tiles filled, begun and exceeded; one part and more, of equal and of unequal
/// lengths; k below a step and with a rest.
const SHAPES: [[usize; 4]; 14] = [
    [1, 1, 1, 1],
    [1, 66, 300, 67],
    [4, 257, 65, 129],
    [1, 1, 1, 2],
    [1, 16, 64, 64],
    [1, 66, 768, 66],
    [1, 64, 1000, 130],
    [1, 128, 300, 62],
    [1, 100, 4100, 8],
    [1, 129, 66, 70],
    [1, 300, 64, 258],
    [3, 20, 50, 34],
    [16, 64, 64, 128],
    [2, 48, 1031, 66],
];

const STORED: [(Numbers, [Stored; 2]); 4] = [
    (Numbers::Tf32, [Stored::F32, Stored::F32]),
    (Numbers::Bf16, [Stored::F32, Stored::F32]),
    (Numbers::Bf16, [Stored::Bf16, Stored::F32]),
    (Numbers::Bf16, [Stored::F32, Stored::Bf16]),
];

#[test]
fn product_differs_from_the_host() {
    if !is_here() {
        return;
    }
    let client = client();
    for [batch, m, k, n] in SHAPES {
        let left: Vec<_> = (0..batch).map(|b| numbers(m * k, b as u32)).collect();
        let right: Vec<_> = (0..batch).map(|b| numbers(k * n, 50 + b as u32)).collect();
        for (of, stored) in STORED {
            let wanted = products(of, [&left, &right], [m, k, n]);
            let layouts = [
                (true, false, 0),
                (false, true, 4),
                (true, true, 1),
                (false, false, 2),
            ];
            for (left_k, right_k, padding) in layouts {
                let per_group = if batch % 2 == 0 { batch / 2 } else { batch };
                let lhs = either(&left, per_group, k, !left_k, left_k, padding, stored[0]);
                let rhs = either(&right, per_group, n, right_k, right_k, padding, stored[1]);
                let name =
                    format!("{of:?} {stored:?} {batch}x{m}x{k}x{n} {left_k} {right_k} {padding}");
                let shape = ProductShape { batch, m, k, n };
                let operands = [&lhs, &rhs];
                let product = |rows| {
                    let plain = Finish::Plain;
                    let product =
                        small_product(&client, shape, per_group, of, operands, rows, plain);
                    found(&client, product.unwrap().out)
                };
                let once = product(RowsLie::ByProduct);
                assert_eq!(once.len(), wanted.len());
                // Sums of f32; a product of unrounded operands would be off by ten times as much.
                let bound = 2e-7 * k as f64 + 1e-6;
                for (at, (found, wanted)) in once.iter().zip(&wanted).enumerate() {
                    let error = (f64::from(*found) - wanted).abs();
                    assert!(
                        error <= bound,
                        "{name}: element {at}: {found}, not {wanted}"
                    );
                }
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                let again = product(RowsLie::ByProduct);
                assert_eq!(bits(&once), bits(&again), "{name}: a second time");
                let by_place = product(RowsLie::ByPlace);
                for (at, x) in once.iter().enumerate() {
                    let (b, i, j) = (at / (m * n), at / n % m, at % n);
                    let (group, b) = (b / per_group, b % per_group);
                    let found = by_place[((group * m + i) * per_group + b) * n + j];
                    assert_eq!(x.to_bits(), found.to_bits(), "{name}: by place, {at}");
                }
            }
        }
    }
}

#[test]
fn finish_differs_from_that_of_the_sums() {
    if !is_here() {
        return;
    }
    let client = client();
    let [m, k, n] = [66, 520, 70];
    let shape = ProductShape { batch: 1, m, k, n };
    let (left, right) = (vec![numbers(m * k, 1)], vec![numbers(k * n, 2)]);
    let lhs = operand(&left, 1, k, true, 0, Stored::F32);
    let rhs = operand(&right, 1, n, false, 0, Stored::F32);
    let operands = [&lhs, &rhs];
    let product = |finish| {
        let rows = RowsLie::ByProduct;
        small_product(&client, shape, 1, Numbers::Bf16, operands, rows, finish).unwrap()
    };
    let sums = found(&client, product(Finish::Plain).out);
    let (shift, stream) = (numbers(n, 3), numbers(m * n, 4));
    let handle = |x: &[f32]| client.create_from_slice(bytemuck::cast_slice(x));
    let (bias, beside) = (handle(&shift), handle(&stream));

    let added = product(Finish::Add {
        bias: Some(&bias),
        beside: Some(&beside),
    });
    for (at, x) in found(&client, added.out).into_iter().enumerate() {
        let wanted = (sums[at] + shift[at % n]) + stream[at];
        assert_eq!(x.to_bits(), wanted.to_bits(), "added: {at}");
    }
    let activated = product(Finish::Activate {
        kind: ActivationKind::QuickGelu,
        bias: Some(&bias),
        rounded: true,
    });
    let kept = found(&client, activated.sums.unwrap());
    assert_eq!(kept, sums, "kept beside the activation");
    let halves = client.read_one(activated.out).unwrap();
    let halves: Vec<bf16> = bytemuck::pod_collect_to_vec(&halves);
    for (at, x) in halves.into_iter().enumerate() {
        let from = f64::from(sums[at] + shift[at % n]);
        let wanted = from / (1.0 + (-1.702 * from).exp());
        let error = (f64::from(x.to_f32()) - wanted).abs();
        assert!(
            error <= 4e-3 * wanted.abs() + 1e-6,
            "activated: {at}: {x}, not {wanted}"
        );
    }
}

#[test]
fn operand_that_cannot_be_read_is_taken() {
    let client = client();
    let handle = client.empty(4 * 4096);
    let source = |k_last, stride, stored, offset| SmallOperand {
        operand: Operand {
            handle: handle.clone().offset_start(offset),
            k_last,
            stride,
            batch_stride: 0,
        },
        stored,
        group_stride: 0,
    };
    let lhs = source(true, 9, Stored::F32, 0);
    let rhs = source(false, 8, Stored::F32, 0);
    let taken = |[m, k, n]: [usize; 3], numbers, lhs: &SmallOperand, finish| {
        let shape = ProductShape { batch: 1, m, k, n };
        is_taken(shape, 1, numbers, [lhs, &rhs], finish)
    };
    let (tf32, plain) = (Numbers::Tf32, Finish::Plain);
    assert!(taken([5, 7, 8], tf32, &lhs, plain));
    assert!(taken([5, 7, 7], tf32, &lhs, plain));
    assert!(!taken([5, 0, 8], tf32, &lhs, plain));
    assert!(!taken([1 << 14, 1 << 10, 1 << 10], tf32, &lhs, plain));
    let beside = Finish::Add {
        bias: None,
        beside: Some(&handle),
    };
    assert!(taken([5, 7, 8], tf32, &lhs, beside));
    assert!(!taken([5, 7, 7], tf32, &lhs, beside));
    // TF32 is made of f32; bf16 of either.
    let half = source(true, 9, Stored::Bf16, 2);
    assert!(!taken([5, 7, 8], tf32, &half, plain));
    assert!(taken([5, 7, 8], Numbers::Bf16, &half, plain));
    let shifted = source(true, 9, Stored::F32, 2);
    assert!(!taken([5, 7, 8], Numbers::Bf16, &shifted, plain));
    let shape = ProductShape {
        batch: 4,
        m: 5,
        k: 7,
        n: 8,
    };
    for (per_group, wanted) in [(0, false), (1, true), (2, true), (3, false), (4, true)] {
        assert_eq!(
            is_taken(shape, per_group, tf32, [&lhs, &rhs], plain),
            wanted
        );
    }
}
