//! Layers and what holds several are targets, too.

use burn::tensor::backend::Backend;

use crate::targets::below;
use crate::{DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear, DoraTargets};

/// A method of the trait: how `$this` is mapped by `$f`.
macro_rules! map {
    ($map:ident, $layer:ident, |$this:ident, $f:ident| $body:expr) => {
        fn $map<F>(self, $f: &mut F) -> Result<Self, DoraError>
        where
            F: FnMut(&str, $layer<B>) -> Result<$layer<B>, DoraError>,
        {
            let $this = self;
            $body
        }
    };
}

/// Its path is empty: a model that is one layer has no more to say.
impl<B: Backend> DoraTargets<B> for DoraLinear<B> {
    map!(map_linears, DoraLinear, |layer, f| f("", layer));
}

impl<B: Backend> DoraTargets<B> for DoraEmbedding<B> {
    map!(map_linears, DoraLinear, |layer, _f| Ok(layer));
    map!(map_embeddings, DoraEmbedding, |layer, f| f("", layer));
}

impl<B: Backend> DoraTargets<B> for DoraConv2d<B> {
    map!(map_linears, DoraLinear, |layer, _f| Ok(layer));
    map!(map_convs, DoraConv2d, |layer, f| f("", layer));
}

impl<B: Backend> DoraTargets<B> for DoraFusedLinear<B> {
    map!(map_linears, DoraLinear, |layer, _f| Ok(layer));
    map!(map_fused, DoraFusedLinear, |layer, f| f("", layer));
}

/// All methods of the trait, each by the macro `$body`.
macro_rules! map_each_kind {
    ($body:ident) => {
        map!(map_linears, DoraLinear, |this, f| $body!(
            this,
            map_linears,
            f
        ));
        map!(map_embeddings, DoraEmbedding, |this, f| $body!(
            this,
            map_embeddings,
            f
        ));
        map!(map_convs, DoraConv2d, |this, f| $body!(this, map_convs, f));
        map!(map_fused, DoraFusedLinear, |this, f| $body!(
            this, map_fused, f
        ));
    };
}

macro_rules! map_option {
    ($this:ident, $map:ident, $f:ident) => {
        $this.map(|target| target.$map($f)).transpose()
    };
}

impl<B: Backend, T: DoraTargets<B>> DoraTargets<B> for Option<T> {
    map_each_kind!(map_option);
}

macro_rules! map_elements {
    ($this:ident, $map:ident, $f:ident) => {{
        let elements = $this.into_iter().enumerate();
        elements
            .map(|(i, target)| below!(target, $map, &i.to_string(), $f))
            .collect()
    }};
}

impl<B: Backend, T: DoraTargets<B>> DoraTargets<B> for Vec<T> {
    map_each_kind!(map_elements);
}

macro_rules! map_array {
    ($this:ident, $map:ident, $f:ident) => {{
        let elements: Result<Vec<T>, DoraError> = map_elements!($this, $map, $f);
        let array = elements?.try_into();
        Ok(array.unwrap_or_else(|_| unreachable!("as many as before")))
    }};
}

impl<B: Backend, T: DoraTargets<B>, const N: usize> DoraTargets<B> for [T; N] {
    map_each_kind!(map_array);
}
