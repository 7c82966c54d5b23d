//! Queued reads against Burn's own: on the host always, and on a GPU, or on Vulkan's software driver,
//! with its feature.

mod common;

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use burn_flex::Flex;
use common::numbers;
use dacapo_ops::{queue_read, sum};

#[cfg(feature = "cuda")]
type Gpu = burn_cuda::Cuda;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Gpu = burn_wgpu::Wgpu;

fn tensor<B: Backend>(len: usize, dtype: DType) -> Tensor<B, 1> {
    let data = TensorData::new(numbers(len, len as u64), [len]);
    Tensor::from_data(data, (&B::Device::default(), dtype))
}

/// Numbers, also short ones whose bytes end within a word, views, results of operations.
fn tensors<B: Backend>(dtypes: &[DType]) -> Vec<Tensor<B, 1>> {
    let all = dtypes
        .iter()
        .flat_map(|&dtype| [1, 2, 3, 7, 64, 1000, 70_001].map(|len| tensor::<B>(len, dtype)));
    let mut all: Vec<_> = all.collect();
    let matrix = tensor::<B>(35, DType::F32).reshape([5, 7]);
    all.push(matrix.clone().slice([1..3, 0..7]).reshape([14]));
    all.push(matrix.transpose().reshape([35]));
    all.push(tensor::<B>(65, DType::F32).narrow(0, 2, 31));
    all.push(sum(tensor::<B>(1001, DType::F32) * 2.0));
    all
}

fn queued_read_is_not_the_data<B: Backend>(dtypes: &[DType]) {
    let tensors = tensors::<B>(dtypes);
    let own = tensors.iter().map(|tensor| tensor.clone().into_data());
    let own: Vec<_> = own.collect();
    // Several under way, waited for in another order, their tensors gone.
    let single = tensors
        .iter()
        .map(|tensor| queue_read(vec![tensor.clone()]));
    let single: Vec<_> = single.collect();
    let all = queue_read(tensors);
    assert_eq!(all.wait().expect("reads"), own);
    for (read, own) in single.into_iter().zip(&own).rev() {
        let data = read.wait().expect("reads");
        assert_eq!(data, std::slice::from_ref(own));
    }
}

fn later_work_is_read<B: Backend>(dtypes: &[DType]) {
    for &dtype in dtypes {
        let mut x = tensor::<B>(333, dtype);
        let own = x.clone().into_data();
        let read = queue_read(vec![x.clone()]);
        let dropped = queue_read(vec![x.clone()]);
        for _ in 0..20 {
            // In place, if a read does not count as a holder.
            x = x.mul_scalar(1.5).add_scalar(0.25);
        }
        drop(dropped);
        let after = queue_read(vec![x.clone()]);
        assert_eq!(read.wait().expect("reads"), [own], "{dtype:?}");
        let after = after.wait().expect("reads");
        assert_eq!(after, [x.into_data()], "{dtype:?}");
    }
}

fn nothing_cannot_be_read<B: Backend>() {
    let read = queue_read(Vec::<Tensor<B, 1>>::new());
    assert_eq!(read.wait().expect("reads"), []);
}

/// All of them on `$backend`.
macro_rules! on {
    ($name:ident: $backend:ty, $dtypes:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "each backend is of one kind")]
            use super::*;

            #[test]
            fn queued_read_is_not_the_data() {
                super::queued_read_is_not_the_data::<$backend>($dtypes);
            }

            #[test]
            fn later_work_is_read() {
                super::later_work_is_read::<$backend>($dtypes);
            }

            #[test]
            fn nothing_cannot_be_read() {
                super::nothing_cannot_be_read::<$backend>();
            }
        }
    };
}

on!(host: Flex, &[DType::F32, DType::F64, DType::F16, DType::BF16]);
on!(autodiff: Autodiff<Flex>, &[DType::F32, DType::F64]);
#[cfg(feature = "cuda")]
on!(gpu: Gpu, &[DType::F32, DType::F64, DType::F16, DType::BF16]);
// Vulkan's software driver has no f64.
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
on!(gpu: Gpu, &[DType::F32, DType::F16]);
