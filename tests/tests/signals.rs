//! A process that is asked to stop, or that is killed, leaves a run that goes on to the
//! same bits.
#![cfg(unix)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use dacapo_tests::{Finished, Sandbox, Settings, assert_same_run, sandbox};
use serde_json::Value;

/// More than any machine that is not broken needs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Hundreds of steps an epoch, and far too many epochs to finish.
fn endless() -> Settings {
    Settings::small()
        .set("data.limit", 1000)
        .set("train.batch_size", 1)
        .set("train.epochs", 10_000)
        .set("scheduler.kind", "constant")
        .set("early_stopping.enabled", false)
        .set("checkpoint.every_steps", 5)
        .set("adapt.dropout", 0.1)
        .set("data.augment", "shift")
}

fn spawn(sandbox: &Sandbox, args: &[String]) -> Child {
    sandbox
        .command(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The step of the newest checkpoint in the event log.
fn newest_checkpoint(run: &Path) -> Option<u64> {
    let log = std::fs::read_to_string(run.join("events.jsonl")).ok()?;
    log.lines()
        // The last line may be half written.
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["event"] == "checkpoint")
        .filter_map(|event| event["step"].as_u64())
        .next_back()
}

/// Waits until a checkpoint at `step` or later is committed, or the process has ended.
fn wait_for_checkpoint(child: &mut Child, run: &Path, step: u64) {
    let start = Instant::now();
    while newest_checkpoint(run).is_none_or(|newest| newest < step) {
        if child.try_wait().expect("the child is ours").is_some() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "no checkpoint at step {step}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &kill]).status();
    assert!(status.expect("there is a shell").success(), "{kill}");
}

/// Waits for the end that a signal asked for.
fn end(mut child: Child, command: &str) -> Finished {
    let start = Instant::now();
    while child.try_wait().expect("the child is ours").is_none() {
        assert!(start.elapsed() < PATIENCE, "{command} does not end");
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().expect("the child is ours");
    Finished {
        command: command.to_owned(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("the errors are UTF-8"),
    }
}

/// Starts `args`, sends `name` once a checkpoint at `step` is there; gives the step that
/// the run stopped at.
fn interrupt(sandbox: &Sandbox, args: &[String], step: u64, name: &str, code: i32) -> u64 {
    let mut child = spawn(sandbox, args);
    wait_for_checkpoint(&mut child, &sandbox.path("run"), step);
    signal(&child, name);
    let ended = end(child, &args[0]).expect_code(code);
    let stopped_at = sandbox.latest("run").run.global_step;
    assert!(stopped_at >= step);
    assert!(ended.out.contains("resume run"), "{}", ended.out);
    stopped_at
}

fn resume() -> Vec<String> {
    ["resume", "run"].map(str::to_owned).into()
}

#[test]
fn interrupted_run_ends_elsewhere() {
    let sandbox = sandbox!();
    let first = interrupt(&sandbox, &endless().train("run"), 10, "INT", 130);
    sandbox
        .run(endless().train_until("until-first", first))
        .expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("until-first"));

    let second = interrupt(&sandbox, &resume(), first + 10, "TERM", 143);
    let end = (second + 10).to_string();
    sandbox
        .run(["resume", "run", "--stop-after-step", &end])
        .expect_success();
    sandbox
        .run(endless().train_until("whole", second + 10))
        .expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
    assert_eq!(sandbox.latest("run").info.sessions, 3);
}

#[test]
fn terminated_run_has_the_exit_code_of_an_interrupted_one() {
    let sandbox = sandbox!();
    let first = interrupt(&sandbox, &endless().train("run"), 5, "TERM", 143);
    // Later than any checkpoint there is, or the signal comes before the program listens.
    interrupt(&sandbox, &resume(), first + 5, "INT", 130);
}

#[test]
fn signal_before_the_first_step_leaves_nothing_to_resume() {
    let sandbox = sandbox!();
    let settings = endless().set("checkpoint.every_steps", 0);
    let stopped_at = interrupt(&sandbox, &settings.train("run"), 0, "INT", 130);
    let end = (stopped_at + 5).to_string();
    sandbox
        .run(["resume", "run", "--stop-after-step", &end])
        .expect_success();
    sandbox
        .run(settings.train_until("whole", stopped_at + 5))
        .expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
}

#[test]
fn interrupted_run_does_not_say_so_in_json() {
    let sandbox = sandbox!();
    let mut args = endless().train("run");
    args.push("--json".to_owned());
    let mut child = spawn(&sandbox, &args);
    wait_for_checkpoint(&mut child, &sandbox.path("run"), 5);
    signal(&child, "INT");
    let summary = end(child, "train --json").expect_code(130).json();
    assert_eq!(summary["outcome"], "interrupted");
    assert_eq!(summary["step"], sandbox.latest("run").run.global_step);
}

#[test]
fn killed_run_cannot_go_on() {
    // No handler runs: whatever the moment, the last committed checkpoint is whole.
    let sandbox = sandbox!();
    let settings = Settings::small()
        .set("train.batch_size", 2)
        .set("train.epochs", 4)
        .set("adapt.dropout", 0.1)
        .set("checkpoint.every_steps", 1);
    sandbox.run(settings.train("whole")).expect_success();

    let run = sandbox.path("run");
    let mut child = spawn(&sandbox, &settings.train("run"));
    let mut kills = 0;
    loop {
        let next = newest_checkpoint(&run).map_or(0, |step| step + 9);
        wait_for_checkpoint(&mut child, &run, next);
        child.kill().expect("the child is ours");
        let status = child.wait().expect("the child is ours");
        if status.success() {
            break;
        }
        assert_eq!(status.code(), None, "it ended by itself");
        kills += 1;
        assert!(kills < 80, "it makes no progress");
        child = spawn(&sandbox, &resume());
    }
    assert!(kills > 1, "{kills} kills");
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
}
