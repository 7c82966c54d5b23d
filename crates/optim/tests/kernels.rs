//! On a backend with a step of its own: the bits of the single steps by tensor operations. On the
//! host always, on a GPU, or on Vulkan's software driver, with its feature.

use std::collections::BTreeMap;

use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use dacapo_optim::{
    AdamW, AdamWConfig, AdamWState, Moments, Optimizer, ParamGroup, ParamSpec, SgdConfig,
    adamw_step,
};

#[cfg(feature = "cuda")]
type Device = burn_cuda::Cuda;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Device = burn_wgpu::Wgpu;
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
type Device = burn_flex::Flex;

type Tensors = BTreeMap<String, Tensor<Device, 1>>;

fn draw(specs: &BTreeMap<String, ParamSpec>, state: &mut u64) -> Tensors {
    let mut next = || {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((*state >> 40) as f32 - 8_388_608.0) / 8_388_608.0
    };
    specs
        .iter()
        .map(|(path, spec)| {
            let values: Vec<f32> = (0..spec.len()).map(|_| next()).collect();
            let data = TensorData::new(values, [spec.len()]);
            (path.clone(), Tensor::from_data(data, &Default::default()))
        })
        .collect()
}

fn bits(tensor: &Tensor<Device, 1>) -> Vec<u32> {
    let values: Vec<f32> = tensor.to_data().to_vec().expect("f32");
    values.into_iter().map(f32::to_bits).collect()
}

fn moment_bits(moments: &Moments<Device>) -> Vec<Vec<u32>> {
    [&moments.exp_avg, &moments.exp_avg_sq]
        .into_iter()
        .chain(&moments.max_exp_avg_sq)
        .map(bits)
        .collect()
}

#[test]
fn many_at_once_differ_from_one_by_one() {
    let lengths = [1, 3, 4, 35, 64, 1000, 4099];
    let specs: BTreeMap<String, ParamSpec> = lengths
        .iter()
        .enumerate()
        .map(|(i, len)| (format!("p{i}"), ParamSpec::new([*len], DType::F32)))
        .collect();
    let config = AdamWConfig {
        lr: 3e-3,
        groups: vec![
            ParamGroup {
                pattern: "p1".to_owned(),
                weight_decay: Some(0.0),
                beta1: Some(0.3),
                ..ParamGroup::default()
            },
            ParamGroup {
                pattern: "p3".to_owned(),
                amsgrad: Some(true),
                ..ParamGroup::default()
            },
        ],
        ..AdamWConfig::default()
    };
    let adamw = AdamW::new(config).expect("it is valid");
    let mut seed = 1;
    let mut params = draw(&specs, &mut seed);
    let mut state: AdamWState<Device> = adamw.init(&specs, &Default::default()).expect("valid");
    for _ in 0..4 {
        let grads = draw(&specs, &mut seed);
        let mut wanted = BTreeMap::new();
        for (path, param) in &params {
            let hyper = adamw.hyper(path);
            let (param, grad) = (param.clone(), grads[path].clone());
            let moments = state.moments()[path].clone();
            wanted.insert(
                path.clone(),
                adamw_step(&hyper, hyper.lr * 0.7, param, grad, moments),
            );
        }
        (params, state, _) = adamw.step(state, params, grads, 0.7).expect("a step");
        for (path, (param, moments)) in &wanted {
            assert_eq!(bits(&params[path]), bits(param), "{path}");
            let found = &state.moments()[path];
            assert_eq!(
                moment_bits(found),
                moment_bits(moments),
                "moments of {path}"
            );
            assert_eq!((found.step, &found.shape), (moments.step, &moments.shape));
        }
    }
}

#[test]
fn f64_is_rounded_to_f32() {
    let device = Default::default();
    if !Device::supports_dtype(&device, DType::F64) {
        return;
    }
    let specs = BTreeMap::from([("p".to_owned(), ParamSpec::new([5], DType::F64))]);
    let adamw = AdamW::new(AdamWConfig::default()).expect("it is valid");
    let values = |x: f64| -> Tensors {
        let data = TensorData::new(vec![x; 5], [5]);
        BTreeMap::from([(
            "p".to_owned(),
            Tensor::from_data(data, (&device, DType::F64)),
        )])
    };
    let state = adamw.init(&specs, &device).expect("valid");
    let (params, _, _) = adamw
        .step(state, values(0.1), values(1e-3), 1.0)
        .expect("a step");
    assert_eq!(params["p"].dtype(), DType::F64);
    let found = params["p"].to_data().to_vec::<f64>().expect("f64")[0];
    assert_ne!(found, f64::from(found as f32));
}

#[test]
fn old_values_change_under_whoever_holds_them() {
    let specs = BTreeMap::from([("p".to_owned(), ParamSpec::new([64], DType::F32))]);
    let adamw = AdamW::new(AdamWConfig::default()).expect("it is valid");
    let mut seed = 2;
    let (params, grads) = (draw(&specs, &mut seed), draw(&specs, &mut seed));
    let state: AdamWState<Device> = adamw.init(&specs, &Default::default()).expect("valid");
    let before = (bits(&params["p"]), moment_bits(&state.moments()["p"]));
    let (kept_params, kept_state) = (params.clone(), state.clone());
    let (stepped, _, _) = adamw.step(state, params, grads, 1.0).expect("a step");
    assert_ne!(bits(&stepped["p"]), before.0);
    assert_eq!(
        (
            bits(&kept_params["p"]),
            moment_bits(&kept_state.moments()["p"])
        ),
        before
    );
}

/// Before its first step SGD has no tensors, of which Burn's transaction cannot read none.
#[test]
fn state_without_tensors_cannot_be_recorded() {
    let specs = BTreeMap::from([("p".to_owned(), ParamSpec::new([3], DType::F32))]);
    let config = SgdConfig {
        momentum: 0.9,
        ..SgdConfig::default()
    };
    let mut sgd = Optimizer::<Device>::new(&config.into(), &specs, &Default::default()).unwrap();
    let record = sgd.to_record().unwrap();
    assert_eq!(record.sgd().unwrap().params["p"].momentum_buffer, None);
    let (params, grads) = (draw(&specs, &mut 1), draw(&specs, &mut 2));
    let expected = bits(&grads["p"]);
    sgd.step(params, grads, 1.0).unwrap();
    let record = sgd.to_record().unwrap();
    let buffer = record.sgd().unwrap().params["p"].momentum_buffer.clone();
    let buffer: Vec<f32> = buffer.unwrap().to_vec().unwrap();
    let buffer: Vec<u32> = buffer.into_iter().map(f32::to_bits).collect();
    assert_eq!(buffer, expected);
}
