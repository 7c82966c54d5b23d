//! `Module` for [`DoraFusedLinear`], by hand: derived, a path would have a field's
//! name before the part's.

use burn::module::{
    AutodiffModule, Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor, Param,
};
use burn::record::Record;
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

use crate::fused_part::FusedPartRecord;
use crate::{DoraFusedLinear, FusedPart};

const CONTAINER: &str = "Struct:DoraFusedLinear";

/// What a record holds of a [`DoraFusedLinear`].
#[derive(Record)]
pub struct FusedRecord<B: Backend> {
    weight: Param<Tensor<B, 2>>,
    bias: Option<Param<Tensor<B, 1>>>,
    parts: Vec<FusedPartRecord<B>>,
}

impl<B: Backend> Module<B> for DoraFusedLinear<B> {
    type Record = FusedRecord<B>;

    fn collect_devices(&self, devices: Devices<B>) -> Devices<B> {
        let devices = self.weight.collect_devices(devices);
        let devices = Module::<B>::collect_devices(&self.bias, devices);
        Module::<B>::collect_devices(&self.parts, devices)
    }

    fn fork(self, device: &B::Device) -> Self {
        Self {
            weight: self.weight.fork(device),
            bias: Module::<B>::fork(self.bias, device),
            parts: Module::<B>::fork(self.parts, device),
            ..self
        }
    }

    fn to_device(self, device: &B::Device) -> Self {
        Self {
            weight: self.weight.to_device(device),
            bias: Module::<B>::to_device(self.bias, device),
            parts: Module::<B>::to_device(self.parts, device),
            ..self
        }
    }

    fn visit<V: ModuleVisitor<B>>(&self, visitor: &mut V) {
        visitor.enter_module("weight", CONTAINER);
        self.weight.visit(visitor);
        visitor.exit_module("weight", CONTAINER);
        visitor.enter_module("bias", CONTAINER);
        self.bias.visit(visitor);
        visitor.exit_module("bias", CONTAINER);
        for part in &self.parts {
            visitor.enter_module(part.name(), CONTAINER);
            part.visit(visitor);
            visitor.exit_module(part.name(), CONTAINER);
        }
    }

    fn map<M: ModuleMapper<B>>(self, mapper: &mut M) -> Self {
        mapper.enter_module("weight", CONTAINER);
        let weight = Module::<B>::map(self.weight, mapper);
        mapper.exit_module("weight", CONTAINER);
        mapper.enter_module("bias", CONTAINER);
        let bias = Module::<B>::map(self.bias, mapper);
        mapper.exit_module("bias", CONTAINER);
        let mut map_part = |part: FusedPart<B>| {
            let name = part.name().to_owned();
            mapper.enter_module(&name, CONTAINER);
            let part = part.map(mapper);
            mapper.exit_module(&name, CONTAINER);
            part
        };
        Self {
            weight,
            bias,
            parts: self.parts.into_iter().map(&mut map_part).collect(),
            ..self
        }
    }

    fn load_record(self, record: Self::Record) -> Self {
        Self {
            weight: self.weight.load_record(record.weight),
            bias: Module::<B>::load_record(self.bias, record.bias),
            parts: Module::<B>::load_record(self.parts, record.parts),
            ..self
        }
    }

    fn into_record(self) -> Self::Record {
        FusedRecord {
            weight: Module::<B>::into_record(self.weight),
            bias: Module::<B>::into_record(self.bias),
            parts: Module::<B>::into_record(self.parts),
        }
    }
}

impl<B: AutodiffBackend> AutodiffModule<B> for DoraFusedLinear<B> {
    type InnerModule = DoraFusedLinear<B::InnerBackend>;

    fn valid(&self) -> Self::InnerModule {
        DoraFusedLinear {
            weight: self.weight.valid(),
            bias: AutodiffModule::<B>::valid(&self.bias),
            parts: AutodiffModule::<B>::valid(&self.parts),
            precision: self.precision,
        }
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self {
            weight: AutodiffModule::<B>::from_inner(module.weight),
            bias: AutodiffModule::<B>::from_inner(module.bias),
            parts: AutodiffModule::<B>::from_inner(module.parts),
            precision: module.precision,
        }
    }
}

impl<B: Backend> ModuleDisplayDefault for DoraFusedLinear<B> {
    fn content(&self, content: Content) -> Option<Content> {
        let content = content
            .set_top_level_type("DoraFusedLinear")
            .add("weight", &self.weight)
            .add("bias", &self.bias);
        let parts = self.parts.iter();
        parts
            .fold(content, |content, part| content.add(part.name(), part))
            .optional()
    }
}

impl<B: Backend> ModuleDisplay for DoraFusedLinear<B> {}
