//! A run that is killed at random moments, again and again, until it is done, ends like the
//! one that never was: in every bit.
//!
//! Short here; `DACAPO_KILLS=200 cargo test -p dacapo-tests --test kills -- --nocapture`
//! is the long version, whose figures are in docs/reliability.md.
#![cfg(unix)]

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use dacapo::trainer::RunFolder;
use dacapo_tests::{Settings, assert_same_run, sandbox};
use serde_json::Value;

/// Checkpoints after every step and much that is random.
fn settings(epochs: u64) -> Settings {
    Settings::small()
        .set("data.limit", 400)
        .set("train.batch_size", 8)
        .set("train.epochs", epochs)
        .set("early_stopping.enabled", false)
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 3)
        .set("adapt.dropout", 0.1)
        .set("data.augment", "shift")
}

/// Numbers that look random: the same moments, as far as the machine allows, each time.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: Duration) -> Duration {
        // Knuth's MMIX generator.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        below.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[test]
fn run_killed_again_and_again_ends_elsewhere() {
    let wanted: u64 = match std::env::var("DACAPO_KILLS") {
        Ok(count) => count.parse().expect("DACAPO_KILLS is a number"),
        Err(_) => 12,
    };
    let sandbox = sandbox!();
    // Enough steps to be killed in, however fast the machine is.
    let settings = settings(wanted.div_ceil(4));
    let start = Instant::now();
    sandbox.run(settings.train("whole")).expect_success();
    let whole = start.elapsed();
    let steps = sandbox.latest("whole").run.global_step;

    // From the start of the process: in the beginning it reads and checks, later it trains.
    let startup = {
        let start = Instant::now();
        sandbox
            .run(settings.train_until("nothing", 1))
            .expect_success();
        start.elapsed()
    };
    let mut longest = startup + (whole / wanted as u32).max(Duration::from_millis(20));
    let share = (steps / wanted).max(1);
    let mut moments = Moments(20_260);
    let (mut kills, mut without_a_step, mut unfinished) = (0, 0, 0);
    let mut reached = None;
    loop {
        // A folder that no checkpoint was committed to yet is no run: it starts anew.
        let run = sandbox.path("run");
        let begun = run.join("latest").exists();
        if !begun && run.exists() {
            fs::remove_dir_all(&run).expect("removed");
        }
        let args = match begun {
            true => vec!["resume".to_owned(), "run".to_owned()],
            false => settings.train("run"),
        };
        let mut command = sandbox.command(args);
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        thread::sleep(moments.next(longest));
        if kills < wanted && child.try_wait().expect("ours").is_none() {
            child.kill().expect("killed");
            child.wait().expect("ours");
            kills += 1;
        }
        let output = child.wait_with_output().expect("ours");
        let told = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => break,
            None => {}
            code => panic!("after {kills} kills: exit code {code:?}\n{told}"),
        }
        let folder = RunFolder::new(&run);
        let latest = folder.load_latest().expect("a whole checkpoint");
        let at = latest.map(|record| record.run.global_step);
        assert!(at >= reached, "went back from {reached:?} to {at:?}");
        without_a_step += u64::from(at == reached);
        // However busy the machine was when it was measured: neither over before enough kills,
        // nor killed before every first step.
        longest = match at.unwrap_or(0) - reached.unwrap_or(0) {
            0 => longest.mul_f64(1.05),
            done if done > share => longest.mul_f64(0.8),
            _ => longest,
        };
        reached = at;
        let files = fs::read_dir(run.join("checkpoints"));
        unfinished += u64::from(files.is_ok_and(|mut files| {
            files.any(|file| {
                let name = file.expect("an entry").file_name();
                name.to_string_lossy().ends_with(".tmp")
            })
        }));
    }
    println!(
        "{kills} kills over {steps} steps; {without_a_step} sessions were killed before they \
         committed a step, {unfinished} while they were writing a checkpoint; nothing lost"
    );
    assert!(kills >= wanted, "only {kills} kills: the run was over");
    assert_same_run(&sandbox.path("run"), &sandbox.path("whole"));
    // The log, too, tells of every epoch once.
    let log = fs::read_to_string(sandbox.path("run/events.jsonl")).expect("there");
    let events = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("whole lines"));
    let epochs: Vec<u64> = events
        .filter(|event| event["event"] == "epoch")
        .filter_map(|event| event["epoch"].as_u64())
        .collect();
    let expected: Vec<u64> = (1..=wanted.div_ceil(4)).collect();
    assert_eq!(epochs, expected);
}
