//! The program itself, started by `mpirun`.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use dacapo_tests::{Finished, Sandbox, Settings, assert_same_run, sandbox};
use serde_json::Value;

use super::on_ranks::states;

/// `mpirun` of so many ranks of the program with these arguments; `None`, with a message, where there
/// is none.
fn mpirun(sandbox: &Sandbox, size: usize, args: &[String]) -> Option<Command> {
    if Command::new("mpirun").arg("--version").output().is_err() {
        eprintln!("skipped: mpirun is not installed (Debian: openmpi-bin)");
        return None;
    }
    let program = sandbox.command::<&str>([]);
    let mut command = Command::new("mpirun");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        // More ranks than processors, and tests as root in a container; Open MPI alone asks, as of
        // version 5 by other names.
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .env("OMPI_MCA_hwloc_base_binding_policy", "none")
        .env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")
        .env("PRTE_MCA_hwloc_default_binding_policy", "none")
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .current_dir(sandbox.root())
        .stdin(Stdio::null())
        .args(["-n", &size.to_string()])
        .arg(sandbox.program())
        .args(args);
    Some(command)
}

/// The default run, on fewer images, with shards and a checkpoint a step.
fn settings() -> Settings {
    Settings::new()
        .set("train.virtual_shards", 8)
        .set("data.limit", 200)
        .set("train.epochs", 3)
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 1000)
}

fn args<const N: usize>(args: [&str; N]) -> Vec<String> {
    args.map(str::to_owned).to_vec()
}

#[test]
fn number_of_processes_bends_the_run() {
    let sandbox = sandbox!();
    if mpirun(&sandbox, 1, &[]).is_none() {
        return;
    }
    sandbox.run(settings().train("alone")).expect_success();
    let alone = states(&sandbox.path("alone"));
    assert_eq!(alone.len(), 22, "one of every step and one before");
    for size in [1, 2, 4, 8] {
        let run = format!("on-{size}");
        let mut command = mpirun(&sandbox, size, &settings().train(&run)).expect("is there");
        let said = Finished::of(&mut command).expect_success();
        assert_eq!(said.out.matches("state  ").count(), 1, "{}", said.out);
        assert_same_run(&sandbox.path("alone"), &sandbox.path(&run));
        assert_eq!(states(&sandbox.path(&run)), alone);
    }
}

#[test]
fn run_that_goes_on_with_other_processes_bends() {
    let sandbox = sandbox!();
    let begun = settings().train_until("parts", 5);
    let Some(mut command) = mpirun(&sandbox, 4, &begun) else {
        return;
    };
    Finished::of(&mut command).expect_success();
    sandbox.run(settings().train("alone")).expect_success();
    let until = ["resume", "parts", "--stop-after-step", "9"];
    sandbox.run(until).expect_success();
    let mut command = mpirun(&sandbox, 2, &args(["resume", "parts", "--json"])).expect("there");
    let said = Finished::of(&mut command).expect_success();
    assert_same_run(&sandbox.path("alone"), &sandbox.path("parts"));
    assert_eq!(
        states(&sandbox.path("parts")),
        states(&sandbox.path("alone"))
    );

    let summary: Value = serde_json::from_str(&said.out).expect("JSON of one rank");
    let ranks = summary["ranks"].as_array().expect("a list");
    assert_eq!(ranks.len(), 2);
    let sum = |key: &str| -> u64 {
        let values = ranks
            .iter()
            .map(|rank| rank[key].as_u64().expect("a count"));
        values.sum()
    };
    assert_eq!(sum("sent_bytes"), sum("received_bytes"), "{summary}");
    assert!(sum("peak_bytes") > 0);
}

