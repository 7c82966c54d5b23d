use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::shown::shown;

/// A JSON object, refused if it has a key twice: of two values the last would count, and the
/// other one would be lost without a word.
///
/// With `METADATA`, the format's key for remarks is passed over.
#[derive(Debug)]
pub(crate) struct DistinctMap<V, const METADATA: bool>(pub BTreeMap<String, V>);

/// Of safetensors.
const METADATA_KEY: &str = "__metadata__";

impl<'de, V: Deserialize<'de>, const METADATA: bool> Deserialize<'de> for DistinctMap<V, METADATA> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries::<V, METADATA>(PhantomData))
    }
}

struct Entries<V, const METADATA: bool>(PhantomData<V>);

impl<'de, V: Deserialize<'de>, const METADATA: bool> Visitor<'de> for Entries<V, METADATA> {
    type Value = DistinctMap<V, METADATA>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that has every key once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        let mut remarks = false;
        while let Some(key) = map.next_key::<String>()? {
            let twice = match METADATA && key == METADATA_KEY {
                true => {
                    map.next_value::<IgnoredAny>()?;
                    std::mem::replace(&mut remarks, true)
                }
                false => entries.insert(key.clone(), map.next_value()?).is_some(),
            };
            if twice {
                return Err(A::Error::custom(format!("`{}` twice", shown(&key))));
            }
        }
        Ok(DistinctMap(entries))
    }
}
