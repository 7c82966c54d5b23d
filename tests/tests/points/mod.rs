//! A run that takes a millisecond: a line through points.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param, ParamId},
    tensor::{
        DType, Tensor, TensorData,
        backend::{AutodiffBackend, Backend, BackendTypes},
    },
};
use dacapo::{
    compute::Cpu,
    optim::{AdamWConfig, Schedule},
    rng::RngHub,
    trainer::{
        EarlyStoppingConfig, Identity, Info, ResetOptimizer, STREAMS, ScheduleUnit, StepContext,
        Task, TaskError, Trainer, TrainerRecord, TrainerSettings,
    },
};

/// A line through points, in double precision, beside a tensor of another dtype.
#[derive(Module, Debug)]
pub struct Line<B: Backend> {
    slope: Param<Tensor<B, 2>>,
    offset: Param<Tensor<B, 1>>,
    running_odd: Param<Tensor<B, 1>>,
}

/// Bit patterns of bf16 that a conversion would change: NaNs with payloads, the smallest
/// subnormal, -0.
pub const ODD: [u16; 5] = [0x7fc1, 0xffab, 0x0001, 0x8000, 0x3f81];

impl<B: Backend> Line<B> {
    fn new(device: &B::Device) -> Self {
        let f64s = |values: &[f64]| TensorData::new(values.to_vec(), [values.len()]);
        let bytes = ODD.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let odd = TensorData::from_bytes_vec(bytes, [ODD.len()], DType::BF16);
        let slope = Tensor::<B, 1>::from_data(f64s(&[0.1, -0.7]), (device, DType::F64));
        Self {
            slope: Param::initialized(ParamId::new(), slope.reshape([2, 1])),
            offset: Param::initialized(
                ParamId::new(),
                Tensor::from_data(f64s(&[0.3]), (device, DType::F64)),
            ),
            running_odd: Param::initialized(
                ParamId::new(),
                Tensor::from_data(odd, (device, DType::BF16)),
            ),
        }
    }
}

pub struct Points<B: Backend>(B::Device);

impl<B: Backend> Points<B> {
    fn errors<C: Backend<Device = B::Device>>(
        &self,
        model: &Line<C>,
        examples: &[usize],
    ) -> Tensor<C, 2> {
        let x: Vec<f64> = examples
            .iter()
            .flat_map(|index| [*index as f64 / 7.0, 1.0 / (1.0 + *index as f64)])
            .collect();
        let y: Vec<f64> = x.chunks(2).map(|x| 2.0 * x[0] - x[1] / 3.0 + 0.9).collect();
        let n = examples.len();
        let tensor = |values: Vec<f64>, columns| {
            let data = TensorData::new(values, [n, columns]);
            Tensor::<C, 2>::from_data(data, (&self.0, DType::F64))
        };
        let line = tensor(x, 2).matmul(model.slope.val()) + model.offset.val().unsqueeze();
        line - tensor(y, 1)
    }
}

impl<B: AutodiffBackend> Task<B> for Points<B> {
    type Model = Line<B>;

    fn train_len(&self) -> usize {
        9
    }

    fn fingerprint(&self) -> String {
        "points".to_owned()
    }

    fn loss(
        &self,
        model: &Line<B>,
        examples: &[usize],
        _context: &mut StepContext<'_>,
    ) -> Result<Tensor<B, 1>, TaskError> {
        let errors = self.errors(model, examples);
        Ok(errors.clone().mul(errors).mean())
    }

    fn evaluate(&self, model: &Line<B::InnerBackend>) -> Result<BTreeMap<String, f64>, TaskError> {
        let errors = self.errors(model, &[0, 1, 2]).into_data();
        let sum = errors.iter::<f64>().map(f64::abs).sum();
        Ok(BTreeMap::from([("valid_loss".to_owned(), sum)]))
    }
}

fn parts() -> (Points<Cpu>, Line<Cpu>, TrainerSettings, Identity, RngHub) {
    let device = <Cpu as BackendTypes>::Device::default();
    let settings = TrainerSettings {
        training_run: 1,
        epochs: 3,
        batch_size: 4,
        accumulation: 1,
        virtual_shards: 1,
        shuffle: true,
        drop_last: false,
        reset_optimizer: ResetOptimizer::Never,
        trainable: vec!["*".to_owned()],
        optimizer: AdamWConfig::default().into(),
        schedule: Schedule::Constant {},
        schedule_unit: ScheduleUnit::Step,
        early_stopping: EarlyStoppingConfig::default(),
        perturbation: None,
        parent: None,
        config: "{}".to_owned(),
    };
    (
        Points(device),
        Line::new(&device),
        settings,
        Identity::default(),
        RngHub::new(3, STREAMS),
    )
}

/// The run before its first step; it has 9.
pub fn start() -> Trainer<Cpu, Points<Cpu>> {
    let (task, model, settings, identity, rng) = parts();
    let device = task.0;
    Trainer::new(task, model, settings, identity, rng, device).expect("the settings are right")
}

/// The run that goes on from `record`.
pub fn resume(record: TrainerRecord) -> Trainer<Cpu, Points<Cpu>> {
    let (task, model, settings, identity, rng) = parts();
    let device = task.0;
    Trainer::resume(task, model, settings, identity, rng, device, record, false)
        .expect("the record fits")
}

/// Its state.
pub fn take(trainer: &Trainer<Cpu, Points<Cpu>>) -> TrainerRecord {
    trainer.to_record(Info::default()).expect("a state")
}
