//! Branches off a run: nothing changes but what is named, and not one step earlier.

use std::fs;

use dacapo::trainer::TrainerRecord;
use dacapo_tests::{Sandbox, Settings, sandbox};

/// 9 steps in 3 epochs, with everything that draws: shuffling, dropout, augmentation.
fn settings() -> Settings {
    Settings::small()
        .set("adapt.dropout", 0.2)
        .set("data.augment", "shift")
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 100)
}

fn baseline() -> Sandbox {
    let sandbox = sandbox!();
    sandbox.run(settings().train("whole")).expect_code(0);
    sandbox
}

const KINDS: [&str; 7] = [
    "label-shuffle",
    "random-targets",
    "image-noise",
    "uniform-images",
    "learning-rate",
    "data-order",
    "dropout-seed",
];

/// Branches off `whole`.
#[track_caller]
fn fork(sandbox: &Sandbox, at: &str, out: &str, more: &[&str]) -> String {
    let args = ["fork", "whole", "--at", at, "--out", out];
    sandbox.run([&args[..], more].concat()).expect_code(0).out
}

#[track_caller]
fn go_on(sandbox: &Sandbox, run: &str) -> TrainerRecord {
    let told = sandbox.run(["resume", run]).expect_code(0).out;
    // Training its configuration does not make a branch.
    assert!(!told.contains("--stop-after-step"), "{told}");
    sandbox.latest(run)
}

/// The baseline's state after so many steps.
fn at(sandbox: &Sandbox, run: &str, step: u64) -> TrainerRecord {
    let names = dacapo::trainer::RunFolder::new(sandbox.path(run)).checkpoints();
    let names = names.expect("the folder can be listed");
    let found = names.iter().find(|(_, found, _)| *found == step);
    sandbox.record(run, &found.expect("kept").2)
}

/// Where two states stand in data and random numbers, which no perturbation of a batch moves.
#[track_caller]
fn assert_same_draws(a: &TrainerRecord, b: &TrainerRecord) {
    assert_eq!(a.rng, b.rng);
    assert_eq!(a.data, b.data);
    assert_eq!(a.scheduler, b.scheduler);
}

#[test]
fn branch_without_a_change_leaves_its_parent() {
    let sandbox = baseline();
    for (index, point) in ["0", "1", "2", "step:1", "step:5", "latest", "best"]
        .iter()
        .enumerate()
    {
        let out = format!("fork-{index}");
        let told = fork(&sandbox, point, &out, &[]);
        assert!(told.contains("changed      nothing"), "{told}");
        let end = go_on(&sandbox, &out);
        let parent = sandbox.latest("whole");
        assert_ne!(end.run.run_id, parent.run.run_id);
        assert_eq!(
            end.run.parent.as_ref().expect("a parent").run_id,
            parent.run.run_id
        );
        let same = ["verify", "whole", &out, "--across-forks"];
        let told = sandbox.run(same).expect_code(0).out;
        assert!(
            told.contains("not compared: ") && told.contains("run.run_id"),
            "{told}"
        );
        // By itself, `verify` tells them apart.
        sandbox.run(["verify", "whole", &out]).expect_code(1);
    }
}

#[test]
fn perturbation_of_one_step_begins_earlier_or_moves_what_follows() {
    let sandbox = baseline();
    for kind in KINDS {
        if kind == "data-order" {
            continue;
        }
        let more = match kind {
            "learning-rate" => vec!["--perturb", kind, "--unit", "step", "--factor", "0.5"],
            _ => vec!["--perturb", kind, "--unit", "step"],
        };
        // Step 5 is the second of an epoch.
        let told = fork(&sandbox, "step:4", kind, &more);
        assert!(told.contains(&format!("perturbed    {kind}")), "{told}");
        let start = sandbox.latest(kind);
        assert_eq!(start.adapters, at(&sandbox, "whole", 4).adapters);
        assert_eq!(start.optimizer, at(&sandbox, "whole", 4).optimizer);
        let end = go_on(&sandbox, kind);
        for step in 5..=9 {
            let (ours, theirs) = (at(&sandbox, kind, step), at(&sandbox, "whole", step));
            assert_ne!(
                ours.adapters, theirs.adapters,
                "{kind} is not seen in step {step}"
            );
            assert_same_draws(&ours, &theirs);
        }
        assert!(end.run.perturbation.expect("recorded").starts_with(kind));
    }
}

