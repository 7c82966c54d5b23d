use cubecl::prelude::*;
use cubecl::server::Handle;

use super::Operand;
use super::kernel::{Form, SizesLaunch, TILE, UNITS, product};
use crate::{KernelError, RowShape, buffer};

/// `batch` products `[m, n]` of `[m, k]` and `[k, n]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProductShape {
    /// Products.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// The dimension summed over.
    pub k: usize,
    /// Columns of the result.
    pub n: usize,
}

impl ProductShape {
    /// Whether the kernel takes it: nothing is empty, what lies together in memory comes in whole
    /// vectors of four, and the grid and positions have room for it.
    pub fn is_taken(&self, lhs: &Operand, rhs: &Operand) -> bool {
        let Self { batch, m, k, n } = *self;
        let whole = |operand: &Operand, outer: usize| {
            let together = if operand.k_last { k } else { outer };
            together.is_multiple_of(4)
                && operand.stride.is_multiple_of(4)
                && operand.batch_stride.is_multiple_of(4)
                && buffer::offset(&operand.handle).is_multiple_of(16)
                && operand.extent(batch, outer, k) as u64 <= RowShape::MAX_LEN
        };
        batch.min(m).min(k).min(n) > 0
            && n.is_multiple_of(4)
            && (batch as u64)
                .saturating_mul(m as u64)
                .saturating_mul(n as u64)
                <= RowShape::MAX_LEN
            && batch <= 65_535
            && m.div_ceil(TILE) <= 65_535
            && whole(lhs, m)
            && whole(rhs, n)
    }
}

/// The products, `[batch, m, n]` contiguous. One launch.
///
/// # Errors
/// [`KernelError::TooShort`] for an operand that does not hold its matrices.
///
/// # Panics
/// If the shape is not [taken](ProductShape::is_taken).
pub fn f32_product<R: Runtime>(
    client: &ComputeClient<R>,
    shape: ProductShape,
    lhs: &Operand,
    rhs: &Operand,
) -> Result<Handle, KernelError> {
    #[cfg(feature = "cuda")]
    if let Some(client) = (client as &dyn std::any::Any).downcast_ref() {
        let plain = crate::finish::Finish::Plain;
        return super::finished_f32_product(client, shape, lhs, rhs, plain).map(|found| found.out);
    }
    let lengths = check(shape, lhs, rhs)?;
    let ProductShape { batch, m, k, n } = shape;
    let out = client.empty(4 * batch * m * n);
    let form = |operand: &Operand| Form {
        k_last: operand.k_last,
    };
    // SAFETY: the operands hold their lengths, as checked above, the result was made of its own,
    // and the kernel clamps what it reads and guards what it writes by m, n and k.
    #[allow(unsafe_code)]
    unsafe {
        product::launch_unchecked::<R>(
            client,
            CubeCount::Static(
                n.div_ceil(TILE) as u32,
                m.div_ceil(TILE) as u32,
                batch as u32,
            ),
            CubeDim::new_1d(UNITS),
            ArrayArg::from_raw_parts(lhs.handle.clone(), lengths[0]),
            ArrayArg::from_raw_parts(rhs.handle.clone(), lengths[1]),
            ArrayArg::from_raw_parts(out.clone(), batch * m * n),
            SizesLaunch::new(
                m as u32,
                n as u32,
                k as u32,
                (lhs.stride / 4) as u32,
                (rhs.stride / 4) as u32,
                (lhs.batch_stride / 4) as u32,
                (rhs.batch_stride / 4) as u32,
            ),
            form(lhs),
            form(rhs),
        );
    }
    Ok(out)
}

/// Elements of the operands' buffers.
pub(super) fn check(
    shape: ProductShape,
    lhs: &Operand,
    rhs: &Operand,
) -> Result<[usize; 2], KernelError> {
    assert!(
        shape.is_taken(lhs, rhs),
        "f32_product: expected whole vectors of four, found {shape:?} of {lhs:?} and {rhs:?}"
    );
    let ProductShape { batch, m, k, n } = shape;
    let mut lengths = [0; 2];
    for (at, (what, operand, outer)) in [("lhs", lhs, m), ("rhs", rhs, n)].into_iter().enumerate() {
        let len = operand.extent(batch, outer, k);
        buffer::check("f32_product", what, &operand.handle, 4 * len as u64, 16)?;
        lengths[at] = len;
    }
    Ok(lengths)
}
