//! The attention of one token by kernels, which CUDA alone has.

use burn::tensor::{backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement};
use cubecl::server::ComputeServer;

use super::SingleQueryKernels;
use crate::Precision;

#[cfg(feature = "cuda")]
use {
    crate::PlannedMatmul,
    burn::tensor::{DType, Shape},
    burn_cubecl::{kernel::into_contiguous, tensor::CubeTensor},
    cubecl::{client::ComputeClient, cuda::CudaRuntime, server::Handle},
    dacapo_kernels::{
        RowShape,
        single_query::{Rounding, SingleQuery, mix, scores, spread},
        softmax::{softmax, softmax_backward},
    },
    std::any::Any,
};

impl<R, F, I, BT> SingleQueryKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    #[cfg(feature = "cuda")]
    fn takes(asking: &FloatTensor<Self>, x: &FloatTensor<Self>, precision: Precision) -> bool {
        cuda(x).is_some()
            && [asking.dtype, x.dtype] == [DType::F32; 2]
            && shape(asking, x).is_taken()
            && Self::supports(&x.device, precision)
    }

    #[cfg(feature = "cuda")]
    fn attend(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
    ) -> [FloatTensor<Self>; 2] {
        let shape = shape(&asking, &x);
        let (asking, x) = (into_contiguous(asking), into_contiguous(x));
        let (client, rounding) = (client(&x), rounding(precision));
        let found = scores(client, shape, rounding, &asking.handle, &x.handle);
        let shares = softmax(client, rows(shape), &launched(found), scale as f32);
        let shares = launched(shares);
        let y = launched(mix(client, shape, rounding, &shares, &x.handle));
        let SingleQuery { n, heads, .. } = shape;
        [
            tensor(&x, [n, heads, shape.width], y),
            tensor(&x, [n, heads, shape.tokens], shares),
        ]
    }

    #[cfg(feature = "cuda")]
    fn attend_backward(
        asking: FloatTensor<Self>,
        x: FloatTensor<Self>,
        shares: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        scale: f64,
        precision: Precision,
        [of_asking, of_x]: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        let shape = shape(&asking, &x);
        let [asking, x, dy] = [asking, x, dy].map(into_contiguous);
        let (client, rounding) = (client(&x), rounding(precision));
        let dshares = launched(scores(client, shape, rounding, &dy.handle, &x.handle));
        let shares = shares.handle;
        let dscores = softmax_backward(client, rows(shape), &shares, &dshares, scale as f32);
        let dscores = launched(dscores);
        let SingleQuery {
            n,
            heads,
            tokens,
            width,
        } = shape;
        let asking_gradient = of_asking.then(|| {
            let found = mix(client, shape, rounding, &dscores, &x.handle);
            tensor(&x, [n, heads, width], launched(found))
        });
        let x_gradient = of_x.then(|| {
            let pairs = [(&shares, &dy.handle), (&dscores, &asking.handle)];
            let found = spread(client, shape, rounding, pairs);
            tensor(&x, [n, tokens, width], launched(found))
        });
        [asking_gradient, x_gradient]
    }

    #[cfg(not(feature = "cuda"))]
    fn takes(_: &FloatTensor<Self>, _: &FloatTensor<Self>, _: Precision) -> bool {
        false
    }

    #[cfg(not(feature = "cuda"))]
    fn attend(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f64,
        _: Precision,
    ) -> [FloatTensor<Self>; 2] {
        unreachable!("not taken")
    }

    #[cfg(not(feature = "cuda"))]
    fn attend_backward(
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: FloatTensor<Self>,
        _: f64,
        _: Precision,
        _: [bool; 2],
    ) -> [Option<FloatTensor<Self>>; 2] {
        unreachable!("not taken")
    }
}

#[cfg(feature = "cuda")]
fn cuda<R: CubeRuntime>(tensor: &CubeTensor<R>) -> Option<&ComputeClient<CudaRuntime>> {
    let client: &dyn Any = &tensor.client;
    client.downcast_ref()
}

#[cfg(feature = "cuda")]
fn client<R: CubeRuntime>(tensor: &CubeTensor<R>) -> &ComputeClient<CudaRuntime> {
    cuda(tensor).expect("taken on CUDA alone")
}

#[cfg(feature = "cuda")]
fn shape<R: CubeRuntime>(asking: &CubeTensor<R>, x: &CubeTensor<R>) -> SingleQuery {
    let [n, heads, width] = asking.meta.shape().dims();
    SingleQuery {
        n,
        heads,
        tokens: x.meta.shape()[1],
        width,
    }
}

#[cfg(feature = "cuda")]
fn rows(shape: SingleQuery) -> RowShape {
    RowShape {
        rows: (shape.n * shape.heads) as u64,
        width: shape.tokens as u64,
    }
}

#[cfg(feature = "cuda")]
fn rounding(precision: Precision) -> Rounding {
    match precision {
        Precision::F32 => Rounding::Exact,
        Precision::Tf32 => Rounding::Tf32,
        Precision::Bf16 => Rounding::Bf16,
    }
}

/// What `takes` has excluded.
#[cfg(feature = "cuda")]
fn launched<T>(result: Result<T, dacapo_kernels::KernelError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(feature = "cuda")]
fn tensor<R: CubeRuntime>(
    beside: &CubeTensor<R>,
    dims: [usize; 3],
    handle: Handle,
) -> CubeTensor<R> {
    let (client, device) = (beside.client.clone(), beside.device.clone());
    CubeTensor::new_contiguous(
        client,
        device,
        Shape::from(dims.to_vec()),
        handle,
        DType::F32,
    )
}
