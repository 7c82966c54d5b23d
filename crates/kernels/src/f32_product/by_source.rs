use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;

use super::launch::check;
use super::{Operand, ProductShape};
use crate::KernelError;
use crate::cuda_source::{CudaSource, SourceText};
use crate::finish::{Finish, Finished};

/// Rows of a cube's tile.
const ROWS: usize = 128;
/// From so many tiles of the larger kind on, these are used: as many as a large GPU has processors,
/// each of which holds one.
const MANY: usize = 128;

/// The products by the kernel of the same bits in CUDA C++: what CubeCL's compiler makes of the one
/// beside reaches two thirds of its rate. What is to become of the sums does, in the same launch.
///
/// # Errors
/// [`KernelError::TooShort`] for an operand or a tensor of `finish` that does not hold its numbers,
/// [`KernelError::Misaligned`] for one of the latter.
///
/// # Panics
/// If the shape is not [taken](ProductShape::is_taken), or the result is to be rounded.
pub fn finished_f32_product(
    client: &ComputeClient<CudaRuntime>,
    shape: ProductShape,
    lhs: &Operand,
    rhs: &Operand,
    finish: Finish<'_>,
) -> Result<Finished, KernelError> {
    assert!(!finish.is_rounded(), "f32_product: rounded to bf16");
    check(shape, lhs, rhs)?;
    let ProductShape { batch, m, k, n } = shape;
    finish.check("f32_product", batch * m * n, n)?;
    let tiles = |columns: usize| m.div_ceil(ROWS) * n.div_ceil(columns);
    let groups = match n {
        ..=64 => 1,
        _ if batch * tiles(256) >= MANY => 4,
        _ => 2,
    };
    let kernel = kernel(lhs.k_last, rhs.k_last, groups, finish);
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
    let (finished, last) = finish.buffers(client, batch * m * n);
    // SAFETY: the tensors hold their lengths, as checked above, the result was made of its own, and the
    // kernel clamps what it reads and guards what it writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        let operands = [lhs.handle.clone(), rhs.handle.clone()];
        let buffers = operands.into_iter().chain(last).collect();
        let sizes = sizes.map(|size| size as u32);
        kernel.launch(client, count, Vec::new(), buffers, &sizes);
    }
    Ok(finished)
}

/// The kernel for operands of these forms, with sums for so many vectors of columns a unit.
fn kernel(lhs_k_last: bool, rhs_k_last: bool, groups: usize, finish: Finish<'_>) -> CudaSource {
    let mut defines = vec![
        ("LHS_K_LAST", u32::from(lhs_k_last)),
        ("RHS_K_LAST", u32::from(rhs_k_last)),
        ("GROUPS", groups as u32),
    ];
    defines.extend(finish.defines());
    CudaSource {
        name: "f32_product",
        text: PRODUCT,
        defines,
        units: 256,
        shared: 0,
    }
}

const PRODUCT: SourceText = SourceText::new(concat!(
    include_str!("../finish/finish.cu"),
    include_str!("product.cu")
));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_does_not_compile() {
        for groups in [1, 2, 4] {
            for (lhs, rhs) in [(false, false), (false, true), (true, false), (true, true)] {
                kernel(lhs, rhs, groups, Finish::Plain).compiles();
            }
        }
    }
}
