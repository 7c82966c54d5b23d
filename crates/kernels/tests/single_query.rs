//! Attention of one token over rows against sums in f64.
#![cfg(feature = "cuda")]

mod common;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "common/matrices.rs"]
mod matrices;

use common::client;
use cubecl::server::Handle;
use dacapo_kernels::single_query::{Rounding, SingleQuery, mix, scores, spread};
use half::bf16;
use matrices::numbers;

fn rounded(rounding: Rounding, x: f32) -> f64 {
    f64::from(match rounding {
        Rounding::Exact => x,
        Rounding::Tf32 => f32::from_bits((x.to_bits() + 0x1000) & !0x1fff),
        Rounding::Bf16 => bf16::from_f32(x).to_f32(),
    })
}

/// n, heads, tokens, width: one of each, part of a tile and more, heads that do not fill a vector.
const SHAPES: [[usize; 4]; 5] = [
    [1, 1, 1, 4],
    [2, 3, 17, 36],
    [3, 16, 40, 260],
    [2, 12, 257, 768],
    [5, 16, 257, 1024],
];

#[test]
fn kernel_differs_from_sums_in_f64() {
    let client = client();
    let upload = |values: &[f32]| client.create_from_slice(bytemuck::cast_slice(values));
    let floats = |handle: Handle| -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
    };
    for [n, heads, tokens, width] in SHAPES {
        let shape = SingleQuery {
            n,
            heads,
            tokens,
            width,
        };
        assert!(shape.is_taken());
        let [asking, more] = [1, 2].map(|seed| numbers(n * heads * width, seed));
        let x = numbers(n * tokens * width, 3);
        let [weights, others] = [4, 5].map(|seed| numbers(n * heads * tokens, seed));
        let [asking_at, more_at, x_at, weights_at, others_at] =
            [&asking, &more, &x, &weights, &others].map(|values| upload(values));
        for rounding in [Rounding::Exact, Rounding::Tf32, Rounding::Bf16] {
            let r = |values: &[f32], at: usize| rounded(rounding, values[at]);
            let query = |b: usize, h: usize, d: usize| (b * heads + h) * width + d;
            let row = |b: usize, t: usize, d: usize| (b * tokens + t) * width + d;
            let weight = |b: usize, h: usize, t: usize| (b * heads + h) * tokens + t;
            let check = |what: &str, run: &dyn Fn() -> Handle, wanted: Vec<f64>, terms: usize| {
                let found = floats(run());
                assert_eq!(found.len(), wanted.len());
                for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    let error = (f64::from(*found) - wanted).abs();
                    assert!(
                        error <= 2e-7 * terms as f64 + 1e-6,
                        "{what} {rounding:?} {shape:?}: element {at}: {found}, not {wanted}"
                    );
                }
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found), bits(&floats(run())), "{what}: a second time");
            };
            let mut wanted = Vec::new();
            for (b, h, t) in cells(n, heads, tokens) {
                let terms = (0..width).map(|d| r(&asking, query(b, h, d)) * r(&x, row(b, t, d)));
                wanted.push(terms.sum());
            }
            let run = || scores(&client, shape, rounding, &asking_at, &x_at).unwrap();
            check("scores", &run, wanted, width);

            let mut wanted = Vec::new();
            for (b, h, d) in cells(n, heads, width) {
                let terms = (0..tokens).map(|t| r(&weights, weight(b, h, t)) * r(&x, row(b, t, d)));
                wanted.push(terms.sum());
            }
            let run = || mix(&client, shape, rounding, &weights_at, &x_at).unwrap();
            check("mix", &run, wanted, tokens);

            let mut wanted = Vec::new();
            for (b, t, d) in cells(n, tokens, width) {
                let terms = (0..heads).map(|h| {
                    r(&weights, weight(b, h, t)) * r(&asking, query(b, h, d))
                        + r(&others, weight(b, h, t)) * r(&more, query(b, h, d))
                });
                wanted.push(terms.sum());
            }
            let pairs = [(&weights_at, &asking_at), (&others_at, &more_at)];
            let run = || spread(&client, shape, rounding, pairs).unwrap();
            check("spread", &run, wanted, 2 * heads);
        }
    }
}

fn cells(n: usize, a: usize, b: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n * a * b).map(move |at| (at / (a * b), at / b % a, at % b))
}

#[test]
fn sizes_that_do_not_fit_are_taken() {
    let shape = SingleQuery {
        n: 2,
        heads: 16,
        tokens: 257,
        width: 1024,
    };
    assert!(shape.is_taken());
    for wrong in [
        SingleQuery { n: 0, ..shape },
        SingleQuery { n: 65_536, ..shape },
        SingleQuery { heads: 17, ..shape },
        SingleQuery { tokens: 0, ..shape },
        SingleQuery {
            tokens: 5000,
            ..shape
        },
        SingleQuery {
            width: 1022,
            ..shape
        },
        SingleQuery {
            width: 4096,
            ..shape
        },
    ] {
        assert!(!wrong.is_taken(), "{wrong:?}");
    }
}
