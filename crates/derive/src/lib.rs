//! `#[derive(DoraTargets)]` of `dacapo-dora`, which exports it and documents it at the trait of the
//! same name. Use it from there.
//!
//! The code that it writes moves the fields of a struct, in the order in which they are declared,
//! through functions of `dacapo-dora` that ask a field's type whether it is a target.

mod expand;
mod field_options;
mod struct_options;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// See `dacapo_dora::DoraTargets`.
#[proc_macro_derive(DoraTargets, attributes(dora))]
pub fn derive_dora_targets(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