/// In one run's own configuration: the steps before the window are the undisturbed run's.
#[test]
fn window_begins_a_step_early() {
    let sandbox = baseline();
    let disturbed = settings()
        .set("perturbation.kind", "random-targets")
        .set("perturbation.first_step", 6)
        .set("perturbation.steps", 2);
    sandbox.run(disturbed.train("late")).expect_code(0);
    for step in 0..=9 {
        let (ours, theirs) = (at(&sandbox, "late", step), at(&sandbox, "whole", step));
        assert_eq!(ours.adapters == theirs.adapters, step < 6, "step {step}");
        assert_same_draws(&ours, &theirs);
    }
    // Another seed disturbs otherwise, the same one equally.
    for (seed, equal) in [(0, true), (1, false)] {
        let run = format!("seed-{seed}");
        let settings = disturbed.clone().set("perturbation.seed", seed);
        sandbox.run(settings.train(&run)).expect_code(0);
        let adapters = [run.as_str(), "late"].map(|run| sandbox.latest(run).adapters);
        assert_eq!(adapters[0] == adapters[1], equal, "seed {seed}");
    }
}

#[test]
fn perturbed_order_of_an_epoch_stays() {
    let sandbox = baseline();
    fork(
        &sandbox,
        "1",
        "order",
        &["--perturb", "data-order", "--perturb-seed", "3"],
    );
    let end = go_on(&sandbox, "order");
    let keys = |run: &str, step| at(&sandbox, run, step).data.permutation_key;
    assert_ne!(keys("order", 4), keys("whole", 4));
    // The third epoch's is the baseline's again.
    assert_eq!(keys("order", 7), keys("whole", 7));
    assert_eq!(end.rng, sandbox.latest("whole").rng);
    assert_ne!(end.adapters, sandbox.latest("whole").adapters);
}

/// What does nothing moves nothing: the window itself leaves no trace.
#[test]
fn window_itself_changes_bits() {
    let sandbox = sandbox!();
    let plain = Settings::small();
    sandbox.run(plain.train("whole")).expect_code(0);
    let factor = [
        "--perturb",
        "learning-rate",
        "--factor",
        "1.0",
        "--length",
        "2",
    ];
    fork(&sandbox, "1", "factor", &factor);
    fork(&sandbox, "1", "masks", &["--perturb", "dropout-seed"]);
    for run in ["factor", "masks"] {
        go_on(&sandbox, run);
        sandbox
            .run(["verify", "whole", run, "--across-forks"])
            .expect_code(0);
    }
}

#[test]
fn stop_within_the_window_changes_bits() {
    let sandbox = baseline();
    for kind in KINDS {
        let mut more = vec!["--perturb", kind, "--length", "2"];
        if kind == "learning-rate" {
            more.extend(["--factor", "0.5"]);
        }
        let halves = format!("{kind}-halves");
        for out in [kind, &halves] {
            fork(&sandbox, "1", out, &more);
        }
        go_on(&sandbox, kind);
        for step in ["5", "6", "8"] {
            sandbox
                .run(["resume", &halves, "--stop-after-step", step])
                .expect_code(0);
        }
        go_on(&sandbox, &halves);
        sandbox.run(["verify", kind, &halves]).expect_code(0);
    }
}

#[test]
fn changed_setting_is_not_recorded_or_not_used() {
    let sandbox = baseline();
    let told = fork(&sandbox, "1", "rate", &["--set", "optimizer.lr=0.001"]);
    assert!(told.contains("optimizer.lr: 0.006 -> 0.001"), "{told}");
    let end = go_on(&sandbox, "rate");
    assert_ne!(end.adapters, sandbox.latest("whole").adapters);
    let source = end.run.lineage[0].forked.as_ref().expect("a branch");
    assert_eq!(source.run_id, sandbox.latest("whole").run.run_id);
    assert_eq!(source.changes.len(), 1);
    let inspected = sandbox.run(["inspect", "rate"]).expect_code(0).out;
    assert!(
        inspected.contains("optimizer.lr: 0.006 -> 0.001"),
        "{inspected}"
    );
    assert_eq!(end.optimizer.config().lr(), 0.001);

    // A branch of a branch knows where both began.
    let twice = [
        "fork",
        "rate",
        "--at",
        "2",
        "--out",
        "twice",
        "--set",
        "optimizer.lr=0.002",
    ];
    sandbox.run(twice).expect_code(0);
    let end = go_on(&sandbox, "twice");
    assert_eq!(end.run.lineage.len(), 2);
    let tree = sandbox.run(["lineage", "."]).expect_code(0).out;
    let places = [
        "whole  run",
        "rate  run",
        "twice  run",
        "optimizer.lr: 0.001 -> 0.002",
    ]
    .map(|part| {
        tree.find(part)
            .unwrap_or_else(|| panic!("`{part}` is not in\n{tree}"))
    });
    assert!(places.is_sorted(), "{tree}");
    assert!(tree.contains("one continuous run (A)"), "{tree}");
    let runs = sandbox
        .run(["lineage", "whole", "rate", "--json"])
        .expect_code(0)
        .json();
    assert_eq!(runs[0]["parent"]["run_id"], runs[1]["run_id"]);
    assert_eq!(runs[0]["parent"]["step"], 3);
}

