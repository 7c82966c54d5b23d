use cubecl::cuda::CudaRuntime;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::Finished;
use crate::activation::ActivationKind;
use crate::{KernelError, buffer};

/// What becomes of the sums of products `[batch, m, n]`. Tensors are f32 and contiguous: a bias `[n]`,
/// the others of the result's shape. A result that is `rounded` is bf16, to the nearest, ties to even.
#[derive(Clone, Copy, Debug)]
pub enum Finish<'a> {
    /// Nothing.
    Plain,
    /// sum + bias, and that + beside.
    Add {
        /// `[n]`.
        bias: Option<&'a Handle>,
        /// As the result.
        beside: Option<&'a Handle>,
    },
    /// f(sum + bias); the sums are given, too.
    Activate {
        /// f.
        kind: ActivationKind,
        /// `[n]`.
        bias: Option<&'a Handle>,
        /// To bf16; the sums are not.
        rounded: bool,
    },
    /// sum f'(x + bias).
    Slope {
        /// f.
        kind: ActivationKind,
        /// `[n]`.
        bias: Option<&'a Handle>,
        /// As the result.
        x: &'a Handle,
        /// To bf16.
        rounded: bool,
    },
}

impl Finish<'_> {
    fn bias(&self) -> Option<&Handle> {
        match *self {
            Self::Plain => None,
            Self::Add { bias, .. } | Self::Activate { bias, .. } | Self::Slope { bias, .. } => bias,
        }
    }

    /// What is read at the place of a sum.
    fn beside(&self) -> Option<&Handle> {
        match *self {
            Self::Add { beside, .. } => beside,
            Self::Slope { x, .. } => Some(x),
            Self::Plain | Self::Activate { .. } => None,
        }
    }

    /// Whether the result is bf16.
    pub fn is_rounded(&self) -> bool {
        matches!(
            self,
            Self::Activate { rounded: true, .. } | Self::Slope { rounded: true, .. }
        )
    }

    /// Whether the kernels can read the tensors: whole vectors of four.
    pub fn is_taken(&self) -> bool {
        let aligned = |handle: &Handle| buffer::offset(handle).is_multiple_of(ALIGN);
        self.bias().is_none_or(aligned) && self.beside().is_none_or(aligned)
    }

    /// Checks the tensors of results of `len` elements in rows of `n`.
    pub(crate) fn check(
        &self,
        kernel: &'static str,
        len: usize,
        n: usize,
    ) -> Result<(), KernelError> {
        let tensors = [("bias", self.bias(), n), ("beside", self.beside(), len)];
        for (what, handle, len) in tensors {
            if let Some(handle) = handle {
                buffer::check(kernel, what, handle, 4 * len as u64, ALIGN)?;
            }
        }
        Ok(())
    }

    /// The macros of `finish.cu`.
    pub(crate) fn defines(&self) -> [(&'static str, u32); 4] {
        let (finish, kind) = match self {
            Self::Plain | Self::Add { beside: None, .. } => (0, None),
            Self::Add { .. } => (1, None),
            Self::Activate { kind, .. } => (2, Some(*kind)),
            Self::Slope { kind, .. } => (3, Some(*kind)),
        };
        [
            ("FINISH", finish),
            ("BIAS", u32::from(self.bias().is_some())),
            ("KIND", u32::from(kind == Some(ActivationKind::QuickGelu))),
            ("HALF", u32::from(self.is_rounded())),
        ]
    }

    /// Room for a result of `len` elements, and the kernels' last buffers: the result, the bias, and
    /// what is beside it; the result stands for what there is none of.
    pub(crate) fn buffers(
        &self,
        client: &ComputeClient<CudaRuntime>,
        len: usize,
    ) -> (Finished, [Handle; 3]) {
        let size = if self.is_rounded() { 2 } else { 4 };
        let out = client.empty(size * len);
        let sums = matches!(self, Self::Activate { .. }).then(|| client.empty(4 * len));
        let bias = self.bias().unwrap_or(&out).clone();
        let beside = sums.as_ref().or(self.beside()).unwrap_or(&out).clone();
        let buffers = [out.clone(), bias, beside];
        (Finished { out, sums }, buffers)
    }
}

/// Bytes that tensors begin at a multiple of.
const ALIGN: u64 = 16;
