use cubecl::ir::AddressType;
use cubecl::prelude::*;

/// A CubeCL kernel that is only compiled, never run: what CubeCL takes from it is how much shared
/// memory a launch asks for, and the number of units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub words: usize,
    pub units: u32,
}

#[cube]
fn occupy(#[comptime] words: usize) {
    let mut room = SharedMemory::<u32>::new(words);
    room[UNIT_POS as usize] = UNIT_POS;
}

impl KernelMetadata for Room {
    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info((self.words, self.units))
    }

    fn address_type(&self) -> cubecl::ir::StorageType {
        u32::as_type_native_unchecked().storage_type()
    }
}

impl CubeKernel for Room {
    fn define(&self) -> KernelDefinition {
        let mut builder = KernelBuilder::default();
        AddressType::default().register(&mut builder.scope);
        occupy::expand(&mut builder.scope, self.words);
        builder.build(KernelSettings::default().cube_dim(CubeDim::new_1d(self.units)))
    }
}
