//! Without a GPU: the backends of Burn's own, and the oracle of the rounding precisions.

mod common;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, module};
use burn_flex::{Flex, FlexDevice};
use common::{Host, bits, error};
use dacapo_ops::{
    AdamWStep, DropoutMask, MergeInputs, MergeSpec, PlannedMatmul, Precision, adamw_step,
    dora_merge, dora_norm, dropout, linear, matmul,
};

type Cpu = Autodiff<Flex>;

#[test]
fn bits_on_the_cpu_are_not_those_of_burn() {
    // One thread and several, one matrix after another and all at once, lists and numbers.
    for [n, m, k, out] in [
        [3, 5, 7, 4],
        [1, 1, 9, 6],
        [2, 6, 9, 1],
        [1, 4, 2, 3],
        [5, 80, 96, 70],
        [2, 210, 190, 220],
    ] {
        let tensor = |dims: [usize; 3], seed| {
            let host = Host::random(dims[0], dims[1], dims[2], seed);
            host.tensor::<Cpu>(&FlexDevice).require_grad()
        };
        let (x, w) = (tensor([n, m, k], 1), tensor([1, k, out], 2));
        let bias = tensor([1, 1, out], 3);
        let transposed = tensor([n, out, k], 4);

        let of = |planned: bool| {
            let weight = w.clone().reshape([k, out]);
            let row = bias.clone().reshape([out]);
            let view = transposed.clone().swap_dims(1, 2);
            let (y, z, t) = match planned {
                true => (
                    linear(x.clone(), weight, Some(row), Precision::F32),
                    matmul(x.clone(), w.clone(), Precision::F32),
                    matmul(x.clone(), view, Precision::F32),
                ),
                false => (
                    // All rows at once.
                    module::linear(x.clone().reshape([n * m, k]), weight, Some(row))
                        .reshape([n, m, out]),
                    x.clone().matmul(w.clone()),
                    x.clone().matmul(view),
                ),
            };
            let grads = (y.clone() * z.clone() + t.clone()).sum().backward();
            let gradient = |t: &Tensor<Cpu, 3>| bits(t.grad(&grads).expect("tracked"));
            (
                [bits(y), bits(z), bits(t)],
                [&x, &w, &bias, &transposed].map(gradient),
            )
        };
        assert_eq!(of(true), of(false), "{n} of {m}x{k}x{out}");
    }
}

#[test]
fn operand_is_rounded_another_way() {
    // Ties, both ways, and numbers that round up into the next binade.
    let ulp = 2_f64.powi(-10);
    let mut host = Host::random(1, 40, 50, 4);
    host.values[..6].copy_from_slice(&[
        1.0 + 0.5 * ulp,
        1.0 + 1.5 * ulp,
        -1.0 - 0.5 * ulp,
        2.0 - ulp / 8.0,
        0.0,
        1.0 + 1.0 / 256.0,
    ]);
    for precision in Precision::ALL {
        let tensor = host.tensor::<Flex>(&FlexDevice).into_primitive().tensor();
        let rounded = Flex::operand(tensor, precision);
        let rounded =
            Tensor::<Flex, 3>::from_primitive(burn::tensor::TensorPrimitive::Float(rounded));
        let wanted = host.rounded(precision).tensor::<Flex>(&FlexDevice);
        let (rounded, wanted) = (bits(rounded), bits(wanted));
        for (i, (found, wanted)) in rounded.iter().zip(&wanted).enumerate() {
            let x = host.values[i] as f32;
            assert_eq!(found, wanted, "{precision} of {x} = {:#x}", x.to_bits());
        }
    }
}

#[test]
fn oracle_of_a_rounding_precision_is_wrong() {
    for precision in [Precision::Tf32, Precision::Bf16] {
        let (x, w) = (Host::random(2, 9, 31, 5), Host::random(2, 31, 6, 6));
        let y = Host::random(2, 9, 6, 7);
        let (tx, tw) = (
            x.tensor::<Cpu>(&FlexDevice).require_grad(),
            w.tensor::<Cpu>(&FlexDevice).require_grad(),
        );
        let product = matmul(tx.clone(), tw.clone(), precision);
        let (rx, rw, ry) = (
            x.rounded(precision),
            w.rounded(precision),
            y.rounded(precision),
        );
        assert!(error(product.clone(), &rx.times(&rw)) < 1e-6, "{precision}");
        // It is the rounded product, not that of the operands as they are.
        assert!(error(product.clone(), &x.times(&w)) > 1e-5, "{precision}");

        let grads = (product * y.tensor::<Cpu>(&FlexDevice)).sum().backward();
        let dx = tx.grad(&grads).expect("tracked");
        let dw = tw.grad(&grads).expect("tracked");
        assert!(error(dx, &ry.times(&rw.transposed())) < 1e-6, "{precision}");
        assert!(error(dw, &rx.transposed().times(&ry)) < 1e-6, "{precision}");
    }
}

#[test]
#[should_panic(expected = "expected [.., m, k] and [.., k, n]")]
fn shapes_that_do_not_fit_are_multiplied() {
    let tensor = Host::random(2, 3, 4, 8).tensor::<Flex>(&FlexDevice);
    matmul(tensor.clone(), tensor, Precision::F32);
}

const SPEC: MergeSpec = MergeSpec {
    scaling: 2.0,
    eps: 0.0,
    normalised_base: false,
    full_gradient: false,
    precision: Precision::F32,
    mask: None,
};

#[test]
fn cpu_is_said_to_have_a_kernel() {
    let matrix = |rows, columns| Tensor::<Cpu, 2>::ones([rows, columns], &FlexDevice);
    let vector = || Tensor::<Cpu, 1>::ones([3], &FlexDevice);
    let inputs = MergeInputs {
        weight: matrix(4, 3),
        lora_a: matrix(2, 4),
        lora_b: matrix(3, 2),
        magnitude: vector(),
    };
    assert!(dora_merge(&inputs, &SPEC).is_none());
    assert!(dora_norm(&inputs, &SPEC).is_none());
    let mask = DropoutMask {
        key: [1, 2],
        upper: [3, 4],
        rate: 0.5,
    };
    assert!(dropout(&vector(), &mask).is_none());
    let step = AdamWStep {
        param: vector(),
        grad: vector(),
        exp_avg: vector(),
        exp_avg_sq: vector(),
        max_exp_avg_sq: None,
        lr: 0.1,
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: 0.0,
        step: 1,
    };
    assert_eq!(
        adamw_step(vec![step])
            .expect_err("not differentiable")
            .len(),
        1
    );
}

#[test]
#[should_panic(expected = "dora_merge: expected A [rank, 4], B [3, rank] and m [3]")]
fn merge_takes_the_factors_of_another_layer() {
    let matrix = |rows, columns| Tensor::<Cpu, 2>::ones([rows, columns], &FlexDevice);
    let inputs = MergeInputs {
        weight: matrix(4, 3),
        lora_a: matrix(2, 3),
        lora_b: matrix(4, 2),
        magnitude: Tensor::ones([3], &FlexDevice),
    };
    dora_merge(&inputs, &SPEC);
}

#[test]
#[should_panic(expected = "dropout rate: expected 0 <= rate < 1, found 1")]
fn everything_may_be_dropped() {
    let mask = DropoutMask {
        key: [1, 2],
        upper: [3, 4],
        rate: 1.0,
    };
    dropout(&Tensor::<Cpu, 1>::ones([3], &FlexDevice), &mask);
}
