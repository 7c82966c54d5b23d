//! The multi-tensor AdamW step on a GPU: `dacapo_kernels::adamw_step` over the sets of tensors that
//! `benches/python/adamw_peers.py` steps in PyTorch.
//!
//! In place and into new buffers; device time with a cold and a warm L2 cache, and the time of
//! steps one after the other; a plain device copy for the floor.

use std::error::Error;

use clap::Parser;
use cubecl::client::ComputeClient;
use cubecl::server::Handle;
use dacapo_benches::gpu::{Args, Clock, Gpu, Report, open};
use dacapo_kernels::adamw_step::{
    AdamWDtype, AdamWScalars, AdamWTensor, StepMode, adamw_step, capacity,
};
use serde_json::json;

/// Lengths of m, A and B of one adapter.
fn adapter(d_in: usize, d_out: usize, rank: usize) -> [usize; 3] {
    [d_out, rank * d_in, d_out * rank]
}

/// The sets by name, as in `adamw_peers.py`.
fn tensor_sets(quick: bool) -> Vec<(&'static str, Vec<usize>)> {
    if quick {
        let tensors = [adapter(40, 48, 4), adapter(33, 7, 2)].concat();
        return vec![("quick", tensors)];
    }
    let last_blocks = [
        adapter(1024, 1024, 32),
        adapter(1024, 1024, 32),
        adapter(768, 768, 32),
    ];
    let square = adapter(1024, 1024, 16);
    let mlp = [adapter(1024, 4096, 16), adapter(4096, 1024, 16)];
    let block = [[square; 4].concat(), mlp.concat()].concat();
    vec![
        ("clip-hba", last_blocks.concat()),
        ("vit-l", vec![block; 24].concat()),
    ]
}

/// A parameter, its gradient and both moments cost at least this for an element: 4 reads, 3 writes.
const BYTES: usize = 7 * 4;

fn tensors(client: &ComputeClient<Gpu>, lengths: &[usize]) -> Vec<AdamWTensor> {
    let filled = |len: usize, value: f32| -> Handle {
        client.create_from_slice(bytemuck::cast_slice(&vec![value; len]))
    };
    lengths
        .iter()
        .map(|&len| AdamWTensor {
            param: filled(len, 0.5),
            grad: filled(len, 0.25),
            exp_avg: filled(len, 0.1),
            exp_avg_sq: filled(len, 0.01),
            max_exp_avg_sq: None,
            len: len as u64,
            dtype: AdamWDtype::F32,
            scalars: AdamWScalars::new(1e-3, [0.9, 0.999], 1e-8, 0.01, 10),
        })
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let client = open(args.cache.as_deref());
    let mebi = 1 << 20;
    let (flush, copy) = match args.quick {
        true => (mebi, 4 * mebi),
        false => (256 * mebi, 1024 * mebi),
    };
    let clock = Clock::new(client, args.rounds, flush);
    let client = clock.client();
    let mut report = Report::new("adamw_cuda", args.json.clone());
    report.set("copy_gb_per_s", json!(clock.copy_bandwidth(copy)));
    for (name, lengths) in tensor_sets(args.quick) {
        let tensors = tensors(client, &lengths);
        let numbers: usize = lengths.iter().sum();
        for (who, mode) in [
            ("dacapo", StepMode::InPlace),
            ("dacapo fresh", StepMode::Fresh),
        ] {
            let case = format!("{who} {name}");
            if !args.wants(&case) {
                continue;
            }
            if args.out_of_time() {
                report.skip(&case, "out of time (--budget)");
                continue;
            }
            // An error would make every later step an error, too: found here, once.
            adamw_step(client, &tensors, mode)?;
            let times = clock.measure(|| drop(adamw_step(client, &tensors, mode)));
            let most = capacity(client, AdamWDtype::F32, false, mode);
            report.row(json!({
                "tensors": name,
                "count": lengths.len(),
                "numbers": numbers,
                "who": who,
                "us": times.to_json(),
                "floor_bytes": BYTES * numbers,
                // All lengths of the larger sets are multiples of four: one kind of launch.
                "kernels": lengths.len().div_ceil(most),
            }));
        }
    }
    Ok(())
}
