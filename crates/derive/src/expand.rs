use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Data, DataStruct, DeriveInput, Error, Field, Fields, Result, parse_quote, spanned::Spanned,
};

use crate::field_options::FieldOptions;
use crate::struct_options::StructOptions;

/// The trait's methods, and the layers that they map.
const KINDS: [(&str, &str); 4] = [
    ("map_linears", "DoraLinear"),
    ("map_embeddings", "DoraEmbedding"),
    ("map_convs", "DoraConv2d"),
    ("map_fused", "DoraFusedLinear"),
];

/// The implementation of `DoraTargets` for a struct.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(DataStruct {
            fields: Fields::Named(fields),
            ..
        }) => &fields.named,
        _ => {
            let expected = "DoraTargets can be derived for a struct with named fields; implement \
                            it by hand";
            return Err(Error::new_spanned(&input.ident, expected));
        }
    };
    if !input.generics.type_params().any(|param| param.ident == "B") {
        let expected = "DoraTargets can be derived for a struct with a type parameter `B`, the \
                        backend, which burn's Module asks for, too";
        return Err(Error::new_spanned(&input.ident, expected));
    }
    let StructOptions { krate } = StructOptions::of(input)?;
    let name = &input.ident;

    let options = fields.iter().map(FieldOptions::of);
    let options = options.collect::<Result<Vec<_>>>()?;
    // As derives do: what a parameter stands for is to be a target where it is mapped.
    let mut generics = input.generics.clone();
    for param in input.generics.type_params() {
        let mapped = fields.iter().zip(&options).any(|(field, options)| {
            !options.skip && mentions(field.ty.to_token_stream(), &param.ident)
        });
        if mapped && param.ident != "B" {
            let param = &param.ident;
            let predicate = parse_quote!(#param: #krate::DoraTargets<B>);
            generics.make_where_clause().predicates.push(predicate);
        }
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    // The compiler shows the field's type as the place of an error.
    let checks = fields.iter().zip(&options).filter(|(_, of)| of.nested);
    let checks = checks.map(|(Field { ty, .. }, _)| {
        quote_spanned! {ty.span()=> #krate::derived::assert_target::<B, #ty>(); }
    });
    // In the first method only, for one error.
    let mut checks = Some(quote! { #(#checks)* });
    let methods = KINDS.map(|(method, layer)| {
        let (method, layer) = (format_ident!("{method}"), format_ident!("{layer}"));
        let fields = fields.iter().zip(&options).map(|(field, options)| {
            let (name, ty) = (&field.ident, &field.ty);
            if options.skip {
                return quote! { #name: self.#name };
            }
            // With its `r#`, as burn's Module names a parameter.
            let path = name.as_ref().map(ToString::to_string);
            // By the rules of method lookup, that of targets if `ty` is one, else that of all.
            quote! { #name: (&&#krate::derived::Field::<B, #ty>::new()).#method(self.#name, #path, f)? }
        });
        let checks = checks.take();
        quote! {
            fn #method<F__>(
                self,
                f: &mut F__,
            ) -> ::core::result::Result<Self, #krate::DoraError>
            where
                F__: ::core::ops::FnMut(
                    &str,
                    #krate::#layer<B>,
                ) -> ::core::result::Result<#krate::#layer<B>, #krate::DoraError>,
            {
                #[allow(unused_imports)]
                use #krate::derived::{OtherField as _, TargetField as _};
                #checks
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl #impl_generics #krate::DoraTargets<B> for #name #ty_generics #where_clause {
            #(#methods)*
        }
    })
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(input: DeriveInput, expected: &str) {
        let error = expand(&input).expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn type_that_is_no_module_is_expanded() {
        assert_refused(
            parse_quote!(
                struct M<B>(DoraLinear<B>);
            ),
            "named fields",
        );
        assert_refused(
            parse_quote!(
                struct M<B>;
            ),
            "named fields",
        );
        assert_refused(
            parse_quote!(
                enum M<B> {
                    A(DoraLinear<B>),
                }
            ),
            "named fields",
        );
        let fixed = parse_quote! { struct M { head: DoraLinear<Flex> } };
        assert_refused(fixed, "type parameter `B`");
        let constant = parse_quote! { struct M<const B: usize> { head: [u8; B] } };
        assert_refused(constant, "type parameter `B`");
    }

    #[test]
    fn unknown_option_is_ignored() {
        let misspelt = parse_quote! { struct M<B> { #[dora(skipped)] head: DoraLinear<B> } };
        assert_refused(misspelt, "expected `skip` or `nested`");
        let both = parse_quote! { struct M<B> { #[dora(skip, nested)] head: DoraLinear<B> } };
        assert_refused(both, "found both");
        let of_struct = parse_quote! { #[dora(skip)] struct M<B> { head: DoraLinear<B> } };
        assert_refused(of_struct, "expected `crate = \"path\"`");
        let no_path = parse_quote! { #[dora(crate = "a b")] struct M<B> { head: DoraLinear<B> } };
        assert!(expand(&no_path).is_err());
    }

    #[test]
    fn code_names_a_crate_that_is_not_there() {
        let input = parse_quote! {
            #[dora(crate = "dacapo::dora")]
            struct M<B> { head: DoraLinear<B>, #[dora(nested)] body: Body<B> }
        };
        let code = expand(&input).expect("expanded").to_string();
        assert!(code.contains("dacapo :: dora :: DoraTargets"), "{code}");
        assert!(!code.contains("dacapo_dora"), "{code}");
    }
}