#[test]
fn dead_process_keeps_the_others() {
    let sandbox = sandbox!();
    let long = settings()
        .set("checkpoint.keep_last", 2)
        .set("train.epochs", 10_000)
        .set("early_stopping.patience", 10_000);
    let Some(mut command) = mpirun(&sandbox, 4, &long.train("run")) else {
        return;
    };
    let mpirun = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let step = wait_for_checkpoint(&sandbox.path("run"));
    let ranks = children(mpirun.id());
    assert_eq!(ranks.len(), 4, "{ranks:?}");
    let killed = Command::new("kill")
        .args(["-KILL", &ranks[2].to_string()])
        .status();
    assert!(killed.expect("kill can be run").success());
    // It ends, or the test does not.
    let ended = mpirun.wait_with_output().expect("ends");
    assert!(!ended.status.success());
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    for rank in [0, 1, 3] {
        assert!(
            said.contains(&format!("rank {rank} of 4: SIGTERM")),
            "{said}"
        );
    }

    // What is there is whole, and others go on with it.
    let latest = sandbox.latest("run").run.global_step;
    assert!(latest >= step, "{latest} and {step}");
    let until = (latest + 2).to_string();
    let resume = args(["resume", "run", "--stop-after-step", &until]);
    let mut command = super::launched::mpirun(&sandbox, 2, &resume).expect("is there");
    Finished::of(&mut command).expect_success();
    sandbox
        .run(long.train_until("alone", latest + 2))
        .expect_success();
    assert_same_run(&sandbox.path("alone"), &sandbox.path("run"));
}

#[test]
fn failure_of_one_process_is_not_told_by_all() {
    let sandbox = sandbox!();
    std::fs::create_dir(sandbox.path("taken")).expect("a folder can be made");
    expect_refusal(
        mpirun(&sandbox, 3, &settings().train("taken")),
        &[
            "rank 0 of 3: the run folder taken exists already",
            "rank 1 of 3: rank 0 of 3 has failed: the run folder taken exists already",
            "rank 2 of 3: rank 0 of 3 has failed: the run folder taken exists already",
        ],
    );
}

#[test]
fn failure_after_the_last_step_is_waited_for() {
    let sandbox = sandbox!();
    let mut args = settings()
        .set("train.epochs", 20)
        .set("early_stopping.enabled", false)
        .train("run");
    args[0] = "pretrain".to_owned();
    args.extend(["--save", "base"].map(str::to_owned));
    let Some(mut command) = mpirun(&sandbox, 2, &args) else {
        return;
    };
    let running = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    wait_for_checkpoint(&sandbox.path("run"));
    // Where the base is to be saved in the end.
    std::fs::create_dir(sandbox.path("base")).expect("a folder can be made");
    let ended = running.wait_with_output().expect("ends");
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(
        said.contains("rank 1 of 2: rank 0 of 2 has failed"),
        "{said}"
    );
    let latest = sandbox.latest("run").run.global_step;
    assert_eq!(latest, 140, "the run itself is complete");
}

#[test]
fn processes_with_other_settings_train_together() {
    let sandbox = sandbox!();
    let mut command = mpirun(&sandbox, 1, &settings().train("run"));
    if let Some(command) = &mut command {
        let other = settings().set("optimizer.lr", 0.5).train("run");
        command
            .args([":", "-n", "1"])
            .arg(sandbox.program())
            .args(other);
    }
    expect_refusal(
        command,
        &[
            "the 2 ranks differ in `optimizer`",
            "\"lr\":0.5",
            "(rank 1)",
        ],
    );
    assert!(!sandbox.path("run").exists());
}

#[test]
fn commands_of_one_process_run_on_several() {
    let sandbox = sandbox!();
    expect_refusal(
        mpirun(&sandbox, 2, &args(["sweep", "plan.toml", "--out", "s"])),
        &["`dacapo sweep` is the work of one"],
    );
}

/// Asserts that `command`, where there is an `mpirun`, ends with an error that says all of this.
#[track_caller]
fn expect_refusal(command: Option<Command>, parts: &[&str]) {
    let Some(mut command) = command else { return };
    let said = Finished::of(&mut command).expect_code(2).err;
    for part in parts {
        assert!(said.contains(part), "{said}");
    }
}

/// The step of a checkpoint of this run, once it has one of a step.
fn wait_for_checkpoint(run: &Path) -> u64 {
    let folder = dacapo::trainer::RunFolder::new(run);
    loop {
        if run.is_dir()
            && let Ok(Some(record)) = folder.load_latest()
            && record.run.global_step > 0
        {
            return record.run.global_step;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The processes that this one has started, in the order of their numbers.
fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).expect("Linux tells");
    let numbers = text.split_whitespace();
    numbers
        .map(|number| number.parse().expect("a number"))
        .collect()
}
