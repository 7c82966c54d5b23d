//! Prints the public API of a crate, an item a line, from rustdoc's JSON file of it.
//!
//! Left out are the impls that follow from others: automatic and blanket ones, and what derives of
//! std write.

use std::{env, error::Error};

use public_api::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args_os()
        .nth(1)
        .ok_or("give a JSON file of rustdoc's")?;
    let api = Builder::from_rustdoc_json(file)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()?;
    print!("{api}");
    Ok(())
}
