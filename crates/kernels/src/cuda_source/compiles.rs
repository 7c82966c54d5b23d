use super::CudaSource;

impl CudaSource {
    /// Compiles it for Hopper, where NVRTC is, which needs no GPU; elsewhere says that it is skipped.
    pub(crate) fn compiles(&self) {
        use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts, sys::is_culib_present};
        // SAFETY: looks for a library and loads it.
        #[allow(unsafe_code)]
        if !unsafe { is_culib_present() } {
            eprintln!("skipped: there is no NVRTC (libnvrtc)");
            return;
        }
        let options = CompileOptions {
            arch: Some("sm_90a"),
            ..CompileOptions::default()
        };
        let compiled = compile_ptx_with_opts(self.source(), options);
        assert!(
            compiled.is_ok(),
            "{} {:?}: {:?}",
            self.name,
            self.defines,
            compiled.err()
        );
    }
}
