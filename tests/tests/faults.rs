//! Training on a disk every operation of which goes wrong in turn, in every way, and on one
//! that loses its power after any: the previous checkpoint or the new one is whole, `latest`
//! names a whole one, and whatever goes on from it ends in the same bits.

mod points;

use std::{collections::BTreeMap, error::Error, time::Duration};

use burn_flex::Flex;
use dacapo::trainer::{
    CheckpointPolicy, Event, Info, Observer, Outcome, RunFolder, StopReason, TrainerError, run,
};
use dacapo_faults::{Fault, FaultyDisk};

use points::{resume, start, take};

const ROOT: &str = "/runs/run";

/// Takes note of what was reported as committed, and of the steps done.
#[derive(Default)]
struct Committed {
    step: Option<u64>,
    /// Where the session began.
    from: u64,
    /// The most steps that were ever done after the last one reported as committed.
    ahead: u64,
}

impl Observer for Committed {
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        match event {
            Event::Checkpoint { step, .. } => self.step = Some(*step),
            Event::Step(report) => {
                let ahead = report.step - self.step.unwrap_or(self.from);
                self.ahead = self.ahead.max(ahead);
            }
            _ => {}
        }
        Ok(())
    }

    fn info(&mut self) -> Info {
        Info::default()
    }

    fn stop(&mut self) -> Option<StopReason> {
        None
    }
}

/// Checkpoints after every second step and every epoch, few of which stay.
fn policy() -> CheckpointPolicy {
    CheckpointPolicy {
        every_steps: 2,
        every_epochs: 1,
        keep_last: 2,
        keep_every_epochs: 2,
    }
}

/// A session on `disk`: from its latest checkpoint, or from the start, to the end. Also gives
/// the last step that was reported as committed.
fn session(disk: &FaultyDisk) -> (Result<Outcome, TrainerError>, Option<u64>) {
    let mut committed = Committed::default();
    let outcome = go_on(disk, &mut committed);
    // A commit that fails is told no later than when the next one is due, two steps on.
    assert!(committed.ahead <= 4, "{} steps after it", committed.ahead);
    (outcome, committed.step)
}

fn go_on(disk: &FaultyDisk, committed: &mut Committed) -> Result<Outcome, TrainerError> {
    let folder = RunFolder::on(ROOT, disk);
    let mut trainer = match folder.load_latest()? {
        Some(record) => resume(record),
        None => start(),
    };
    committed.from = trainer.global_step();
    run(&mut trainer, &folder, &policy(), None, committed)
}

/// What a finished run holds: the state hashes of `latest` and `best`, the names, history.csv.
#[derive(Debug, PartialEq)]
struct End {
    latest: (String, String),
    best: (String, String),
    history: Vec<u8>,
    steps: u64,
}

fn end(disk: &FaultyDisk) -> End {
    use dacapo::record::Storage;

    let folder = RunFolder::on(ROOT, disk);
    let read = |name: Option<String>| {
        let name = name.expect("the pointer is set");
        let record = folder.load(&name).expect("a whole checkpoint");
        (name, record.state_hash::<Flex>().expect("a hash"))
    };
    let history = format!("{ROOT}/history.csv");
    let latest = folder.load_latest().expect("whole").expect("there");
    End {
        latest: read(folder.latest().expect("whole")),
        best: read(folder.best().expect("whole")),
        history: disk.read(history.as_ref()).expect("there"),
        steps: latest.run.global_step,
    }
}

/// The run on a disk that works, and its operations.
fn whole() -> (End, Vec<String>) {
    let disk = FaultyDisk::default();
    disk.mend();
    let (outcome, committed) = session(&disk);
    assert_eq!(outcome.expect("nothing is wrong"), Outcome::Completed);
    assert_eq!(committed, Some(9));
    let calls = disk.calls();
    (end(&disk), calls)
}

/// The step of the latest checkpoint, which must be whole.
fn latest_step(disk: &FaultyDisk, place: &str) -> Option<u64> {
    let latest = RunFolder::on(ROOT, disk).load_latest();
    let latest = latest.unwrap_or_else(|error| panic!("{place}: {error}"));
    latest.map(|record| record.run.global_step)
}

/// Whatever is left on `disk` goes on to the same end.
fn assert_ends_alike(disk: &FaultyDisk, expected: &End, place: &str) {
    disk.mend();
    let (outcome, _) = session(disk);
    outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(&end(disk), expected, "{place}");
}