#[test]
fn other_seed_changes_what_was_before() {
    let sandbox = sandbox!();
    // A base from a file: a drawn one is another with another seed.
    let settings = Settings::new()
        .set("data.limit", 64)
        .set("train.epochs", 2)
        .set("scheduler.warmup", 1);
    sandbox.run(settings.train("whole")).expect_code(0);
    fork(&sandbox, "1", "seed", &["--set", "run.seed=7"]);
    let (start, parent) = (sandbox.latest("seed"), at(&sandbox, "whole", 2));
    assert_eq!(start.adapters, parent.adapters);
    assert_ne!(start.data.permutation_key, parent.data.permutation_key);
    let streams = |record: &TrainerRecord| {
        let streams = record.rng.streams.iter();
        streams
            .map(|(name, stream)| (name.clone(), stream.position))
            .collect::<Vec<_>>()
    };
    assert_eq!(streams(&start), streams(&parent));
    // The lineage names the parent's state, not one with the other seed.
    let hash = parent
        .clone()
        .state_hash::<burn_flex::Flex>()
        .expect("a hash");
    assert_eq!(
        start.run.lineage[0]
            .forked
            .as_ref()
            .expect("a branch")
            .state_hash,
        hash
    );
    assert_ne!(start.rng, parent.rng);
    let end = go_on(&sandbox, "seed");
    assert_ne!(end.adapters, sandbox.latest("whole").adapters);
}

#[test]
fn run_that_stopped_early_cannot_be_branched_off_to_go_on() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("early_stopping.monitor", "train_loss")
        .set("early_stopping.direction", "max")
        .set("early_stopping.patience", 1);
    sandbox.run(settings.train("whole")).expect_code(0);
    assert!(sandbox.latest("whole").early_stopping.triggered);
    fork(
        &sandbox,
        "latest",
        "patient",
        &["--set", "early_stopping.patience=9"],
    );
    let end = go_on(&sandbox, "patient");
    assert_eq!(end.data.epoch, 3);
    // Its best epoch is the parent's, whose checkpoint it has.
    assert_eq!(end.early_stopping.best_epoch, Some(1));
    let best = dacapo::trainer::RunFolder::new(sandbox.path("patient")).best();
    let best = best
        .expect("the pointer can be read")
        .expect("there is one");
    assert_eq!(
        sandbox.record("patient", &best).adapters,
        sandbox.record("whole", &best).adapters
    );
}

#[track_caller]
fn assert_refused(sandbox: &Sandbox, args: &[&str], parts: &[&str]) {
    let refused = sandbox.run([&["fork", "whole", "--out", "refused"], args].concat());
    let refused = refused.expect_code(2).err;
    for part in parts {
        assert!(refused.contains(part), "`{part}` is not in: {refused}");
    }
    assert!(!sandbox.path("refused").exists(), "a run folder was made");
}

