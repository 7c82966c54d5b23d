//! Checksummed, atomically committed record files, and a leaf-by-leaf view of them, for dacapo.
