use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::{
    ExecutionMode, Handle, KernelArguments, MetadataBindingInfo, TensorMapBinding,
};
use cubecl::{CompilationError, Compiler, CubeTask};

use super::SourceText;
use super::room::Room;

type CudaCompiler = <CudaRuntime as Runtime>::Compiler;

/// One kernel: `extern "C" __global__ void NAME(maps..., mapped buffers..., buffers..., const
/// __grid_constant__ Sizes sizes)`.
#[derive(Clone, Debug)]
pub(crate) struct CudaSource {
    /// The kernel's name in `text`.
    pub name: &'static str,
    pub text: SourceText,
    /// Macros that are defined before it.
    pub defines: Vec<(&'static str, u32)>,
    /// Units of a cube.
    pub units: u32,
    /// Bytes of shared memory, whose size is not in the text.
    pub shared: usize,
}

impl CudaSource {
    /// Launches it on tensor maps, on `buffers`, and `sizes`, the words of the text's structure of that
    /// name.
    ///
    /// # Safety
    /// The kernel must stay within the maps and the buffers, and end.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn launch(
        self,
        client: &ComputeClient<CudaRuntime>,
        count: CubeCount,
        maps: Vec<TensorMapBinding>,
        buffers: Vec<Handle>,
        sizes: &[u32],
    ) {
        let mut words: Vec<u64> = Vec::new();
        for pair in sizes.chunks(2) {
            let high = pair.get(1).copied().unwrap_or(0);
            words.push(u64::from(pair[0]) | u64::from(high) << 32);
        }
        let all = words.len();
        let buffers = buffers.into_iter().map(Handle::binding).collect();
        let mut arguments = KernelArguments::new()
            .with_buffers(buffers)
            .with_info(MetadataBindingInfo::new(words, all));
        arguments.tensor_maps = maps;
        // SAFETY: the caller's.
        unsafe { client.launch_unchecked(Box::new(self), count, arguments) }
    }

    pub(super) fn source(&self) -> String {
        let defines = self.defines.iter();
        let defines = defines.map(|(name, value)| format!("#define {name} {value}\n"));
        defines.collect::<String>() + self.text.source
    }

    fn room(&self) -> Room {
        Room {
            words: self.shared.div_ceil(4).max(self.units as usize),
            units: self.units,
        }
    }
}

impl KernelMetadata for CudaSource {
    fn name(&self) -> &'static str {
        self.name
    }

    fn id(&self) -> KernelId {
        // What is compiled is kept by this, in the cache of kernels, too.
        let settings = (self.text.hash, self.name, self.defines.clone(), self.shared);
        KernelId::new::<Self>()
            .info(settings)
            .cube_dim(CubeDim::new_1d(self.units))
    }

    fn address_type(&self) -> cubecl::ir::StorageType {
        self.room().address_type()
    }
}

impl CubeTask<CudaCompiler> for CudaSource {
    fn compile(
        &self,
        compiler: &mut CudaCompiler,
        options: &<CudaCompiler as Compiler>::CompilationOptions,
        mode: ExecutionMode,
        address_type: cubecl::ir::StorageType,
    ) -> Result<CompiledKernel<CudaCompiler>, CompilationError> {
        let room = KernelTask::<CudaCompiler, _>::new(self.room());
        let mut compiled = room.compile(compiler, options, mode, address_type)?;
        compiled.source = self.source();
        compiled.entrypoint_name = self.name.to_owned();
        compiled.debug_name = Some(self.name);
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the launch asks the driver for; needs no GPU.
    #[test]
    fn launch_asks_for_too_little_shared_memory() {
        for shared in [0, 1024, 197_632] {
            let kernel = CudaSource {
                name: "f",
                text: SourceText::new("extern \"C\" __global__ void f() {}\n"),
                defines: vec![("A", 1), ("B", 2)],
                units: 256,
                shared,
            };
            let mode = ExecutionMode::Unchecked;
            let compiled = kernel.compile(
                &mut CudaCompiler::default(),
                &Default::default(),
                mode,
                kernel.address_type(),
            );
            let compiled = compiled.unwrap();
            let found = compiled.repr.unwrap().shared_memory_size();
            assert!((shared..=shared.max(1024)).contains(&found), "{found}");
            assert_eq!(compiled.cube_dim, CubeDim::new_1d(256));
            assert_eq!(compiled.entrypoint_name, "f");
            assert!(
                compiled
                    .source
                    .starts_with("#define A 1\n#define B 2\nextern")
            );
        }
    }
}
