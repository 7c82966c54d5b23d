use syn::{DeriveInput, LitStr, Path, Result, parse_quote};

/// `#[dora(..)]` of a struct.
pub(crate) struct StructOptions {
    /// Where `dacapo-dora` lies.
    pub(crate) krate: Path,
}

impl StructOptions {
    pub(crate) fn of(input: &DeriveInput) -> Result<Self> {
        let mut krate = parse_quote!(::dacapo_dora);
        for attribute in &input.attrs {
            if !attribute.path().is_ident("dora") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("crate") {
                    return Err(meta.error("expected `crate = \"path\"`"));
                }
                krate = meta.value()?.parse::<LitStr>()?.parse()?;
                Ok(())
            })?;
        }
        Ok(Self { krate })
    }
}
