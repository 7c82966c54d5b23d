//! What the code of `#[derive(DoraTargets)]` calls; nothing to be called by hand.
//!
//! The code has a field's type and asks whether it is a target. That is found out by method lookup
//! on `&&Field<B, T>`: [`TargetField`] has its methods for `&Field<B, T>`, if T is a target, and
//! [`OtherField`] for `Field<B, T>`, one reference further, whatever T is.

use std::marker::PhantomData;

use burn::tensor::backend::Backend;

use crate::targets::below;
use crate::{DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear, DoraTargets};

/// The type of a field of a module on `B`.
pub struct Field<B, T>(PhantomData<fn() -> (B, T)>);

impl<B, T> Field<B, T> {
    #[allow(missing_docs, clippy::new_without_default)]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

/// Compiles if `T` is a target.
pub fn assert_target<B: Backend, T: DoraTargets<B>>() {}

macro_rules! fields {
    ($($map:ident: $layer:ident),*) => {
        /// A field that is a target, whose layers' paths begin with its name.
        pub trait TargetField<B: Backend, T> {
            $(
                #[allow(missing_docs, clippy::missing_errors_doc)]
                fn $map<F>(&self, field: T, name: &str, f: &mut F) -> Result<T, DoraError>
                where
                    F: FnMut(&str, $layer<B>) -> Result<$layer<B>, DoraError>;
            )*
        }

        impl<B: Backend, T: DoraTargets<B>> TargetField<B, T> for &Field<B, T> {
            $(
                fn $map<F>(&self, field: T, name: &str, f: &mut F) -> Result<T, DoraError>
                where
                    F: FnMut(&str, $layer<B>) -> Result<$layer<B>, DoraError>,
                {
                    below!(field, $map, name, f)
                }
            )*
        }

        /// Any field, which is left alone.
        pub trait OtherField<T> {
            $(
                #[allow(missing_docs, clippy::missing_errors_doc)]
                fn $map<F>(&self, field: T, _name: &str, _f: &mut F) -> Result<T, DoraError> {
                    Ok(field)
                }
            )*
        }
    };
}

fields!(
    map_linears: DoraLinear,
    map_embeddings: DoraEmbedding,
    map_convs: DoraConv2d,
    map_fused: DoraFusedLinear
);

impl<B, T> OtherField<T> for Field<B, T> {}
