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
    let groups = if batch * tiles(256) >= MANY { 4 } else { 2 };
    let form = |operand: &Operand| u32::from(operand.k_last);
    let kernel = CudaSource {
        name: "f32_product",
        text: include_str!("product.cu"),
        defines: vec![
            ("LHS_K_LAST", form(lhs)),
            ("RHS_K_LAST", form(rhs)),
            ("GROUPS", groups as u32),
        ],
        units: 256,
        shared: 0,
    };
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
