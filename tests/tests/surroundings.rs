//! What the machine does to a run: a full disk, a folder that cannot be written to or that
//! goes away, too few open files, a clock that goes backwards, a second process. The error says
//! what happened and what to do, and what was committed goes on to the same bits.
#![cfg(unix)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use dacapo::trainer::RunFolder;
use dacapo_tests::{Finished, Sandbox, Settings, assert_same_run, sandbox};

fn settings() -> Settings {
    Settings::small().set("checkpoint.every_steps", 1)
}

/// Hundreds of steps an epoch, and far too many epochs to finish.
fn endless() -> Settings {
    settings()
        .set("data.limit", 1000)
        .set("train.batch_size", 1)
        .set("train.epochs", 10_000)
        .set("scheduler.kind", "constant")
        .set("early_stopping.enabled", false)
}

fn spawn(sandbox: &Sandbox, settings: &Settings) -> Child {
    let mut command = sandbox.command(settings.train("run"));
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// Waits until `done`.
#[track_caller]
fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn has_step(run: &Path, step: u64) -> bool {
    let latest = fs::read_to_string(run.join("latest")).unwrap_or_default();
    let number = latest
        .trim_end()
        .strip_suffix(".mpk")
        .and_then(|name| name.rsplit('-').next());
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(|at: u64| at >= step)
}

fn end(child: Child) -> Finished {
    let output = child.wait_with_output().expect("the child is ours");
    Finished {
        command: "dacapo train".to_owned(),
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// Runs a script in a mount namespace of its own, where `small` is a disk of 1 MiB; nothing
/// where that is not allowed.
fn with_small_disk(sandbox: &Sandbox, script: &str) -> Option<Finished> {
    fs::create_dir_all(sandbox.path("small")).expect("made");
    let mount = "mount -t tmpfs -o size=1m none small";
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["-r", "-m", "sh", "-c", script])
            .current_dir(sandbox.root())
            .env("RAYON_NUM_THREADS", "1")
            .stdin(Stdio::null());
        command
    };
    let allowed = unshare(mount)
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        println!("skipped: this system lets nobody mount a disk of their own (unshare -r -m)");
        return None;
    }
    Some(Finished::of(&mut unshare(&format!("{mount} && {script}"))))
}

/// `dacapo` with these arguments, for a shell.
fn shell(sandbox: &Sandbox, args: &[String]) -> String {
    let mut words = vec![sandbox.program().display().to_string()];
    words.extend(args.iter().cloned());
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    quoted.join(" ")
}

