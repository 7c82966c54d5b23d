//! Finding out at run time whether a generic backend is one that has planned products.
//!
//! Models are generic over `B: Backend`, and a bound `B: PlannedMatmul` would spread from here
//! into every model, every task and every user's code, and would shut out all backends that this
//! crate does not know. Rust has no specialisation to add the bound quietly. But a product reads
//! and gives values of one type, `B::FloatTensorPrimitive`, and `Any` can tell safely whether
//! that is the type of a backend that we know: the compiler resolves the comparison, as it does
//! for every instance of a generic function.
//!
//! The type of the tensors decides, not that of the backend: `CubeTensor<R>` is the same for
//! every default element, and `AutodiffTensor<B>` for every checkpointing strategy, neither of
//! which a product depends on.

use std::any::{Any, TypeId};

use burn::backend::Autodiff;
use burn::tensor::{FloatDType, TensorMetadata, backend::Backend, ops::FloatTensor};
use burn_flex::Flex;

use crate::{PlannedMatmul, Precision, autodiff::device};

/// Two operands.
type Pair<B> = (FloatTensor<B>, FloatTensor<B>);

/// Whether [`product`] does not give the operands back.
// Without a GPU's feature no backend has a plan.
#[cfg_attr(
    not(any(feature = "cuda", feature = "wgpu")),
    allow(clippy::extra_unused_type_parameters)
)]
pub(crate) fn is_planned<B: Backend>(precision: Precision) -> bool {
    #[cfg(feature = "cuda")]
    if has_tensors_of::<B, burn_cuda::Cuda>() || has_tensors_of::<B, Autodiff<burn_cuda::Cuda>>() {
        return true;
    }
    #[cfg(feature = "wgpu")]
    if has_tensors_of::<B, burn_wgpu::Wgpu>() || has_tensors_of::<B, Autodiff<burn_wgpu::Wgpu>>() {
        return true;
    }
    precision != Precision::F32
}

fn has_tensors_of<B: Backend, K: Backend>() -> bool {
    TypeId::of::<FloatTensor<B>>() == TypeId::of::<FloatTensor<K>>()
}

/// The planned product, or the operands back where Burn's own is meant.
///
/// # Panics
/// If the device does not have `precision`.
pub(crate) fn product<B: Backend>(
    operands: Pair<B>,
    precision: Precision,
) -> Result<FloatTensor<B>, Pair<B>> {
    #[cfg(feature = "cuda")]
    let operands = match product_on::<B, burn_cuda::Cuda>(operands, precision) {
        Err(operands) => operands,
        done => return done,
    };
    #[cfg(feature = "wgpu")]
    let operands = match product_on::<B, burn_wgpu::Wgpu>(operands, precision) {
        Err(operands) => operands,
        done => return done,
    };
    if precision == Precision::F32 {
        return Err(operands);
    }
    let operands = match product_on::<B, Flex>(operands, precision) {
        Err(operands) => operands,
        done => return done,
    };
    let name = B::name(&device::<B>(&operands.0));
    panic!(
        "matmul: the backend {name} has products in f32 only, found {precision}; use Precision::F32"
    )
}

/// The product by `K` or `Autodiff<K>`, if `B` has the tensors of one of them.
fn product_on<B: Backend, K: PlannedMatmul>(
    operands: Pair<B>,
    precision: Precision,
) -> Result<FloatTensor<B>, Pair<B>> {
    match product_as::<B, K>(operands, precision) {
        Err(operands) => product_as::<B, Autodiff<K>>(operands, precision),
        done => done,
    }
}

fn product_as<B: Backend, K: PlannedMatmul>(
    (lhs, rhs): Pair<B>,
    precision: Precision,
) -> Result<FloatTensor<B>, Pair<B>> {
    if !has_tensors_of::<B, K>() {
        return Err((lhs, rhs));
    }
    let lhs: FloatTensor<K> = same(lhs);
    let rhs: FloatTensor<K> = same(rhs);
    let device = device::<K>(&lhs);
    assert!(
        K::supports(&device, precision),
        "matmul: {} has no products in {precision}; use Precision::F32",
        K::name(&device)
    );
    let out: FloatDType = lhs.dtype().into();
    let lhs = K::operand(lhs, precision);
    let rhs = K::operand(rhs, precision);
    Ok(same(K::product(lhs, rhs, precision, out)))
}

/// `value` under the other name of its type.
fn same<X: 'static, Y: 'static>(value: X) -> Y {
    let mut slot = Some(value);
    (&mut slot as &mut dyn Any)
        .downcast_mut::<Option<Y>>()
        .and_then(Option::take)
        .expect("the caller compared the types")
}
