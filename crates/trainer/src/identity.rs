use serde::{Deserialize, Serialize};

/// Everything outside the state that can change bits.
///
/// A record carries the identity it was made under; resuming compares it with the
/// program's own and refuses a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// BLAKE3 of every frozen tensor (path, dtype, shape, bytes), in hex.
    pub base_hash: String,
    /// BLAKE3 of the settings that a resumed run must share, in hex.
    pub config_hash: String,
    /// Version of dacapo.
    pub dacapo: String,
    /// Version of Burn.
    pub burn: String,
    /// The backend's name.
    pub backend: String,
    /// The device's name, with the versions of its driver and compiler where it has them.
    pub device: String,
    /// Precision of matrix products.
    pub precision: String,
    /// The kernels in use; `fixed` where the backend has just one, for plain tensor operations.
    pub kernel_plan: String,
    /// Compile-time features that can change bits.
    pub cargo_features: Vec<String>,
    /// Vector features that the processor offers to run-time dispatch.
    pub cpu_features: Vec<String>,
    /// Operating system and architecture.
    pub platform: String,
    /// BLAKE3 of the results of a fixed battery of operations on the backend:
    /// catches what no version says, such as another C library's `expf`.
    pub numerics: String,
}

/// One part of an [`Identity`] that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityChange {
    /// The field's name.
    pub key: String,
    /// The value in the record.
    pub recorded: String,
    /// The value of this program.
    pub current: String,
}

impl Identity {
    /// The parts in which `current` differs from this recorded identity.
    pub fn changes(&self, current: &Self) -> Vec<IdentityChange> {
        self.parts()
            .into_iter()
            .zip(current.parts())
            .filter(|(recorded, current)| recorded.1 != current.1)
            .map(|((key, recorded), (_, current))| IdentityChange {
                key: key.to_owned(),
                recorded,
                current,
            })
            .collect()
    }

    /// Names in place of this part all of `values`, which several processes have; a part that says
    /// nothing of a device stays as it is.
    pub(crate) fn mix(&mut self, part: &str, mut values: Vec<String>) {
        values.sort();
        values.dedup();
        let mixed = values.join(" + ");
        match part {
            "device" => self.device = mixed,
            "kernel_plan" => self.kernel_plan = mixed,
            "cpu_features" => self.cpu_features = vec![mixed],
            "numerics" => self.numerics = mixed,
            _ => {}
        }
    }

    /// Name and value of every part, in the order of declaration.
    pub fn parts(&self) -> Vec<(&'static str, String)> {
        // Destructured, so that a new field cannot be forgotten here.
        let Self {
            base_hash,
            config_hash,
            dacapo,
            burn,
            backend,
            device,
            precision,
            kernel_plan,
            cargo_features,
            cpu_features,
            platform,
            numerics,
        } = self;
        vec![
            ("base_hash", base_hash.clone()),
            ("config_hash", config_hash.clone()),
            ("dacapo", dacapo.clone()),
            ("burn", burn.clone()),
            ("backend", backend.clone()),
            ("device", device.clone()),
            ("precision", precision.clone()),
            ("kernel_plan", kernel_plan.clone()),
            ("cargo_features", format!("[{}]", cargo_features.join(", "))),
            ("cpu_features", format!("[{}]", cpu_features.join(", "))),
            ("platform", platform.clone()),
            ("numerics", numerics.clone()),
        ]
    }
}
