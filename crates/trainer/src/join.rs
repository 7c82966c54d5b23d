//! Several processes train one run: that they are alike, and stay so.

use std::{collections::BTreeMap, path::Path};

use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};

use crate::{
    Info, Ranks, Task, Trainer, TrainerError, TrainerRecord,
    hashes::{hash_all, hashes},
    payload::payload_tree,
};

/// The parts of an identity that say what a rank computes on.
const DEVICE: [&str; 4] = ["device", "kernel_plan", "cpu_features", "numerics"];

const MIXED: &str = "Use one kind of device for all, or accept with --allow-mixed-devices that bits \
    then depend on which rank has which";
const OTHERWISE: &str = "Start every rank with the same program, command, configuration and files";

impl<B: AutodiffBackend, T: Task<B>> Trainer<B, T> {
    /// From here on this process trains the run together with the others of `ranks`, which have made
    /// the same trainer: each takes a share of the shards of every step, and all have the same state
    /// after it, in every bit the one that a single process has.
    ///
    /// Identities, settings, data and state are compared first, and so is what `facts` says of this
    /// process, such as the hash of its program. With `mixed_devices` what the ranks compute on may
    /// differ; the run's identity then names all of it, since which rank has which shard does
    /// matter.
    ///
    /// # Errors
    /// More ranks than `virtual_shards`; ranks that differ; a rank that has failed.
    pub fn join(
        &mut self,
        ranks: Ranks,
        facts: &[(&str, String)],
        mixed_devices: bool,
    ) -> Result<(), TrainerError> {
        let shards = self.settings.virtual_shards;
        if ranks.size() > shards {
            return Err(TrainerError::setting(
                "train.virtual_shards",
                shards,
                format!(
                    "{} ranks train this run, and each needs a shard",
                    ranks.size()
                ),
                "Start fewer ranks; or start another run with more shards, as they change its bits",
            ));
        }
        let state = self.to_record(Info::default())?;
        let state = payload_tree(Path::new("record"), &state.to_payload::<B::InnerBackend>()?)?;
        let but = [TrainerRecord::INFORMATIONAL, &["identity"]].concat();
        let mut own: Vec<(String, String)> = Vec::new();
        for (key, value) in facts {
            own.push(((*key).to_owned(), value.clone()));
        }
        own.push(("train.epochs".to_owned(), self.settings.epochs.to_string()));
        for (key, value) in self.identity.parts() {
            own.push((format!("identity.{key}"), value));
        }
        own.extend([
            ("settings".to_owned(), self.settings.shared_hash()),
            ("data.fingerprint".to_owned(), self.fingerprint.clone()),
            ("state".to_owned(), state.state_hash(&but)),
        ]);
        let message = rmp_serde::to_vec(&own).expect("plain data");
        let messages = ranks.exchange("identity", message)?;
        let mut all: Vec<BTreeMap<String, String>> = Vec::new();
        for (rank, message) in messages.iter().enumerate() {
            let read: Vec<(String, String)> =
                rmp_serde::from_slice(message).map_err(|error| TrainerError::OtherRank {
                    rank,
                    size: ranks.size(),
                    message: format!("its identity cannot be read: {error}."),
                })?;
            all.push(read.into_iter().collect());
        }
        // This rank's in their order, so that what says most comes first; then what only others have.
        let mut keys: Vec<&String> = own.iter().map(|(key, _)| key).collect();
        let others = all.iter().flat_map(BTreeMap::keys);
        keys.extend(others.filter(|key| own.iter().all(|(own, _)| own != *key)));
        for key in keys {
            let value = |of: &BTreeMap<_, String>| of.get(key).cloned();
            let values: Vec<String> = all
                .iter()
                .map(|of| value(of).unwrap_or_else(|| "nothing".to_owned()))
                .collect();
            if values.iter().all(|value| *value == values[0]) {
                continue;
            }
            let part = key.strip_prefix("identity.");
            match part.filter(|part| DEVICE.contains(part)) {
                Some(part) if mixed_devices => self.identity.mix(part, values),
                device => {
                    return Err(TrainerError::RanksDiffer {
                        what: format!("`{key}`"),
                        values,
                        next: match device {
                            Some(_) => MIXED.to_owned(),
                            None => OTHERWISE.to_owned(),
                        },
                    });
                }
            }
        }
        self.ranks = ranks;
        Ok(())
    }

    /// Refuses ranks whose trained tensors or metrics have come apart, which only a device that
    /// computes wrongly or a defect brings about.
    pub(crate) fn check_agreement(
        &self,
        metrics: &BTreeMap<String, f64>,
    ) -> Result<(), TrainerError> {
        if self.ranks.size() == 1 {
            return Ok(());
        }
        let trained = hashes(&self.model.valid(), |path| {
            self.trainable_paths.contains(path)
        });
        let mut own = hash_all(&trained);
        for (name, value) in metrics {
            own.push_str(&format!(", {name} {value:?}"));
        }
        let what = format!("the end of epoch {}", self.epoch + 1);
        let values: Vec<String> = self
            .ranks
            .exchange(&what, own.into_bytes())?
            .into_iter()
            .map(|message| String::from_utf8_lossy(&message).into_owned())
            .collect();
        match values.iter().all(|value| *value == values[0]) {
            true => Ok(()),
            false => Err(TrainerError::RanksDiffer {
                what: format!("trained tensors or metrics at {what}"),
                values,
                next: "A device computes wrongly, or a task is no pure function of its arguments: \
                    the last checkpoint is whole, resume from it elsewhere"
                    .to_owned(),
            }),
        }
    }
}
