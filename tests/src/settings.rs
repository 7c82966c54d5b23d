/// Configuration keys for `train`, as `--set` arguments.
///
/// A later value of a key wins, so that a test states only what it is about.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<String>);

impl Settings {
    /// No key: the embedded default.
    pub fn new() -> Self {
        Self::default()
    }

    /// A small transformer with fresh weights, 40 images in batches of 16 (3 steps an
    /// epoch, the last one incomplete), 3 epochs: 9 steps.
    pub fn small() -> Self {
        Self::small_data()
            .set("model.vit.d_model", 16)
            .set("model.vit.blocks", 1)
            .set("model.vit.heads", 2)
            .set("model.vit.d_mlp", 32)
    }

    /// As [`small`](Self::small), with the convolutional net, every parameter trained.
    pub fn small_conv_net() -> Self {
        Self::small_data()
            .set("model.kind", "conv-net")
            .set("model.conv_net.channels", "[4, 8]")
            .set("adapt.mode", "full")
    }

    fn small_data() -> Self {
        Self::new()
            .set("model.base", "random")
            .set("data.limit", 40)
            .set("data.valid_fraction", 0.03)
            .set("data.test_fraction", 0.03)
            .set("train.batch_size", 16)
            .set("train.epochs", 3)
            .set("scheduler.warmup", 2)
    }

    /// Adds `key=value`, the value as TOML.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.0.push(format!("{key}={}", value.to_string()));
        self
    }

    /// The keys, each as `key=value`.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// The arguments of `train` that make this run in the folder `out`.
    pub fn train(&self, out: &str) -> Vec<String> {
        let set = self.0.iter().flat_map(|key| ["--set", key]);
        ["train", "--out", out]
            .into_iter()
            .chain(set)
            .map(str::to_owned)
            .collect()
    }

    /// As [`train`](Self::train), to end after `step` optimizer steps.
    pub fn train_until(&self, out: &str, step: u64) -> Vec<String> {
        let mut args = self.train(out);
        args.extend(["--stop-after-step".to_owned(), step.to_string()]);
        args
    }
}
