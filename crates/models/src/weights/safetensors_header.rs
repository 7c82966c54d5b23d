use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::DistinctMap;
use super::distinct_map::{EXPECTED, twice};

/// What a `.safetensors` file says of its tensors.
#[derive(Debug)]
pub(super) struct SafetensorsHeader {
    pub tensors: BTreeMap<String, TensorInfo>,
    /// Remarks.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl SafetensorsHeader {
    /// The tensors as they lie in the file.
    pub fn in_order(&self) -> Vec<(&String, &TensorInfo)> {
        let mut order: Vec<(&String, &TensorInfo)> = self.tensors.iter().collect();
        order.sort_by_key(|(_, info)| info.data_offsets);
        order
    }
}

const METADATA_KEY: &str = "__metadata__";

impl<'de> Deserialize<'de> for SafetensorsHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

/// As a [`DistinctMap`], but for the one key that is no tensor's.
impl<'de> Visitor<'de> for Entries {
    type Value = SafetensorsHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut tensors, mut metadata) = (BTreeMap::new(), None);
        while let Some(key) = map.next_key::<String>()? {
            let known = match key.as_str() {
                METADATA_KEY => metadata.is_some(),
                _ => tensors.contains_key(&key),
            };
            if known {
                return Err(twice(&key));
            }
            match key.as_str() {
                METADATA_KEY => {
                    let DistinctMap(remarks) = map.next_value()?;
                    metadata = Some(remarks);
                }
                _ => {
                    tensors.insert(key, map.next_value()?);
                }
            }
        }
        Ok(SafetensorsHeader { tensors, metadata })
    }
}

/// The remarks first and then the tensors as they lie in the file, as the format's own library
/// writes them.
impl Serialize for SafetensorsHeader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(metadata) = &self.metadata {
            map.serialize_entry(METADATA_KEY, metadata)?;
        }
        for (name, info) in self.in_order() {
            map.serialize_entry(name, info)?;
        }
        map.end()
    }
}
