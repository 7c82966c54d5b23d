//! Finding out at run time whether a generic backend is one that has planned products and kernels.
//!
//! Models are generic over `B: Backend`, and a bound like `B: PlannedMatmul` would spread from here
//! into every model, every task and every user's code, and would shut out all backends that this
//! crate does not know. Rust has no specialisation to add the bound quietly. But an operation reads
//! and gives values of one type, `B::FloatTensorPrimitive`, and `Any` can tell safely whether
//! that is the type of a backend that we know: the compiler resolves the comparison, as it does
//! for every instance of a generic function.
//!
//! The type of the tensors decides, not that of the backend: `CubeTensor<R>` is the same for
//! every default element, and `AutodiffTensor<B>` for every checkpointing strategy, neither of
//! which an operation depends on.

use std::any::{Any, TypeId};

use burn::backend::Autodiff;
use burn::tensor::{FloatDType, TensorMetadata, backend::Backend, ops::FloatTensor};
use burn_flex::Flex;

use crate::fused::FusedKernels;
use crate::{PlannedMatmul, Precision, ProductSizes, autodiff::device};

/// `$body` with `$kernels` standing for the backend with kernels whose tensors `$backend` has, or
/// `$otherwise` if there is none; with `inner`, autodiff backends count as such. In `$body`, and
/// nowhere else, [`same`] turns tensors of `$backend` into those of `$kernels` and back.
#[cfg(feature = "cube")]
macro_rules! with_kernels {
    (@one $found:lifetime, $backend:ty, $candidate:ty, $kernels:ident => $body:expr) => {
        if $crate::dispatch::has_tensors_of::<$backend, $candidate>() {
            type $kernels = $candidate;
            break $found ($body);
        }
    };
    (@both $found:lifetime, $backend:ty, $candidate:ty, $kernels:ident => $body:expr) => {
        with_kernels!(@one $found, $backend, $candidate, $kernels => $body);
        with_kernels!(
            @one $found, $backend, burn::backend::Autodiff<$candidate>, $kernels => $body
        );
    };
    (inner $backend:ty, $kernels:ident => $body:expr, otherwise $otherwise:expr) => {
        'found: {
            #[cfg(feature = "cuda")]
            with_kernels!(@one 'found, $backend, burn_cuda::Cuda, $kernels => $body);
            #[cfg(feature = "wgpu")]
            with_kernels!(@one 'found, $backend, burn_wgpu::Wgpu, $kernels => $body);
            $otherwise
        }
    };
    ($backend:ty, $kernels:ident => $body:expr, otherwise $otherwise:expr) => {
        'found: {
            #[cfg(feature = "cuda")]
            with_kernels!(@both 'found, $backend, burn_cuda::Cuda, $kernels => $body);
            #[cfg(feature = "wgpu")]
            with_kernels!(@both 'found, $backend, burn_wgpu::Wgpu, $kernels => $body);
            $otherwise
        }
    };
}
/// No backend has kernels without its feature.
#[cfg(not(feature = "cube"))]
macro_rules! with_kernels {
    (inner $backend:ty, $kernels:ident => $body:expr, otherwise $otherwise:expr) => {
        $otherwise
    };
    ($backend:ty, $kernels:ident => $body:expr, otherwise $otherwise:expr) => {
        $otherwise
    };
}
pub(crate) use with_kernels;

/// `$body` with `$kernels` standing for the backend with fused operations whose tensors
/// `$backend` has, the host's among them, if it takes the tensor `$x`; else `$otherwise`. In
/// `$body` [`same`] does what it does in [`with_kernels`].
macro_rules! with_fused {
    (@one $found:lifetime, $backend:ty, $x:expr, $candidate:ty, $kernels:ident => $body:expr) => {
        if $crate::dispatch::takes::<$backend, $candidate>($x) {
            type $kernels = $candidate;
            break $found ($body);
        }
    };
    ($backend:ty, $x:expr, $kernels:ident => $body:expr, otherwise $otherwise:expr) => {
        'fused: {
            #[cfg(feature = "cuda")]
            with_fused!(@one 'fused, $backend, $x, burn_cuda::Cuda, $kernels => $body);
            #[cfg(feature = "cuda")]
            with_fused!(
                @one 'fused, $backend, $x, burn::backend::Autodiff<burn_cuda::Cuda>, $kernels => $body
            );
            #[cfg(feature = "wgpu")]
            with_fused!(@one 'fused, $backend, $x, burn_wgpu::Wgpu, $kernels => $body);
            #[cfg(feature = "wgpu")]
            with_fused!(
                @one 'fused, $backend, $x, burn::backend::Autodiff<burn_wgpu::Wgpu>, $kernels => $body
            );
            with_fused!(@one 'fused, $backend, $x, burn_flex::Flex, $kernels => $body);
            with_fused!(
                @one 'fused, $backend, $x, burn::backend::Autodiff<burn_flex::Flex>, $kernels => $body
            );
            $otherwise
        }
    };
}
pub(crate) use with_fused;

/// Whether tensors of `B` are those of `K`, and `K` takes `x`.
pub(crate) fn takes<B: Backend, K: FusedKernels>(x: &FloatTensor<B>) -> bool {
    let x: &dyn Any = x;
    x.downcast_ref::<FloatTensor<K>>().is_some_and(K::takes)
}

/// Two operands.
type Pair<B> = (FloatTensor<B>, FloatTensor<B>);

/// Whether [`product`] does not give the operands back.
pub(crate) fn is_planned<B: Backend>(precision: Precision) -> bool {
    let on_kernels = with_kernels!(B, K => has_tensors_of::<B, K>(), otherwise false);
    on_kernels || on_host::<B>() || precision != Precision::F32
}

fn on_host<B: Backend>() -> bool {
    has_tensors_of::<B, Flex>() || has_tensors_of::<B, Autodiff<Flex>>()
}

pub(crate) fn has_tensors_of<B: Backend, K: Backend>() -> bool {
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
    let operands = match with_kernels!(
        B,
        K => Ok(product_by::<B, K>(operands, precision)),
        otherwise Err(operands)
    ) {
        Err(operands) => operands,
        known => return known,
    };
    if has_tensors_of::<B, Flex>() {
        return Ok(product_by::<B, Flex>(operands, precision));
    }
    if has_tensors_of::<B, Autodiff<Flex>>() {
        return Ok(product_by::<B, Autodiff<Flex>>(operands, precision));
    }
    if precision == Precision::F32 {
        return Err(operands);
    }
    let name = B::name(&device::<B>(&operands.0));
    panic!(
        "matmul: the backend {name} has products in f32 only, found {precision}; use \
         Precision::F32"
    )
}

fn product_by<B: Backend, K: PlannedMatmul>(
    (lhs, rhs): Pair<B>,
    precision: Precision,
) -> FloatTensor<B> {
    let lhs: FloatTensor<K> = same(lhs);
    let rhs: FloatTensor<K> = same(rhs);
    let device = device::<K>(&lhs);
    assert!(
        K::supports(&device, precision),
        "matmul: {} has no products in {precision}; use Precision::F32",
        K::name(&device)
    );
    let out: FloatDType = lhs.dtype().into();
    let sizes = ProductSizes::of(&lhs.shape(), &rhs.shape());
    let lhs = K::operand_of(lhs, sizes, precision);
    let rhs = K::right_operand_of(rhs, sizes, precision);
    same(K::product(lhs, rhs, precision, out))
}

/// `value` under the other name of its type.
///
/// # Panics
/// If the types differ: ask [`has_tensors_of`] before.
pub(crate) fn same<X: 'static, Y: 'static>(value: X) -> Y {
    let mut slot = Some(value);
    (&mut slot as &mut dyn Any)
        .downcast_mut::<Option<Y>>()
        .and_then(Option::take)
        .expect("the caller compared the types")
}
