//! One product: the plan's kernels in turn until one can be set up.

use burn::tensor::{DType, Shape};
use burn_cubecl::{
    CubeRuntime,
    ops::numeric::{empty_device_contiguous_dtype, zeros},
    tensor::CubeTensor,
};
use cubecl::ir::AddressType;
use cubecl::prelude::CubePrimitive;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems, MatmulProblem, MatmulSetupError};
use cubek::matmul::launch::launch_ref;
use cubek::std::InputBinding;

#[cfg(feature = "cuda")]
use super::first_kernel::first_kernel;
use super::multiply_add::by_multiply_add;
#[cfg(not(feature = "cuda"))]
use super::multiply_add::refused;
use super::operand::{cast, is_aligned, is_transposed, readable};
#[cfg(feature = "cuda")]
use super::small::by_small;
use super::strategy::strategy;
#[cfg(feature = "cuda")]
use super::tensor_cores::by_tensor_cores;
use super::tiled::tiled;
#[cfg(feature = "cuda")]
use dacapo_kernels::finish::Finish;
use dacapo_kernels::{RowShape, sum_parts::sum_parts};

use crate::{Kernel, KernelPlan, Layout, MatmulShape, Precision, ProductSizes};

/// The product of two operands as `dtype`.
///
/// # Panics
/// If no kernel of the plan can be set up, which would be an error in the plan.
pub(super) fn product<R: CubeRuntime>(
    lhs: CubeTensor<R>,
    rhs: CubeTensor<R>,
    precision: Precision,
    dtype: DType,
) -> CubeTensor<R> {
    let shape = result_shape(lhs.meta.shape(), rhs.meta.shape());
    let sizes = ProductSizes::of(lhs.meta.shape(), rhs.meta.shape());
    // CUDA refuses a launch over no elements, which filling nothing with zeros would be.
    if shape.num_elements() == 0 {
        return empty_device_contiguous_dtype(lhs.client, lhs.device, shape, dtype);
    }
    if sizes.k == 0 {
        return zeros(lhs.device, shape, dtype);
    }

    let precision = precision_of(&lhs, precision);
    #[cfg(feature = "cuda")]
    let first = match dtype {
        DType::F32 => first_kernel(&lhs, sizes, precision),
        _ => None,
    };
    #[cfg(feature = "cuda")]
    if first == Some(Kernel::SmallProduct)
        && let Ok(found) = by_small(&lhs, &rhs, precision, Finish::Plain)
    {
        return found.out;
    }
    let (lhs, rhs) = (readable(rounded(lhs, precision)), readable(rhs));
    #[cfg(feature = "cuda")]
    if first == Some(Kernel::TensorCoreProduct)
        && parts_of(&problem_of(&lhs, &rhs), &shape, dtype) == 1
        && let Ok(found) = by_tensor_cores(&lhs, &rhs, dtype, Finish::Plain)
    {
        return found.out;
    }
    let rhs = readable(rounded(rhs, precision));
    let problem = problem_of(&lhs, &rhs);
    let plan = KernelPlan::current();
    let parts = parts_of(&problem, &shape, dtype);
    let (lhs, rhs) = match parts {
        1 => (lhs, rhs),
        // A part's beginning lies at a multiple of 16 bytes, as the whole's.
        _ => (
            readable(split(lhs, 1, parts)),
            readable(split(rhs, 0, parts)),
        ),
    };
    let mut refused = Vec::new();
    for kernel in plan.kernels(precision, &problem) {
        match launch(kernel, &lhs, &rhs, dtype) {
            Ok(product) if parts > 1 => return added(product),
            Ok(product) => return product,
            Err(error) => refused.push(format!("{}: {error:?}", kernel.name())),
        }
    }
    panic!(
        "matmul: no kernel of the plan can multiply {problem:?} in {precision} here ({}); use \
         another precision",
        refused.join("; ")
    )
}

/// What the plan asks of the product of two [`readable`] operands.
pub(super) fn problem_of<R: CubeRuntime>(lhs: &CubeTensor<R>, rhs: &CubeTensor<R>) -> MatmulShape {
    let sizes = ProductSizes::of(lhs.meta.shape(), rhs.meta.shape());
    let layout = Layout::new(is_transposed(lhs), is_transposed(rhs));
    MatmulShape::of(sizes, layout, is_aligned(lhs) && is_aligned(rhs))
}

/// That of a product of operands like `lhs`: those of another float type were not rounded, and are no
/// wider than bf16 or are f64.
pub(super) fn precision_of<R: CubeRuntime>(lhs: &CubeTensor<R>, precision: Precision) -> Precision {
    match lhs.dtype {
        DType::F32 => precision,
        DType::F64 => Precision::F32,
        _ => Precision::Bf16,
    }
}

