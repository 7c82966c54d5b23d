use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::shape::COLUMNS;
use super::{Rounding, SingleQuery};
use crate::KernelError;
use crate::cuda_source::{CudaSource, SourceText};

/// The products `[n, heads, tokens]` of each query of `asking` with each row of `x` of its sequence.
///
/// # Errors
/// [`KernelError::TooShort`] and [`KernelError::Misaligned`] for a tensor that does not hold its numbers
/// from a multiple of 16 bytes on.
///
/// # Panics
/// If the sizes are not [taken](SingleQuery::is_taken).
pub fn scores(
    client: &ComputeClient<CudaRuntime>,
    shape: SingleQuery,
    rounding: Rounding,
    asking: &Handle,
    x: &Handle,
) -> Result<Handle, KernelError> {
    let kernel = scores_source(shape, rounding);
    let tensors = [("asking", asking, shape.queries()), ("x", x, shape.rows())];
    shape.check(kernel.name, &tensors)?;
    let out = client.empty(4 * shape.weights());
    let cubes = shape.tokens.div_ceil(TOKENS_OF_SCORES);
    launch(client, shape, kernel, cubes, vec![asking, x, &out]);
    Ok(out)
}

/// The sums `[n, heads, width]` of the rows of `x`, each times its weight of `weights`
/// `[n, heads, tokens]`.
///
/// # Errors
/// As [`scores`].
///
/// # Panics
/// As [`scores`].
pub fn mix(
    client: &ComputeClient<CudaRuntime>,
    shape: SingleQuery,
    rounding: Rounding,
    weights: &Handle,
    x: &Handle,
) -> Result<Handle, KernelError> {
    let kernel = mix_source(shape, rounding);
    let tensors = [
        ("weights", weights, shape.weights()),
        ("x", x, shape.rows()),
    ];
    shape.check(kernel.name, &tensors)?;
    let out = client.empty(4 * shape.queries());
    let cubes = (shape.width / 4).div_ceil(COLUMNS);
    launch(client, shape, kernel, cubes, vec![weights, x, &out]);
    Ok(out)
}

/// The rows `[n, tokens, width]` that are, for each token, the sum of `values` `[n, heads, width]`, each
/// times its weight of `weights` `[n, heads, tokens]`, over two such pairs.
///
/// # Errors
/// As [`scores`].
///
/// # Panics
/// As [`scores`].
pub fn spread(
    client: &ComputeClient<CudaRuntime>,
    shape: SingleQuery,
    rounding: Rounding,
    [first, second]: [(&Handle, &Handle); 2],
) -> Result<Handle, KernelError> {
    let kernel = spread_source(shape, rounding);
    let pairs = [first, second].into_iter().flat_map(|(weights, values)| {
        [
            ("weights", weights, shape.weights()),
            ("values", values, shape.queries()),
        ]
    });
    shape.check(kernel.name, &pairs.collect::<Vec<_>>())?;
    let out = client.empty(4 * shape.rows());
    let cubes = shape.tokens.div_ceil(TOKENS_OF_SPREAD);
    let buffers = vec![first.0, first.1, second.0, second.1, &out];
    launch(client, shape, kernel, cubes, buffers);
    Ok(out)
}

/// Tokens of a cube.
const TOKENS_OF_SCORES: usize = 32;
/// Tokens of a cube.
const TOKENS_OF_SPREAD: usize = 16;

/// `cubes` of each sequence on buffers that were checked.
fn launch(
    client: &ComputeClient<CudaRuntime>,
    shape: SingleQuery,
    kernel: CudaSource,
    cubes: usize,
    buffers: Vec<&Handle>,
) {
    let count = CubeCount::Static(cubes as u32, shape.n as u32, 1);
    let buffers = buffers.into_iter().cloned().collect();
    let sizes = [shape.tokens as u32, (shape.width / 4) as u32];
    // SAFETY: the callers checked that tensors hold their lengths and made the results of theirs, and
    // the kernels clamp what they read and guard what they write by tokens and width.
    #[allow(unsafe_code)]
    unsafe {
        kernel.launch(client, count, Vec::new(), buffers, &sizes);
    }
}

macro_rules! source {
    ($function:ident, $name:literal, $text:literal, $shared:expr) => {
        fn $function(shape: SingleQuery, rounding: Rounding) -> CudaSource {
            CudaSource {
                name: $name,
                text: const {
                    SourceText::new(concat!(include_str!("rounded.cu"), include_str!($text)))
                },
                defines: vec![rounding.define(), ("HEADS", shape.heads as u32)],
                units: 256,
                shared: $shared(&shape),
            }
        }
    };
}

source!(
    scores_source,
    "scores",
    "scores.cu",
    SingleQuery::shared_of_scores
);
source!(mix_source, "mix", "mix.cu", SingleQuery::shared_of_mix);
source!(spread_source, "spread", "spread.cu", |_: &SingleQuery| 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_does_not_compile() {
        for heads in [1, 12, 16] {
            let shape = SingleQuery {
                n: 1,
                heads,
                tokens: 5,
                width: 8,
            };
            for rounding in [Rounding::Exact, Rounding::Tf32, Rounding::Bf16] {
                scores_source(shape, rounding).compiles();
                mix_source(shape, rounding).compiles();
                spread_source(shape, rounding).compiles();
            }
        }
    }
}
