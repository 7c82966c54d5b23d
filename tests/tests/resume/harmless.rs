use dacapo_tests::{Sandbox, Settings, assert_same_run, sandbox};
use serde_json::Value;

/// An uninterrupted run, in the folder `whole`.
pub struct Whole {
    pub sandbox: Sandbox,
    pub summary: Value,
}

impl Whole {
    #[track_caller]
    pub fn run(settings: &Settings) -> Self {
        let sandbox = sandbox!();
        let summary = sandbox.run(json(settings.train("whole")));
        Self {
            summary: summary.expect_success().json(),
            sandbox,
        }
    }

    pub fn steps(&self) -> u64 {
        self.summary["step"].as_u64().expect("steps are a number")
    }

    pub fn epochs(&self) -> u64 {
        self.summary["epochs"]
            .as_u64()
            .expect("epochs are a number")
    }

    /// Asserts that the run in the folder `other` holds this run's bits.
    #[track_caller]
    pub fn assert_same(&self, other: &str) {
        assert_same_run(&self.sandbox.path("whole"), &self.sandbox.path(other));
    }
}

/// Runs `settings` once without a stop and then, for every step k from 0 to the last,
/// with a stop after k and a resumption: all must end in the same bits.
#[track_caller]
pub fn assert_stops_are_harmless(settings: &Settings) -> Whole {
    let whole = Whole::run(settings);
    assert!(
        whole.epochs() >= 3,
        "a run of one or two epochs proves little"
    );
    let sandbox = &whole.sandbox;
    for step in 0..=whole.steps() {
        let name = format!("stopped-{step}");
        let stopped = sandbox.run(json(settings.train_until(&name, step)));
        assert_eq!(stopped.expect_success().json()["step"], step);
        assert_eq!(sandbox.latest(&name).run.global_step, step);
        sandbox.run(["resume", &name]).expect_success();
        whole.assert_same(&name);
        sandbox.remove(&name);
    }
    whole
}

/// As [`assert_stops_are_harmless`], for settings that must change what
/// [`Settings::small`] computes: if they did not, the test would prove nothing.
#[track_caller]
pub fn assert_setting_survives_stops(settings: &Settings) -> Whole {
    let whole = assert_stops_are_harmless(settings);
    let plain = Whole::run(&Settings::small());
    assert_ne!(
        whole.sandbox.history("whole"),
        plain.sandbox.history("whole"),
        "the setting has no effect"
    );
    whole
}

pub fn json(mut args: Vec<String>) -> Vec<String> {
    args.push("--json".to_owned());
    args
}
