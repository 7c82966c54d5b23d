//! Equal settings give equal bits: in another process, with another number of threads.

use std::process::{Command, Stdio};

use dacapo_tests::{Finished, Sandbox, Settings, assert_same_run, compare_runs, sandbox};

/// The default sizes. Batches of 256 are large enough that matrix products, sums and
/// elementwise operations are spread over threads (they are from some 10^5 elements on,
/// or 10^6 multiplications); 32, the default, lies around that limit.
fn default_sizes(batch_size: usize, epochs: u64) -> Settings {
    Settings::new()
        .set("model.base", "random")
        .set("data.limit", 512)
        .set("data.valid_fraction", 0.1)
        .set("data.test_fraction", 0.05)
        .set("adapt.dropout", 0.1)
        .set("model.vit.dropout", 0.1)
        .set("train.batch_size", batch_size)
        .set("train.epochs", epochs)
        .set("scheduler.warmup", 3)
}

fn with_threads(sandbox: &Sandbox, args: &[String], threads: usize) -> Command {
    let mut command = sandbox.command(args);
    command.env("RAYON_NUM_THREADS", threads.to_string());
    command
}

/// Gives the number of steps.
#[track_caller]
fn assert_threads_are_harmless(settings: &Settings) -> u64 {
    let sandbox = sandbox!();
    for threads in [1, 2, 4] {
        let args = settings.train(&threads.to_string());
        Finished::of(&mut with_threads(&sandbox, &args, threads)).expect_success();
    }
    assert_eq!(sandbox.latest("4").info.threads, 4);
    assert_same_run(&sandbox.path("1"), &sandbox.path("2"));
    assert_same_run(&sandbox.path("1"), &sandbox.path("4"));
    sandbox.latest("1").run.global_step
}

#[test]
fn threads_change_bits_of_large_batches() {
    let settings = default_sizes(256, 5);
    assert_eq!(assert_threads_are_harmless(&settings), 10);
}

#[test]
fn threads_change_bits_of_batches_of_the_default_size() {
    assert_eq!(assert_threads_are_harmless(&default_sizes(32, 1)), 16);
}

#[test]
fn threads_change_bits_of_the_convolutional_net() {
    let settings = default_sizes(256, 5)
        .set("model.kind", "conv-net")
        .set("model.conv_net.channels", "[32, 64]")
        .set("adapt.mode", "full");
    assert_threads_are_harmless(&settings);
}

#[test]
fn threads_change_bits_of_full_fine_tuning() {
    let settings = default_sizes(256, 2).set("adapt.mode", "full");
    assert_threads_are_harmless(&settings);
}

/// Guards the tests above: with one thread in all of them, they would prove nothing.
#[cfg(target_os = "linux")]
#[test]
fn threads_are_never_started() {
    if !cfg!(feature = "rayon") {
        return;
    }
    let sandbox = sandbox!();
    let args = default_sizes(256, 2).train("run");
    let mut child = with_threads(&sandbox, &args, 4)
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let tasks = format!("/proc/{}/task", child.id());
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        most = most.max(std::fs::read_dir(&tasks).map_or(0, Iterator::count));
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(status.success());
    assert!(most > 4, "{most} threads at most");
}

#[test]
fn other_number_of_threads_bends_a_resumed_run() {
    let sandbox = sandbox!();
    let settings = default_sizes(256, 3);
    let run = |args: &[String], threads| {
        Finished::of(&mut with_threads(&sandbox, args, threads)).expect_success();
    };
    run(&settings.train("whole"), 2);
    run(&settings.train_until("stopped", 3), 1);
    let args = ["resume", "stopped", "--stop-after-step", "5"].map(str::to_owned);
    run(&args, 4);
    run(&args[..2], 1);
    assert_same_run(&sandbox.path("whole"), &sandbox.path("stopped"));
}

#[test]
fn second_process_computes_other_bits() {
    // At the same time, so that addresses, times and load differ as they will.
    let sandbox = sandbox!();
    let settings = default_sizes(128, 1);
    let children = ["a", "b", "c"].map(|name| {
        let mut command = with_threads(&sandbox, &settings.train(name), 2);
        command.stdout(Stdio::null());
        command.spawn().expect("the program starts")
    });
    for mut child in children {
        assert!(child.wait().expect("the child is ours").success());
    }
    assert_same_run(&sandbox.path("a"), &sandbox.path("b"));
    assert_same_run(&sandbox.path("a"), &sandbox.path("c"));
}

#[test]
fn environment_changes_bits() {
    let sandbox = sandbox!();
    let settings = Settings::small().set("data.augment", "shift");
    sandbox.run(settings.train("plain")).expect_success();
    let mut command = sandbox.command(settings.train("odd"));
    command
        .envs([("LC_ALL", "de_DE.UTF-8"), ("LANG", "de_DE.UTF-8")])
        .envs([("TZ", "Asia/Kolkata"), ("NO_COLOR", "1"), ("TERM", "dumb")])
        .envs([("RUST_LOG", "trace"), ("CARGO", "/bin/cargo")])
        .env_remove("HOME");
    Finished::of(&mut command).expect_success();
    assert_same_run(&sandbox.path("plain"), &sandbox.path("odd"));
}

#[test]
fn verbosity_or_output_format_changes_bits() {
    let sandbox = sandbox!();
    let settings = Settings::small();
    sandbox.run(settings.train("plain")).expect_success();
    let mut args = settings.train("loud");
    args.extend(["-vv", "--json"].map(str::to_owned));
    sandbox.run(args).expect_success();
    assert_same_run(&sandbox.path("plain"), &sandbox.path("loud"));
}

#[test]
fn seed_changes_nothing() {
    let sandbox = sandbox!();
    for seed in [1, 2] {
        let settings = Settings::small().set("run.seed", seed);
        sandbox
            .run(settings.train(&seed.to_string()))
            .expect_success();
    }
    let differences = compare_runs(&sandbox.path("1"), &sandbox.path("2"));
    assert_ne!(sandbox.history("1"), sandbox.history("2"));
    let text = differences.join("\n");
    for part in [
        "adapters.",
        "optimizer.params.",
        "rng.seed",
        "data.permutation_key",
    ] {
        assert!(text.contains(part), "{part} is equal:\n{text}");
    }
    // The split has a seed of its own: every run has the same test images.
    assert!(!text.contains("data.fingerprint"), "{text}");
}
