//! A model for other images than the data's panicked at its first step, one with too few
//! classes failed there; both left a run folder behind.

use dacapo_tests::{Settings, sandbox};

#[track_caller]
fn refused_before_anything_is_written(settings: &Settings, cause: &str) {
    let sandbox = sandbox!();
    let refused = sandbox.run(settings.train("run")).expect_code(2);
    assert!(refused.err.starts_with("dacapo: "), "{}", refused.err);
    assert!(refused.err.contains(cause), "{}", refused.err);
    assert!(!sandbox.path("run").exists(), "a run folder was left");
}

#[test]
fn image_size_panicked() {
    for size in [4, 16] {
        let settings = Settings::small().set("model.vit.image_size", size);
        let cause = format!("model.vit.image_size = {size}, but the images are 8x8");
        refused_before_anything_is_written(&settings, &cause);
    }
    let settings = Settings::small_conv_net().set("model.conv_net.image_size", 9);
    refused_before_anything_is_written(&settings, "model.conv_net.image_size = 9");
}

#[test]
fn label_beyond_the_classes_was_found_in_the_first_step() {
    let settings = Settings::small().set("model.vit.classes", 9);
    let cause = "model.vit.classes = 9, but the data holds the label 9";
    refused_before_anything_is_written(&settings, cause);

    let settings = Settings::small_conv_net()
        .set("model.conv_net.classes", 3)
        .set("data.classes", "[0, 3]");
    let cause = "model.conv_net.classes = 3, but the data holds the label 3";
    refused_before_anything_is_written(&settings, cause);
}
