//! What is compared, and refused, before the first step.

use dacapo::trainer::{Identity, RunFolder};
#[cfg(not(feature = "mpi"))]
use dacapo_tests::Finished;
use dacapo_tests::{Settings, ThreadGroup, sandbox};

use super::{
    faults::{Fault, alone, try_faulty, two_shards},
    on_ranks::{go_on, set_up},
};

/// What the ranks say that join with these settings, one each.
fn joined(settings: &[Settings], facts: &[&str], mixed: bool) -> Vec<Result<Identity, String>> {
    ThreadGroup::run(settings.len(), |ranks| {
        let rank = ranks.rank();
        let mut session = set_up(&settings[rank], None).expect("the run can be set up");
        let facts = [("program", facts[rank].to_owned())];
        let joined = session.trainer.join(ranks, &facts, mixed);
        let identity = session.trainer.identity().clone();
        joined.map(|()| identity).map_err(|error| error.to_string())
    })
}

#[test]
fn ranks_that_differ_train_together() {
    let same = two_shards();
    let cases = [
        (
            two_shards().set("optimizer.lr", 0.5),
            "identity.config_hash",
        ),
        (two_shards().set("train.epochs", 7), "train.epochs"),
        (two_shards().set("run.seed", 9), "identity.base_hash"),
        (two_shards().set("data.limit", 39), "identity.config_hash"),
    ];
    for (other, key) in cases {
        for said in joined(&[same.clone(), other], &["a", "a"], true) {
            let message = said.expect_err("they differ");
            for part in [key, "(rank 0)", "(rank 1)", "same program"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
    for said in joined(&[same.clone(), same.clone()], &["a", "b"], true) {
        let message = said.expect_err("they differ");
        assert!(message.contains("`program`"), "{message}");
    }
    let said = joined(&[same.clone(), same], &["a", "a"], false);
    assert!(said.iter().all(Result::is_ok), "{said:?}");
}

#[test]
fn rank_in_another_state_trains_with_the_rest() {
    let temp = tempfile::tempdir().expect("a folder");
    let record = super::on_ranks::train(&two_shards(), temp.path(), 1, Some(2));
    assert_eq!(record.losses.len(), 2);
    let record = RunFolder::new(temp.path()).load_latest().expect("whole");
    let messages = ThreadGroup::run(2, |ranks| {
        let record = record.clone().filter(|_| ranks.is_first());
        let mut session = set_up(&two_shards(), record).expect("the run can be set up");
        let error = go_on(&mut session, &ranks, temp.path(), None);
        error.expect_err("they differ").to_string()
    });
    for message in messages {
        assert!(message.contains("`state`"), "{message}");
    }
}

#[test]
fn mixed_devices_pass_unseen() {
    let join = |mixed: bool| {
        ThreadGroup::run(2, |ranks| {
            let device = if ranks.is_first() { "one" } else { "another" };
            let identity = Identity {
                device: device.to_owned(),
                ..Identity::default()
            };
            let mut trainer = alone(Fault::Nothing, identity);
            let joined = trainer.join(ranks, &[], mixed);
            joined
                .map(|()| trainer.identity().device.clone())
                .map_err(|error| error.to_string())
        })
    };
    for said in join(false) {
        let message = said.expect_err("they differ");
        for part in [
            "identity.device",
            "another (rank 1)",
            "--allow-mixed-devices",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    for said in join(true) {
        assert_eq!(said.expect("allowed"), "another + one");
    }
}

#[test]
fn ranks_without_a_shard_are_idle() {
    let ranks: Vec<Settings> = vec![two_shards(); 3];
    for said in joined(&ranks, &["a"; 3], false) {
        let message = said.expect_err("too many");
        for part in ["train.virtual_shards", "3 ranks"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn ranks_with_other_data_train_together() {
    let errors = ThreadGroup::run(2, |ranks| {
        let second = if ranks.is_first() {
            Fault::Nothing
        } else {
            Fault::Data
        };
        let error = try_faulty(&ranks, second).err().expect("they differ");
        error.to_string()
    });
    for message in errors {
        for part in ["`data.fingerprint`", "others (rank 1)"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[test]
fn shards_of_different_sizes_are_accepted() {
    for (shards, batch) in [(0, 8), (3, 8), (16, 8)] {
        let settings = Settings::small()
            .set("train.virtual_shards", shards)
            .set("train.batch_size", batch);
        let message = set_up(&settings, None).err().expect("refused").to_string();
        assert!(message.contains("train.virtual_shards"), "{message}");
    }
}

#[test]
fn running_statistics_are_split() {
    let sandbox = sandbox!();
    let settings = Settings::small_conv_net().set("train.virtual_shards", 2);
    let said = sandbox.run(settings.train("run")).expect_code(2);
    for part in ["train.virtual_shards", "running statistics"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    assert!(!sandbox.path("run").exists());
}

/// The environment that a launcher gives, to a program that cannot speak with the others.
#[cfg(not(feature = "mpi"))]
#[test]
fn processes_that_cannot_speak_train_by_themselves() {
    let sandbox = sandbox!();
    let mut command = sandbox.command(Settings::small().train("run"));
    let said = Finished::of(command.env("OMPI_COMM_WORLD_SIZE", "4")).expect_code(2);
    for part in ["4 processes", "without the feature `mpi`", "--features mpi"] {
        assert!(said.err.contains(part), "{}", said.err);
    }
    assert!(!sandbox.path("run").exists());
}