#[test]
fn operation_that_goes_wrong_loses_a_checkpoint() {
    let (expected, calls) = whole();
    let faults = Fault::ALL.into_iter().filter(|fault| *fault != Fault::Die);
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    for fault in faults {
        for (at, call) in calls.iter().enumerate() {
            let place = format!("{fault:?} in operation {at}, {call}");
            let disk = FaultyDisk::default();
            disk.inject(at, fault);
            let (outcome, committed) = session(&disk);
            disk.mend();
            let latest = latest_step(&disk, &place);
            assert!(latest >= committed, "{place}: {latest:?} < {committed:?}");
            if let Err(error) = outcome {
                let text = error.to_string();
                let told_why = ["injected into", "reported as done", "found"];
                assert!(told_why.iter().any(|why| text.contains(why)), "{text}");
                *told.entry(format!("{fault:?}")).or_default() += 1;
            }
            assert_ends_alike(&disk, &expected, &place);
        }
    }
    println!("{} operations; errors told: {told:?}", calls.len());
    for fault in ["Fail", "Tear", "Full"] {
        assert!(
            told[fault] > 50,
            "{fault} went by without an error: {told:?}"
        );
    }
}

#[test]
fn power_cut_loses_a_checkpoint() {
    let (expected, calls) = whole();
    let mut cuts = 0;
    for (at, call) in calls.iter().enumerate() {
        let disk = FaultyDisk::default();
        disk.inject(at, Fault::Die);
        let (outcome, committed) = session(&disk);
        outcome.expect_err("the power is gone");
        for after in disk.after_power_cuts() {
            cuts += 1;
            let place = format!("power gone before operation {at}, {call}");
            let latest = latest_step(&after, &place);
            assert!(latest >= committed, "{place}: {latest:?} < {committed:?}");
            assert_ends_alike(&after, &expected, &place);
        }
        assert_ends_alike(&disk.after_kill(), &expected, "killed");
    }
    println!("{} operations, {cuts} disks after power cuts", calls.len());
}

#[test]
fn disk_that_lies_about_a_sync_gets_damage_accepted() {
    // Nothing can be promised about the file that was never synced; but none that is damaged
    // is taken, and the newest whole checkpoint leads to the same end.
    let (expected, calls) = whole();
    let (mut refused, mut cuts) = (0, 0);
    for (at, call) in calls.iter().enumerate() {
        if !call.starts_with("sync") {
            continue;
        }
        // The power goes a while later, or at the end.
        for later in [at + 3, at + 12, at + 40, usize::MAX] {
            let disk = FaultyDisk::default();
            disk.inject(at, Fault::Drop);
            if later < calls.len() {
                disk.inject_second(later, Fault::Die);
            }
            let _ = session(&disk);
            for after in disk.after_power_cuts() {
                cuts += 1;
                let place = format!("dropped {at}, {call}; power gone before {later}");
                let folder = RunFolder::on(ROOT, &after);
                let whole = folder.examine().expect("readable");
                let newest = whole
                    .iter()
                    .rev()
                    .find_map(|found| found.record.as_ref().ok());
                if let Err(error) = folder.load_latest() {
                    refused += 1;
                    assert!(!error.to_string().is_empty());
                    let Some(newest) = newest else {
                        // The very first one: nothing was trained yet, or it would be there.
                        continue;
                    };
                    let mut trainer = resume((**newest).clone());
                    while trainer.step().expect("a step").is_some() {}
                    let hash = take(&trainer).state_hash::<Flex>().expect("a hash");
                    assert_eq!(hash, expected.latest.1, "{place}");
                }
            }
        }
    }
    println!("{cuts} disks, {refused} with a damaged latest checkpoint, all refused");
    assert!(refused > 0, "the lies had no consequence");
}

#[test]
fn slow_disk_piles_up_states() {
    let (expected, _) = whole();
    let disk = FaultyDisk::default();
    disk.slow_down(Duration::from_millis(30));
    let mut committed = Committed::default();
    let outcome = go_on(&disk, &mut committed);
    assert_eq!(outcome.expect("slow, not wrong"), Outcome::Completed);
    // One that is being written and the steps up to the next, which waits for it.
    assert!(committed.ahead <= 4, "{} steps ahead", committed.ahead);
    assert!(committed.ahead > 2, "the run waited for every commit");
    assert_eq!(end(&disk), expected);
}
