//! A checkpoint file whose values can be edited.

use std::path::Path;

use burn_flex::Flex;
use dacapo::{
    compute::Cpu,
    config::{AdaptMode, Augment, ModelKind, RunConfig},
    digits::{DigitsModel, Session},
    job::Job,
    models::{ConvNet, Vit},
    optim::{ParamGroup, ScheduleConfig},
    record::{open, seal},
    trainer::{Info, TrainerRecord},
};
use dacapo_tests::adamw_config;
use rmpv::Value;

/// One step into a record.
#[derive(Clone, Debug)]
pub enum Step {
    Key(String),
    Index(usize),
}

pub type Place = Vec<Step>;

/// A file's record as a tree of values that can be edited.
pub struct File {
    pub config: RunConfig,
    pub root: Value,
}

impl File {
    /// The state of a small run in the middle of its second epoch.
    pub fn of<M: DigitsModel<Cpu>>(mut config: RunConfig) -> Self {
        config.model.base = "random".to_owned();
        config.data.limit = 12;
        config.data.valid_fraction = 0.02;
        config.data.test_fraction = 0.02;
        config.data.augment = Augment::Shift;
        config.train.batch_size = 4;
        config.train.epochs = 3;
        config.scheduler = ScheduleConfig::WarmupCosine {
            warmup: 2,
            total: None,
            min_factor: 0.1,
        };
        adamw_config(&mut config.optimizer).amsgrad = true;
        let mut session = Session::<Cpu, M>::start(&mut config, &Default::default())
            .expect("the settings are right");
        for _ in 0..4 {
            session.trainer.step().expect("a step succeeds");
        }
        let mut record = session.trainer.to_record(Info::default()).expect("a state");
        // A lineage, so that its leaves are there to be removed.
        record.identity.cpu_features.push("another".to_owned());
        let mut session = Session::<Cpu, M>::resume(&config, &Default::default(), record, true)
            .expect("accepted");
        session.trainer.step().expect("a step succeeds");
        let record = session.trainer.to_record(Info::default()).expect("a state");
        assert_eq!(record.run.lineage.len(), 1);
        let payload = record.to_payload::<Flex>().expect("it serialises");
        let root = rmpv::decode::read_value(&mut payload.as_slice()).expect("MessagePack");
        Self { config, root }
    }

    pub fn transformer() -> Self {
        let mut config = RunConfig::default();
        config.model.vit.d_model = 8;
        config.model.vit.blocks = 1;
        config.model.vit.heads = 2;
        config.model.vit.d_mlp = 8;
        config.adapt.targets = vec!["*.attn.out_proj".to_owned(), "head".to_owned()];
        let adamw = adamw_config(&mut config.optimizer);
        adamw.clip_norm = Some(1.0);
        adamw.groups = vec![ParamGroup {
            pattern: "*.magnitude".to_owned(),
            weight_decay: Some(0.0),
            lr: None,
            beta1: None,
            beta2: None,
            eps: None,
            amsgrad: None,
        }];
        Self::of::<Vit<Cpu>>(config)
    }

    pub fn conv_net() -> Self {
        let mut config = RunConfig::default();
        config.model.kind = ModelKind::ConvNet;
        config.model.conv_net.channels = [2, 2];
        config.adapt.mode = AdaptMode::Full;
        Self::of::<ConvNet<Cpu>>(config)
    }

    /// What resuming from the file says after `edit` of the value at `place`, whose parent
    /// map or sequence and own position it gets.
    pub fn refusal(&self, place: &[Step], edit: impl FnOnce(&mut Value)) -> String {
        let mut root = self.root.clone();
        edit(at(&mut root, place));
        match self.resume(&root) {
            Ok(()) => panic!("accepted, though {} was changed", dotted(place)),
            Err(error) => error,
        }
    }

    pub fn resume(&self, root: &Value) -> Result<(), String> {
        let mut payload = Vec::new();
        rmpv::encode::write_value(&mut payload, root).expect("a vector takes everything");
        let file = seal(payload);
        let path = Path::new("edited.mpk");
        let payload = open(path, &file).expect("the checksum is right");
        let record =
            TrainerRecord::from_payload(path, payload).map_err(|error| error.to_string())?;
        let resumed = match self.config.model.kind {
            // Accepting another identity: a missing leaf is none.
            ModelKind::Vit => {
                Session::<Cpu, Vit<Cpu>>::resume(&self.config, &Default::default(), record, true)
                    .err()
            }
            ModelKind::ConvNet => Session::<Cpu, ConvNet<Cpu>>::resume(
                &self.config,
                &Default::default(),
                record,
                true,
            )
            .err(),
            ModelKind::Clip | ModelKind::Bert => panic!("these runs are of the digits"),
        };
        resumed.map_or(Ok(()), |error| Err(error.to_string()))
    }

    /// Every place below the record's root.
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let mut start = vec![Step::Key("item".to_owned())];
        collect(at(&mut self.root.clone(), &start), &mut start, &mut places);
        places
    }

    /// Tensors by place.
    pub fn tensors(&self) -> Vec<Place> {
        let mut root = self.root.clone();
        let mut places = self.places();
        places.retain(|place| is_tensor(at(&mut root, place)));
        places
    }
}

pub fn collect(value: &Value, place: &mut Place, out: &mut Vec<Place>) {
    let children: Vec<(Step, &Value)> = match value {
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (Step::Key(key.as_str().expect("a key").to_owned()), value))
            .collect(),
        Value::Array(values) => (0..).map(Step::Index).zip(values).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        place.push(step);
        out.push(place.clone());
        collect(child, place, out);
        place.pop();
    }
}

pub fn at<'v>(value: &'v mut Value, place: &[Step]) -> &'v mut Value {
    let Some((step, rest)) = place.split_first() else {
        return value;
    };
    let child = match (value, step) {
        (Value::Map(entries), Step::Key(wanted)) => entries
            .iter_mut()
            .find(|(key, _)| key.as_str() == Some(wanted))
            .map(|(_, value)| value),
        (Value::Array(values), Step::Index(index)) => values.get_mut(*index),
        _ => None,
    };
    at(child.expect("the place exists"), rest)
}

pub fn remove(parent: &mut Value, step: &Step) {
    match (parent, step) {
        (Value::Map(entries), Step::Key(key)) => {
            entries.retain(|(name, _)| name.as_str() != Some(key));
        }
        (Value::Array(values), Step::Index(index)) => {
            values.remove(*index);
        }
        _ => panic!("no such child"),
    }
}

pub fn insert(map: &mut Value, key: &str, value: Value) {
    match map {
        Value::Map(entries) => entries.push((key.into(), value)),
        other => panic!("{other} is no map"),
    }
}

pub fn is_tensor(value: &Value) -> bool {
    matches!(value, Value::Map(entries)
        if entries.len() == 3 && entries.iter().any(|(key, _)| key.as_str() == Some("dtype")))
}

/// The path of a leaf as messages write it: below the record, without Burn's wrapping.
pub fn dotted(place: &[Step]) -> String {
    let mut path = String::new();
    for step in &place[1..] {
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(key),
            Step::Key(key) => path.push_str(&format!(".{key}")),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}