#[test]
fn branch_that_means_nothing_is_made() {
    let sandbox = sandbox!();
    sandbox.run(Settings::small().train("whole")).expect_code(0);
    assert_refused(&sandbox, &["--at", "7"], &["no checkpoint", "1, 2, 3"]);
    assert_refused(
        &sandbox,
        &["--at", "step:4"],
        &["no checkpoint", "every_steps"],
    );
    assert_refused(&sandbox, &["--at", "yesterday"], &["yesterday", "step:N"]);
    let noise = ["--at", "1", "--perturb", "noise"];
    assert_refused(&sandbox, &noise, &["noise", "image-noise"]);
    let rate = ["--at", "1", "--perturb", "learning-rate"];
    assert_refused(&sandbox, &rate, &["perturbation.factor"]);
    let factor = ["--at", "1", "--perturb", "image-noise", "--factor", "2"];
    assert_refused(&sandbox, &factor, &["perturbation.factor"]);
    let order = ["--at", "1", "--perturb", "data-order", "--unit", "step"];
    assert_refused(&sandbox, &order, &["whole epochs"]);
    assert_refused(&sandbox, &["--at", "1", "--length", "2"], &["--perturb"]);
    let none = ["--at", "1", "--perturb", "image-noise", "--length", "0"];
    assert_refused(&sandbox, &none, &["perturbation", "0 steps"]);
    let drawn = ["--at", "1", "--set", "run.seed=7"];
    assert_refused(&sandbox, &drawn, &["identity.base_hash"]);
    let rank = ["--at", "1", "--set", "adapt.rank=2"];
    assert_refused(&sandbox, &rank, &["adapters."]);
    let other = ["--at", "1", "--set", "optimizer.kind=sgd"];
    assert_refused(&sandbox, &other, &["`kind`"]);
    let data = ["--at", "1", "--set", "data.limit=39"];
    assert_refused(&sandbox, &data, &["data.fingerprint"]);

    let within = Settings::small().train_until("within", 4);
    sandbox.run(within).expect_code(0);
    let seed = [
        "fork",
        "within",
        "--at",
        "latest",
        "--out",
        "refused",
        "--set",
        "run.seed=7",
    ];
    let refused = sandbox.run(seed).expect_code(2).err;
    assert!(refused.contains("data.permutation_key"), "{refused}");

    let config = sandbox.path("whole").join("config.toml");
    let text = fs::read_to_string(&config).expect("a run has one");
    fs::write(&config, text.replace("rank = ", "rank = 1")).expect("written");
    assert_refused(&sandbox, &["--at", "1"], &["adapt.rank"]);
    let empty = sandbox
        .run(["lineage", "within/checkpoints"])
        .expect_code(2)
        .err;
    assert!(empty.contains("no run"), "{empty}");
}

/// The run that others branch off is pruned like any other; what they branch off is not.
#[test]
fn parent_of_a_branch_is_pruned() {
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 2)
        .set("checkpoint.keep_every_epochs", 0);
    sandbox.run(settings.train_until("run", 4)).expect_success();
    let told = sandbox
        .run(["fork", "run", "--at", "step:4", "--out", "branch"])
        .expect_success()
        .out;
    assert!(told.contains("step-00000004 of the parent"), "{told}");
    sandbox.run(["resume", "run"]).expect_success();
    let kept = |run: &str| -> Vec<u64> {
        let folder = dacapo::trainer::RunFolder::new(sandbox.path(run));
        let kept = folder.checkpoints().expect("readable");
        kept.into_iter().map(|(_, step, _)| step).collect()
    };
    let best = sandbox.latest("run").early_stopping.best_checkpoint;
    let best: u64 = best
        .and_then(|name| name.rsplit('-').next()?.parse().ok())
        .expect("an epoch has ended");
    let mut expected = vec![0, 4, 8, 9, best];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(kept("run"), expected);
    // A branch that is gone lets go only when told to.
    sandbox.remove("branch");
    let told = sandbox.run(["repair", "run"]).expect_success().out;
    assert!(told.contains("a branch that is not in"), "{told}");
    assert!(
        sandbox
            .path("run/pins")
            .read_dir()
            .expect("there")
            .next()
            .is_some()
    );
    sandbox.run(["repair", "run", "--delete"]).expect_success();
    assert!(
        sandbox
            .path("run/pins")
            .read_dir()
            .expect("there")
            .next()
            .is_none()
    );
}

#[test]
fn parent_that_cannot_be_written_to_cannot_be_branched_off() {
    let sandbox = sandbox!();
    sandbox
        .run(Settings::small().train_until("run", 4))
        .expect_success();
    // As if the folder were another user's.
    std::fs::write(sandbox.path("run/pins"), "in the way").expect("written");
    let json = sandbox
        .run(["fork", "run", "--at", "latest", "--out", "branch", "--json"])
        .expect_success()
        .json();
    let why = json["not_pinned"].as_str().expect("told why");
    assert!(why.contains("pins"), "{why}");
    sandbox.run(["resume", "branch"]).expect_success();
}