#[test]
fn full_disk_takes_the_last_checkpoint_along() {
    let sandbox = sandbox!();
    // Keeps everything, so that the disk fills up.
    let settings = settings()
        .set("checkpoint.keep_last", 1000)
        .set("train.epochs", 40);
    sandbox.run(settings.train("whole")).expect_success();
    let train = shell(&sandbox, &settings.train("small/run"));
    let script = format!("{train} 2> full.err; echo $? > full.code; cp -r small/run run");
    let Some(done) = with_small_disk(&sandbox, &script) else {
        return;
    };
    done.expect_success();
    let read = |name: &str| fs::read_to_string(sandbox.path(name)).expect("written");
    let (code, told) = (read("full.code"), read("full.err"));
    assert_eq!(code.trim(), "2", "{told}");
    assert!(told.to_lowercase().contains("free s"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    let step = sandbox.latest("run").run.global_step;
    assert!(step > 0, "the disk was full from the start");
    // The same bits, now that there is room.
    sandbox.run(["resume", "run"]).expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
}

#[test]
fn folder_that_cannot_be_written_to_gives_a_riddle() {
    let sandbox = sandbox!();
    sandbox
        .run(settings().train_until("run", 4))
        .expect_success();
    sandbox.run(settings().train("whole")).expect_success();
    let resume = shell(&sandbox, &["resume", "small/run"].map(str::to_owned));
    let inspect = shell(&sandbox, &["inspect", "small/run"].map(str::to_owned));
    let script = format!(
        "cp -r run small/run && mount -o remount,ro small && {{ {resume} 2> told; echo $? > code; \
         {inspect}; }}"
    );
    let Some(done) = with_small_disk(&sandbox, &script) else {
        return;
    };
    // Looking needs no right to write.
    assert!(done.expect_success().out.contains("step"));
    let told = fs::read_to_string(sandbox.path("told")).expect("written");
    let code = fs::read_to_string(sandbox.path("code")).expect("written");
    assert_eq!(code.trim(), "2");
    for word in ["small/run/lock", "Read-only", "permissions"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
    sandbox.run(["resume", "run"]).expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
}

#[test]
fn run_goes_on_in_a_folder_that_is_gone() {
    for renamed in [false, true] {
        let sandbox = sandbox!();
        let run = sandbox.path("run");
        let child = spawn(&sandbox, &endless());
        wait("no checkpoint", || has_step(&run, 3));
        match renamed {
            true => fs::rename(&run, sandbox.path("elsewhere")).expect("renamed"),
            // A commit may be making a file at this very moment.
            false => wait("not removed", || {
                fs::remove_dir_all(&run).is_ok() || !run.exists()
            }),
        }
        let told = end(child).expect_code(2).err;
        assert!(!told.contains("panicked"), "{told}");
        assert!(told.contains("removed, renamed or replaced"), "{told}");
        assert!(!run.exists(), "half a run folder was made anew");
        if renamed {
            let reached = sandbox.latest("elsewhere").run.global_step;
            sandbox
                .run([
                    "resume",
                    "elsewhere",
                    "--stop-after-step",
                    &(reached + 3).to_string(),
                ])
                .expect_success();
            sandbox
                .run(endless().train_until("whole", reached + 3))
                .expect_success();
            assert_same_run(&sandbox.path("elsewhere"), &sandbox.path("whole"));
        }
    }
}

#[test]
fn limit_of_open_files_loses_a_run() {
    let sandbox = sandbox!();
    sandbox.run(settings().train("whole")).expect_success();
    let (mut refused, mut done) = (0, 0);
    for limit in 3..16 {
        let name = format!("run-{limit}");
        let train = shell(&sandbox, &settings().train(&name));
        let script = format!("ulimit -n {limit}; exec {train}");
        let mut command = Command::new("sh");
        let command = command.args(["-c", &script]).current_dir(sandbox.root());
        let ended = Finished::of(command.env("RAYON_NUM_THREADS", "1"));
        assert!(!ended.err.contains("panicked"), "{limit}: {}", ended.err);
        // So few that the program's own libraries cannot be opened.
        let started = ended.code != Some(127);
        match ended.code {
            Some(0) => {
                done += 1;
                assert_same_run(&sandbox.path(&name), &sandbox.path("whole"));
            }
            _ if started => {
                refused += 1;
                assert_eq!(ended.code, Some(2), "{limit}: {}", ended.err);
                assert!(ended.err.starts_with("dacapo: "), "{limit}: {}", ended.err);
                // Whatever is there is whole.
                let latest = RunFolder::new(sandbox.path(&name)).load_latest();
                if latest.expect("whole").is_some() {
                    sandbox.run(["resume", &name]).expect_success();
                    assert_same_run(&sandbox.path(&name), &sandbox.path("whole"));
                }
            }
            _ => {}
        }
    }
    println!("{refused} refused, {done} done");
    assert!(done > 0 && refused > 0, "{refused} refused, {done} done");
}

#[test]
fn clock_that_goes_backwards_changes_bits() {
    let sandbox = sandbox!();
    sandbox.run(settings().train("whole")).expect_success();
    sandbox
        .run(settings().train_until("run", 5))
        .expect_success();
    // All that the first session noted is of the year 2100.
    let future: u64 = 4_102_444_800_000;
    let folder = RunFolder::new(sandbox.path("run"));
    let mut record = sandbox.latest("run");
    record.info.saved_unix_ms = future;
    let name = folder.latest().expect("whole").expect("set");
    folder
        .save::<burn_flex::Flex>(&name, record, false)
        .expect("saved");
    let log = sandbox.path("run/events.jsonl");
    let text = fs::read_to_string(&log).expect("there");
    let lines = text.lines().map(|line| {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        event["unix_ms"] = future.into();
        format!("{event}\n")
    });
    fs::write(&log, lines.collect::<String>()).expect("written");
    for entry in fs::read_dir(sandbox.path("run/tensorboard")).expect("there") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("UTF-8");
        if let Some(time) = name.split('.').find(|part| part.parse::<u64>().is_ok()) {
            let later = name.replace(time, "4102444800");
            fs::rename(&path, path.with_file_name(later)).expect("renamed");
        }
    }
    sandbox.run(["resume", "run"]).expect_success();
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
    let text = fs::read_to_string(&log).expect("there");
    let epochs = text
        .lines()
        .filter(|line| line.contains("\"event\":\"epoch\""));
    assert_eq!(epochs.count(), 3, "{text}");
}

#[test]
fn two_processes_work_in_one_run_folder() {
    let sandbox = sandbox!();
    let run = sandbox.path("run");
    let mut child = spawn(&sandbox, &endless());
    wait("no checkpoint", || has_step(&run, 2));
    let holder = format!("process {}", child.id());
    for command in [vec!["resume", "run"], vec!["repair", "run"]] {
        let refused = sandbox.run(command).expect_code(2).err;
        for word in [&holder, "dacapo train", "in use", "Nothing was changed"] {
            assert!(refused.contains(word), "{word} is not in {refused}");
        }
    }
    // Looking is allowed.
    sandbox.run(["inspect", "run"]).expect_success();
    sandbox.run(["repair", "run", "--dry-run"]);
    assert!(
        child.try_wait().expect("ours").is_none(),
        "the first one ended"
    );
    child.kill().expect("killed");
    end(child);
    // The lock of a killed process is no lock.
    let reached = sandbox.latest("run").run.global_step + 2;
    let stop = reached.to_string();
    sandbox
        .run(["resume", "run", "--stop-after-step", &stop])
        .expect_success();
    sandbox
        .run(endless().train_until("whole", reached))
        .expect_success();
    assert_same_run(&run, &sandbox.path("whole"));
}
