use syn::{Field, Result};

/// `#[dora(..)]` of a field.
#[derive(Default)]
pub(crate) struct FieldOptions {
    /// Left alone, whatever it is.
    pub(crate) skip: bool,
    /// Refused by the compiler unless it is a target.
    pub(crate) nested: bool,
}

impl FieldOptions {
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let mut options = Self::default();
        for attribute in &field.attrs {
            if !attribute.path().is_ident("dora") {
                continue;
            }
            attribute.parse_nested_meta(|meta| {
                let option = match &meta.path {
                    path if path.is_ident("skip") => &mut options.skip,
                    path if path.is_ident("nested") => &mut options.nested,
                    _ => return Err(meta.error("expected `skip` or `nested`")),
                };
                *option = true;
                match options.skip && options.nested {
                    true => Err(meta.error("expected `skip` or `nested`, found both")),
                    false => Ok(()),
                }
            })?;
        }
        Ok(options)
    }
}
