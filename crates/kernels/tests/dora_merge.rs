//! The merge kernels against the host reference in f64.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;
#[path = "common/merge.rs"]
mod merge;

use dacapo_kernels::dora_merge::{self, Layout, NormGradient, Products, Storage, reference};
use merge::{Case, error_over, relative_error};

/// Sizes that fill tiles, that leave tails in every direction, and of one; on
/// each side of what a single launch takes.
fn shapes() -> Vec<[usize; 3]> {
    let mut shapes = vec![[70, 33, 5], [1030, 36, 20]];
    // Software takes long to compile every one of these.
    if merge::has_tensor_cores() {
        shapes.extend([
            [64, 256, 16],
            [1, 1, 1],
            [1030, 36, 33],
            [2048, 128, 72],
            [256, 64, 16],
            [1024, 48, 32],
            [1280, 96, 32],
            [2048, 256, 64],
            [1, 70, 1],
            [70, 1, 1],
            [33, 17, 5],
            [129, 130, 12],
            [515, 70, 17],
            [2049, 40, 3],
        ]);
    }
    shapes
}

fn assert_forward(case: &Case) {
    let (merged, norm) = case.forward();
    let expected = reference::forward(&case.problem, &case.host);
    let tolerance = case.tolerance();
    let error = relative_error(&merged, &expected.weight);
    assert!(error <= tolerance.merged, "{case}: W' off by {error:e}");
    let error = relative_error(&norm, &expected.norm);
    assert!(error <= tolerance.norm, "{case}: norm off by {error:e}");
}

#[test]
fn forward_differs_from_the_reference() {
    for case in Case::all(&shapes()) {
        assert_forward(&case);
    }
}

#[test]
fn norm_alone_differs_from_forward() {
    for case in Case::all(&shapes()) {
        let (_, norm) = case.forward();
        assert_eq!(case.norm(), norm, "{case}");
    }
}

fn assert_backward(case: &Case) {
    let reference = |full| reference::backward(&case.problem, &case.host, &case.gradient, full);
    // Through the norm a gradient may cancel to nothing; its parts are as
    // large as the detached one.
    let (parts, through_norm) = (reference(false), reference(true));
    let tolerance = case.tolerance().gradient;
    for (through, expected) in [
        (NormGradient::Detached, &parts),
        (NormGradient::Full, &through_norm),
    ] {
        let found = case.backward(through);
        for (name, found, expected, parts) in [
            ("A", &found[0], &expected.lora_a, &parts.lora_a),
            ("B", &found[1], &expected.lora_b, &parts.lora_b),
            ("m", &found[2], &expected.magnitude, &parts.magnitude),
        ] {
            let error = error_over(found, expected, parts);
            assert!(
                error <= tolerance,
                "{case} {through:?}: {name} off by {error:e}"
            );
        }
    }
}

/// Two tests, so that a GPU's many kernels are compiled side by side.
fn backward_differs_from_the_reference(layout: Layout) {
    let cases = Case::all(&shapes());
    for case in cases.iter().filter(|case| case.problem.layout == layout) {
        assert_backward(case);
    }
}

#[test]
fn backward_differs_from_the_reference_in_out() {
    backward_differs_from_the_reference(Layout::InOut);
}

#[test]
fn backward_differs_from_the_reference_out_in() {
    backward_differs_from_the_reference(Layout::OutIn);
}

/// Rows that begin where a block of the mask does, and others.
fn masked_cases() -> Vec<Case> {
    let mut shapes = vec![[70, 36, 5]];
    if merge::has_tensor_cores() {
        shapes.extend([[1, 1, 1], [1030, 36, 20], [2048, 128, 72]]);
    }
    let cases = Case::all(&shapes).into_iter();
    cases.map(|case| case.with_mask(0.3)).collect()
}

#[test]
fn masked_forward_differs_from_the_reference() {
    for case in masked_cases() {
        assert_forward(&case);
        assert_eq!(case.norm(), case.forward().1, "{case}");
    }
}

#[test]
fn masked_backward_differs_from_the_reference() {
    for case in masked_cases() {
        assert_backward(&case);
    }
}

