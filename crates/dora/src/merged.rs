use burn::module::{
    AutodiffModule, Content, Devices, EmptyRecord, Module, ModuleDisplay, ModuleDisplayDefault,
    ModuleMapper, ModuleVisitor,
};
use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};

/// The weight of a merged layer, if it is merged.
///
/// Not a plain skipped field, because it must not outlive what it was computed
/// from: loading a record and mapping over the parameters both drop it, after
/// which the layer computes from its adapter again.
#[derive(Debug, Clone)]
pub struct MergedWeight<B: Backend, const D: usize = 2>(pub(crate) Option<Tensor<B, D>>);

impl<B: Backend, const D: usize> Module<B> for MergedWeight<B, D> {
    type Record = EmptyRecord;

    fn collect_devices(&self, devices: Devices<B>) -> Devices<B> {
        devices
    }

    fn fork(self, device: &B::Device) -> Self {
        self.to_device(device)
    }

    fn to_device(self, device: &B::Device) -> Self {
        Self(self.0.map(|weight| weight.to_device(device)))
    }

    fn visit<V: ModuleVisitor<B>>(&self, _visitor: &mut V) {}

    fn map<M: ModuleMapper<B>>(self, _mapper: &mut M) -> Self {
        Self(None)
    }

    fn load_record(self, _record: Self::Record) -> Self {
        Self(None)
    }

    fn into_record(self) -> Self::Record {
        EmptyRecord
    }
}

impl<B: AutodiffBackend, const D: usize> AutodiffModule<B> for MergedWeight<B, D> {
    type InnerModule = MergedWeight<B::InnerBackend, D>;

    fn valid(&self) -> Self::InnerModule {
        MergedWeight(self.0.clone().map(Tensor::inner))
    }

    fn from_inner(module: Self::InnerModule) -> Self {
        Self(module.0.map(Tensor::from_inner))
    }
}

impl<B: Backend, const D: usize> ModuleDisplayDefault for MergedWeight<B, D> {
    fn content(&self, content: Content) -> Option<Content> {
        let state = if self.0.is_some() { "yes" } else { "no" };
        content.add_formatted(&state.to_owned()).optional()
    }
}

impl<B: Backend, const D: usize> ModuleDisplay for MergedWeight<B, D> {}
