//! The attention of one token by kernels, which CUDA alone has.

use burn::tensor::{DType, Shape, backend::DeviceOps, ops::FloatTensor};
use burn_cubecl::{
    BoolElement, CubeBackend, CubeRuntime, FloatElement, IntElement, kernel::into_contiguous,
    tensor::CubeTensor,
};
use cubecl::{client::ComputeClient, cuda::CudaRuntime, server::ComputeServer};
use dacapo_kernels::{
    RowShape,
    single_query::{Rounding, SingleQuery, mix, scores, spread},
    softmax::{softmax, softmax_backward},
};

use super::SingleQueryKernels;
use crate::cube::cuda_client;
use crate::fused::{launched, tensor};
use crate::{PlannedMatmul, Precision};

impl<R, F, I, BT> SingleQueryKernels for CubeBackend<R, F, I, BT>
where
    R: CubeRuntime,
    R::Server: ComputeServer,
    R::Device: DeviceOps,
    F: FloatElement,
    I: IntElement,
    BT: BoolElement,
{
    fn takes(asking: &FloatTensor<Self>, x: &FloatTensor<Self>, precision: Precision) -> bool {
        cuda_client(x).is_some()
            && [asking.dtype, x.dtype] == [DType::F32; 2]
            && shape(asking, x).is_taken()
            && Self::supports(&x.device, precision)
    }

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
            tensor(&x, Shape::from(vec![n, heads, shape.width]), y),
            tensor(&x, Shape::from(vec![n, heads, shape.tokens]), shares),
        ]
    }

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
            tensor(&x, Shape::from(vec![n, heads, width]), launched(found))
        });
        let x_gradient = of_x.then(|| {
            let pairs = [(&shares, &dy.handle), (&dscores, &asking.handle)];
            let found = spread(client, shape, rounding, pairs);
            tensor(&x, Shape::from(vec![n, tokens, width]), launched(found))
        });
        [asking_gradient, x_gradient]
    }
}

fn client<R: CubeRuntime>(tensor: &CubeTensor<R>) -> &ComputeClient<CudaRuntime> {
    cuda_client(tensor).expect("taken on CUDA alone")
}

fn shape<R: CubeRuntime>(asking: &CubeTensor<R>, x: &CubeTensor<R>) -> SingleQuery {
    let [n, heads, width] = asking.meta.shape().dims();
    SingleQuery {
        n,
        heads,
        tokens: x.meta.shape()[1],
        width,
    }
}

fn rows(shape: SingleQuery) -> RowShape {
    RowShape {
        rows: (shape.n * shape.heads) as u64,
        width: shape.tokens as u64,
    }
}

fn rounding(precision: Precision) -> Rounding {
    match precision {
        Precision::F32 => Rounding::Exact,
        Precision::Tf32 => Rounding::Tf32,
        Precision::Bf16 => Rounding::Bf16,
    }
}
