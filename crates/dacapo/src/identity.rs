//! What this program, on this machine, is: everything outside the state that can change bits.

use burn::tensor::{Tensor, TensorData, activation, backend::Backend};
use dacapo_ops::{Activation, Precision, activate, layer_norm, matmul, scaled_softmax};
use dacapo_trainer::Identity;

use crate::compute::Compute;

/// The version of Burn that the workspace pins.
const BURN: &str = "0.21.0";

/// The identity of runs on `device` in f32, with the settings `shared_config`. The base's hash
/// is the trainer's to fill in.
pub fn identity<B: Compute>(shared_config: &str, device: &B::Device) -> Identity {
    identity_in::<B>(shared_config, device, Precision::F32)
}

/// [`identity`] of runs that multiply matrices in `precision`.
pub fn identity_in<B: Compute>(
    shared_config: &str,
    device: &B::Device,
    precision: Precision,
) -> Identity {
    let facts = B::facts(device, precision);
    Identity {
        base_hash: String::new(),
        config_hash: blake3::hash(shared_config.as_bytes()).to_hex().to_string(),
        dacapo: env!("CARGO_PKG_VERSION").to_owned(),
        burn: BURN.to_owned(),
        backend: B::InnerBackend::name(device),
        device: facts.device,
        precision: facts.precision,
        kernel_plan: facts.kernel_plan,
        cargo_features: cargo_features(),
        cpu_features: cpu_features(),
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        numerics: numerics::<B::InnerBackend>(device, precision),
    }
}

/// Compile-time features that can change bits; `rayon` cannot, and is left out.
fn cargo_features() -> Vec<String> {
    match cfg!(feature = "simd") {
        true => vec!["simd".to_owned()],
        false => Vec::new(),
    }
}

/// The features that the vector kernels and matrix products choose between at run time.
fn cpu_features() -> Vec<String> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::arch::is_x86_feature_detected!($name) { found.push($name.to_owned()); })*
            };
        }
        probe!(
            "sse2", "sse4.1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq",
            "avx512vl"
        );
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! probe {
            ($($name:tt),*) => {
                $(if std::arch::is_aarch64_feature_detected!($name) { found.push($name.to_owned()); })*
            };
        }
        probe!("neon", "fp16", "bf16", "sve");
    }
    found
}

/// BLAKE3 of the results of a fixed battery of operations.
///
/// Versions and feature names do not say everything: the backend calls the C library's
/// `expf` and `tanhf`, whose last bit may differ between systems.
fn numerics<B: Backend>(device: &B::Device, precision: Precision) -> String {
    // A Weyl sequence: well spread values in (-4, 4), the same everywhere.
    let values = |n: usize, offset: u32| -> Vec<f32> {
        (0..n as u32)
            .map(|i| {
                let mixed = (i + offset).wrapping_mul(2_654_435_769) >> 8;
                mixed as f32 / 2_097_152.0 - 4.0
            })
            .collect()
    };
    let tensor = |rows: usize, columns: usize, offset| {
        let data = TensorData::new(values(rows * columns, offset), [rows, columns]);
        Tensor::<B, 2>::from_data(data, device)
    };
    let a = tensor(67, 131, 0);
    let b = tensor(131, 45, 9_000);
    let product = matmul(a.clone(), b.clone(), precision);
    let row = b.clone().narrow(0, 0, 1).flatten::<1>(0, 1);
    let positive = a.clone().abs() + 0.001;
    let results = [
        product.clone(),
        activation::softmax(product.clone(), 1),
        activation::gelu(product.clone()),
        scaled_softmax(product.clone(), 0.3),
        activate(product.clone(), None, Activation::Gelu),
        activate(product.clone(), None, Activation::QuickGelu),
        layer_norm(product.clone(), row.clone(), Some(row), 1e-5),
        a.clone().exp(),
        a.clone().tanh(),
        positive.clone().log(),
        positive.clone().sqrt(),
        positive.powf_scalar(0.37),
        product.clone().sum_dim(0),
        product.clone().mean_dim(1),
        matmul(a.clone().transpose(), a, precision),
        product.var(1),
    ];
    let mut hasher = blake3::Hasher::new();
    for result in results {
        hasher.update(result.into_data().as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
