//! Going on from a checkpoint that is not the last one.

use dacapo::trainer::RunFolder;

use super::{harmless::Whole, several_stops::everything};

#[test]
fn intermediate_checkpoint_leads_elsewhere() {
    let settings = everything()
        .set("checkpoint.every_steps", 1)
        .set("checkpoint.keep_last", 1000);
    let whole = Whole::run(&settings);
    let names = checkpoints(&whole, "whole");
    assert_eq!(names.len() as u64, whole.steps() + 1, "{names:?}");
    for name in names {
        // What a crash leaves behind: later files, later `best`, later `history.csv`.
        whole.sandbox.copy("whole", "older");
        point(&whole, "older", RunFolder::LATEST, &name);
        whole.sandbox.run(["resume", "older"]).expect_success();
        whole.assert_same("older");
        whole.sandbox.remove("older");
    }
}

#[test]
fn best_pointer_from_a_later_time_survives() {
    // The best epoch is not the last one here, and going back to before it must find it
    // again, whatever `best` says meanwhile.
    let settings = dacapo_tests::Settings::small()
        .set("run.seed", 2)
        .set("optimizer.lr", 0.01)
        .set("scheduler.kind", "constant")
        .set("train.epochs", 15)
        .set("early_stopping.patience", 2)
        .set("checkpoint.keep_last", 1000);
    let whole = Whole::run(&settings);
    let best = RunFolder::new(whole.sandbox.path("whole")).best();
    let best = best
        .expect("the pointer is whole")
        .expect("one is the best");
    let names = checkpoints(&whole, "whole");
    for latest in &names {
        whole.sandbox.copy("whole", "older");
        point(&whole, "older", RunFolder::LATEST, latest);
        whole.sandbox.run(["resume", "older"]).expect_success();
        whole.assert_same("older");
        whole.sandbox.remove("older");
    }
    assert!(names.last() > Some(&best));
}

#[test]
fn damaged_history_file_outlives_a_resumption() {
    // `history.csv` is a view of the state: a crash between two commits may leave an old
    // one, and resuming makes it anew.
    let whole = Whole::run(&everything());
    let sandbox = &whole.sandbox;
    sandbox
        .run(everything().train_until("stopped", 6))
        .expect_success();
    let history = sandbox.path("stopped").join("history.csv");
    std::fs::write(history, "epoch\n99\n").expect("the file can be written");
    sandbox.run(["resume", "stopped"]).expect_success();
    whole.assert_same("stopped");
}

fn checkpoints(whole: &Whole, run: &str) -> Vec<String> {
    let folder = whole.sandbox.path(run).join("checkpoints");
    let files = std::fs::read_dir(folder).expect("the folder can be read");
    let mut names: Vec<String> = files
        .map(|file| file.expect("the folder can be read").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".mpk")?.to_owned()))
        .collect();
    names.sort_by_key(|name| name.rsplit('-').next().map(str::to_owned));
    names
}

fn point(whole: &Whole, run: &str, pointer: &str, name: &str) {
    let path = whole.sandbox.path(run).join(pointer);
    std::fs::write(path, format!("{name}.mpk\n")).expect("the pointer can be written");
}