/// At rate 0 the mask is all ones, and in the forward pass no bit may tell.
#[test]
fn mask_that_drops_nothing_changes_the_merge() {
    let case = Case::new(70, 36, 5, Layout::InOut, Storage::F32, Products::F32, true);
    assert_eq!(case.clone().with_mask(0.0).forward(), case.forward());
}

#[test]
fn repeated_launch_differs() {
    let cases = Case::all(&[[130, 70, 20], [1100, 40, 8]]);
    for case in cases.into_iter().chain(masked_cases()) {
        let first = case.forward();
        for _ in 0..3 {
            assert_eq!(first, case.forward(), "{case}");
        }
        for through in [NormGradient::Detached, NormGradient::Full] {
            let first = case.backward(through);
            for _ in 0..3 {
                assert_eq!(first, case.backward(through), "{case} {through:?}");
            }
        }
    }
}

#[test]
fn zero_channel_or_tiny_v_gives_nan() {
    for case in Case::all(&[[70, 33, 5], [1100, 40, 8]]) {
        let zeroed = case.clone().with_zero_channel(7);
        let (merged, norm) = zeroed.forward();
        assert!(merged.iter().all(|w| w.is_finite()), "{zeroed}");
        assert_eq!(norm[7], 0.0, "{zeroed}");
        for i in 0..case.problem.d_in {
            assert_eq!(merged[zeroed.at(7, i)], 0.0, "{zeroed}");
        }
        // G / 1e-8 does not fit f16.
        if zeroed.problem.factors == Storage::F16 && zeroed.problem.normalised_base {
            continue;
        }
        for through in [NormGradient::Detached, NormGradient::Full] {
            let gradients = zeroed.backward(through);
            let all_finite = gradients.iter().flatten().all(|g| g.is_finite());
            assert!(all_finite, "{zeroed} {through:?}");
        }
    }
}

/// V is a thousandth of W: a norm from its expanded square would be a few per
/// cent off.
#[test]
fn norm_cancels_where_v_is_small() {
    for (layout, d_in, normalised) in [
        (Layout::InOut, 130, false),
        (Layout::OutIn, 1100, false),
        (Layout::InOut, 1100, true),
    ] {
        let case = Case::new(
            d_in,
            70,
            70,
            layout,
            Storage::F32,
            Products::F32,
            normalised,
        );
        let case = case.with_update_against_weight(1e-3);
        let (_, norm) = case.forward();
        let expected = reference::forward(&case.problem, &case.host);
        let error = relative_error(&norm, &expected.norm);
        // A thousandth of f32's accuracy is left of it.
        assert!(error <= 5e-4, "{case}: norm off by {error:e}");
    }
}

/// B = 0 and m the norm of W, as `Peft` starts: nothing may change.
#[test]
fn fresh_adapter_changes_the_weight() {
    for layout in [Layout::InOut, Layout::OutIn] {
        for [d_in, d_out, rank] in [[300, 70, 8], [1500, 130, 16]] {
            let mut case = Case::new(
                d_in,
                d_out,
                rank,
                layout,
                Storage::F32,
                Products::F32,
                false,
            );
            case.host.lora_b.fill(0.0);
            case.host.magnitude = case.norm();
            let (merged, _) = case.forward();
            let weight: Vec<f64> = case.host.weight.clone();
            assert_eq!(merged, weight, "{case}");
        }
    }
}

#[test]
fn bad_problem_is_launched() {
    let case = Case::new(8, 8, 2, Layout::InOut, Storage::F32, Products::F32, false);
    let client = common::client();
    let inputs = case.upload(&client);
    for (d_in, d_out, rank) in [(0, 8, 2), (8, 0, 2), (8, 8, 0), (1 << 16, 1 << 16, 2)] {
        let problem = dora_merge::Problem {
            d_in,
            d_out,
            rank,
            ..case.problem.clone()
        };
        assert!(dora_merge::forward(&client, &problem, &inputs).is_err());
    }
    let problem = dora_merge::Problem {
        normalised_base: true,
        ..case.problem.clone()
    };
    assert!(dora_merge::forward(&client, &problem, &inputs).is_err());
    let problem = dora_merge::Problem {
        scaling: f32::NAN,
        ..case.problem.clone()
    };
    assert!(dora_merge::forward(&client, &problem, &inputs).is_err());
}
