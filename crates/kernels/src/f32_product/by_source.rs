use std::any::Any;

use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{Operand, ProductShape};
use crate::cuda_source::CudaSource;

/// Rows of a cube's tile.
const ROWS: usize = 128;
/// From so many tiles of the larger kind on, these are used: as many as a large GPU has processors,
/// each of which holds one.
const MANY: usize = 128;

/// The product by the kernel of the same bits in CUDA C++, where there is CUDA: what CubeCL's
/// compiler makes of the one beside reaches two thirds of its rate. `operands` are large enough for
/// `shape`, which is taken.
pub(super) fn by_source<R: Runtime>(
    client: &ComputeClient<R>,
    shape: ProductShape,
    [lhs, rhs]: [&Operand; 2],
) -> Option<Handle> {
    let client: &ComputeClient<CudaRuntime> = (client as &dyn Any).downcast_ref()?;
    let ProductShape { batch, m, k, n } = shape;
    let tiles = |columns: usize| m.div_ceil(ROWS) * n.div_ceil(columns);
    let groups = match n {
        ..=64 => 1,
        _ if batch * tiles(256) >= MANY => 4,
        _ => 2,
    };
    let kernel = kernel(lhs.k_last, rhs.k_last, groups);
    let count = CubeCount::Static(
        n.div_ceil(64 * groups) as u32,
        m.div_ceil(ROWS) as u32,
        batch as u32,
    );
    let sizes = [
        m,
        n,
        k,
        lhs.stride / 4,
        rhs.stride / 4,
        lhs.batch_stride / 4,
        rhs.batch_stride / 4,
    ];
    let out = client.empty(4 * batch * m * n);
    // SAFETY: the caller's operands hold their lengths, the result was made of its own, and the
    // kernel clamps what it reads and guards what it writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        let buffers = vec![lhs.handle.clone(), rhs.handle.clone(), out.clone()];
        kernel.launch(client, count, buffers, &sizes.map(|size| size as u32));
    }
    Some(out)
}

/// The kernel for operands of these forms, with sums for so many vectors of columns a unit.
fn kernel(lhs_k_last: bool, rhs_k_last: bool, groups: usize) -> CudaSource {
    CudaSource {
        name: "f32_product",
        text: include_str!("product.cu"),
        defines: vec![
            ("LHS_K_LAST", u32::from(lhs_k_last)),
            ("RHS_K_LAST", u32::from(rhs_k_last)),
            ("GROUPS", groups as u32),
        ],
        units: 256,
        shared: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_does_not_compile() {
        for groups in [1, 2, 4] {
            for (lhs, rhs) in [(false, false), (false, true), (true, false), (true, true)] {
                kernel(lhs, rhs, groups).compiles();
            }
        }
    }
}
