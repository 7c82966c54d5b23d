//! The DoRA merge on a GPU: `dacapo_kernels::dora_merge` at the shapes that
//! `benches/python/merge_peers.py` measures in PyTorch and PEFT.
//!
//! Each shape in both layouts of the weight; f32 weights with the low-rank products to f32's
//! accuracy and in TF32. Device time with a cold and a warm L2 cache, and the time of calls one
//! after the other; a plain device copy for the floor.

mod case;

use std::error::Error;

use clap::Parser;
use dacapo_benches::gpu::{Args, Clock, Gpu, Report, open};
use dacapo_kernels::dora_merge::{self, Inputs, Layout, NormGradient, Products, Storage};
use dacapo_kernels::dropout_mask::MaskParams;
use serde_json::{Value, json};

use case::Case;

/// `[out, in]`, rank and storage, as in `merge_peers.py`.
const SHAPES: [([usize; 2], usize, Storage); 6] = [
    ([768, 768], 32, Storage::F32),
    ([1024, 1024], 32, Storage::F32),
    ([4096, 4096], 32, Storage::F32),
    ([4096, 4096], 32, Storage::Bf16),
    ([14336, 4096], 32, Storage::Bf16),
    ([8192, 8192], 64, Storage::F32),
];
/// Rate of the rows with dropout.
const DROPPED: f64 = 0.1;
const QUICK: [([usize; 2], usize, Storage); 2] =
    [([48, 40], 4, Storage::F32), ([33, 1100], 4, Storage::F32)];

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let client = open(args.cache.as_deref());
    let mebi = 1 << 20;
    let (flush, copy) = match args.quick {
        true => (mebi, 4 * mebi),
        false => (256 * mebi, 1024 * mebi),
    };
    let clock = Clock::new(client, args.rounds, flush);
    let mut report = Report::new("merge_cuda", args.json.clone());
    report.set("copy_gb_per_s", json!(clock.copy_bandwidth(copy)));
    let shapes: &[_] = if args.quick { &QUICK } else { &SHAPES };
    for &([d_out, d_in], rank, storage) in shapes {
        for products in [Products::F32, Products::Tf32] {
            for layout in [Layout::InOut, Layout::OutIn] {
                let name = format!("{d_out}x{d_in} r{rank} {storage:?} {products:?} {layout:?}");
                if !args.wants(&name) {
                    continue;
                }
                if args.out_of_time() {
                    report.skip(&name, "out of time (--budget)");
                    continue;
                }
                let case = Case::new(clock.client(), d_out, d_in, rank, storage, layout, products);
                measure(&clock, &case, &mut report)?;
            }
        }
    }
    Ok(())
}

fn measure(clock: &Clock<Gpu>, case: &Case, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let client = clock.client();
    let (problem, inputs) = (&case.problem, &case.inputs);
    let merged = dora_merge::forward(client, problem, inputs)?;
    let error = case.error(client, merged.weight.clone());

    let mut row = |op: &str, norm: &str, launches: usize, call: &mut dyn FnMut()| {
        let mut row = case.describe(norm);
        row.extend([
            ("op".to_owned(), json!(op)),
            ("us".to_owned(), clock.measure(call).to_json()),
            ("kernels".to_owned(), json!(launches)),
            ("error".to_owned(), json!(error)),
        ]);
        report.row(Value::Object(row));
    };
    // The checked call above failed or these cannot.
    let forward = || drop(dora_merge::forward(client, problem, inputs));
    let launches = dora_merge::forward_launches(problem);
    row("forward", "", launches, &mut { forward });
    row("norm", "", 2, &mut || {
        drop(dora_merge::norm(client, problem, inputs));
    });
    for (through, name) in [
        (NormGradient::Full, ", full gradient"),
        (NormGradient::Detached, ", norm detached"),
    ] {
        let (norm, gradient) = (&merged.norm, &case.gradient);
        let backward = || dora_merge::backward(client, problem, inputs, norm, gradient, through);
        backward()?;
        let more = dora_merge::backward_launches(through, false);
        row("backward", name, more, &mut || drop(backward()));
        row("forward+backward", name, launches + more, &mut || {
            forward();
            drop(backward());
        });
    }

    // No peer has it: a mask of the update, made in the forward pass and again in the backward.
    let inputs = &Inputs {
        mask: Some(MaskParams::new([1, 2], [3, 4], DROPPED)?),
        ..inputs.clone()
    };
    let merged = dora_merge::forward(client, problem, inputs)?;
    let (norm, gradient) = (&merged.norm, &case.gradient);
    let full = NormGradient::Full;
    let forward = || drop(dora_merge::forward(client, problem, inputs));
    let backward = || dora_merge::backward(client, problem, inputs, norm, gradient, full);
    backward()?;
    row("dropout forward", "", launches, &mut { forward });
    let more = dora_merge::backward_launches(full, true);
    row("dropout backward", ", full gradient", more, &mut || {
        drop(backward());
    });
    Ok(())
}