/// The operand as kernels read it that do not round to bf16.
fn rounded<R: CubeRuntime>(tensor: CubeTensor<R>, precision: Precision) -> CubeTensor<R> {
    match (precision, tensor.dtype) {
        (Precision::Bf16, DType::F32) => cast(tensor, DType::BF16),
        _ => tensor,
    }
}

/// Into how many parts the product is split.
pub(super) fn parts_of(problem: &MatmulShape, result: &Shape, dtype: DType) -> usize {
    match (result.num_dims(), dtype) {
        (2, DType::F32) => KernelPlan::current().parts(problem),
        _ => 1,
    }
}

/// A matrix as so many, each of a part of the dimension `along`.
fn split<R: CubeRuntime>(mut matrix: CubeTensor<R>, along: usize, parts: usize) -> CubeTensor<R> {
    let part = matrix.meta.shape()[along] / parts;
    let stride = matrix.meta.strides()[along];
    matrix.meta.shape_mut()[along] = part;
    matrix.meta.insert(0, parts, part * stride);
    matrix
}

/// The sum of the matrices of a product of parts.
fn added<R: CubeRuntime>(parts: CubeTensor<R>) -> CubeTensor<R> {
    let [count, m, n] = parts.meta.shape().dims();
    debug_assert!(parts.is_contiguous());
    let shape = RowShape {
        rows: count as u64,
        width: (m * n) as u64,
    };
    let sum = sum_parts(&parts.client, shape, &parts.handle)
        .unwrap_or_else(|error| panic!("matmul: {error}"));
    let (client, device) = (parts.client.clone(), parts.device.clone());
    CubeTensor::new_contiguous(client, device, Shape::from(vec![m, n]), sum, parts.dtype)
}

/// The product of two [`readable`] operands by one kernel, if it can be set up.
pub(super) fn launch<R: CubeRuntime>(
    kernel: Kernel,
    lhs: &CubeTensor<R>,
    rhs: &CubeTensor<R>,
    dtype: DType,
) -> Result<CubeTensor<R>, MatmulSetupError> {
    match kernel {
        Kernel::F32Product => return by_multiply_add(lhs, rhs, dtype),
        #[cfg(feature = "cuda")]
        Kernel::TensorCoreProduct => {
            return by_tensor_cores(lhs, rhs, dtype, Finish::Plain).map(|found| found.out);
        }
        #[cfg(feature = "cuda")]
        Kernel::SmallProduct => {
            let precision = precision_of(lhs, Precision::Tf32);
            return by_small(lhs, rhs, precision, Finish::Plain).map(|found| found.out);
        }
        #[cfg(not(feature = "cuda"))]
        Kernel::TensorCoreProduct | Kernel::SmallProduct => return Err(refused("not on CUDA")),
        _ => {}
    }
    let (client, device) = (lhs.client.clone(), lhs.device.clone());
    let shape = result_shape(lhs.meta.shape(), rhs.meta.shape());
    // On CUDA the usual allocation may put space between rows; parts are added as they lie, and row
    // kernels would copy it first.
    let out = empty_device_contiguous_dtype(client.clone(), device, shape, dtype);
    let element = |tensor: &CubeTensor<R>| match (kernel.tiling(), tensor.dtype) {
        // With a given tiling cubek does not turn f32 into TF32 by itself. The tensor memory
        // accelerator rounds as it loads, as it does with an inferred one.
        (Some(_), DType::F32) => cubecl::tf32::as_type_native_unchecked().storage_type(),
        (_, dtype) => dtype.into(),
    };
    let elements = MatmulGlobalElems {
        lhs: element(lhs),
        rhs: element(rhs),
        out: dtype.into(),
    };
    let strategy = match kernel.tiling() {
        Some(tiling) => {
            let [left, right, product] = [lhs, rhs, &out].map(|tensor| &tensor.meta);
            let problem = MatmulProblem::from_shapes_and_strides(
                left.shape().clone(),
                right.shape().clone(),
                product.shape().clone(),
                left.strides().clone(),
                right.strides().clone(),
                product.strides().clone(),
                elements.clone(),
                AddressType::U32,
                None,
                None,
            )?;
            tiled(tiling, &problem, &client.properties().hardware)
        }
        None => strategy(kernel),
    };
    launch_ref(
        &strategy,
        &client,
        InputBinding::new(lhs.clone().binding(), elements.lhs),
        InputBinding::new(rhs.clone().binding(), elements.rhs),
        out.clone().binding(),
        &mut MatmulElems::from_globals(&elements),
    )?;
    Ok(out)
}

/// `[.., m, n]`, with the larger of both sizes in the dimensions before.
pub(super) fn result_shape(lhs: &Shape, rhs: &Shape) -> Shape {
    let rank = lhs.num_dims();
    let mut dims: Vec<usize> = (0..rank).map(|i| lhs[i].max(rhs[i])).collect();
    dims[rank - 2] = lhs[rank - 2];
    dims[rank - 1] = rhs[rank - 1];
    Shape::from(dims)
}
