//! The canonical bytes of a tree, documented at `Tree::state_hash`.

use crate::Leaf;

pub(crate) fn hash<'a>(leaves: impl Iterator<Item = (&'a String, &'a Leaf)>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("dacapo-record v1 state hash");
    for (path, leaf) in leaves {
        run(&mut hasher, path.as_bytes());
        update(&mut hasher, leaf);
    }
    hasher.finalize().to_hex().to_string()
}

fn update(hasher: &mut blake3::Hasher, leaf: &Leaf) {
    match leaf {
        Leaf::Nil => {
            hasher.update(&[0]);
        }
        Leaf::Bool(value) => {
            hasher.update(&[1, u8::from(*value)]);
        }
        Leaf::Int(value) => {
            hasher.update(&[2]).update(&value.to_le_bytes());
        }
        Leaf::F32(value) => {
            hasher.update(&[3]).update(&value.to_le_bytes());
        }
        Leaf::F64(value) => {
            hasher.update(&[4]).update(&value.to_le_bytes());
        }
        Leaf::Str(text) => run(hasher.update(&[5]), text.as_bytes()),
        Leaf::Bytes(bytes) => run(hasher.update(&[6]), bytes),
        Leaf::EmptyMap => {
            hasher.update(&[7]);
        }
        Leaf::EmptySeq => {
            hasher.update(&[8]);
        }
        Leaf::Tensor {
            dtype,
            shape,
            bytes,
        } => {
            run(hasher.update(&[9]), dtype.as_bytes());
            hasher.update(&(shape.len() as u64).to_le_bytes());
            for extent in shape {
                hasher.update(&extent.to_le_bytes());
            }
            run(hasher, bytes);
        }
    }
}

fn run(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
