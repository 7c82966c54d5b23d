//! A metric to watch that does not exist was found when the first epoch ended.

use dacapo_tests::{Settings, sandbox};

#[test]
fn unknown_metric_was_found_late() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("early_stopping.monitor", "valid_los");
    let refused = sandbox.run(settings.train("run")).expect_code(2);
    assert!(
        refused
            .err
            .contains("Choose one of train_loss, valid_accuracy, valid_loss."),
        "{}",
        refused.err
    );
    assert!(!sandbox.path("run").exists());
}
