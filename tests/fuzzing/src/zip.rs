//! Zip archives as torch writes them: entries that are stored as they are.

/// An archive of these entries, with the right checksums.
pub(crate) fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 33, 0];
        let len = bytes.len() as u32;
        for field in [crc32fast::hash(bytes), len, len] {
            common.extend(field.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&common);
        directory.extend([0; 12]);
        directory.extend((out.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend([0; 2]);
        out.extend(name.as_bytes());
        out.extend(*bytes);
    }
    let (start, len) = (out.len() as u32, directory.len() as u32);
    let count = (entries.len() as u16).to_le_bytes();
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].concat());
    out.extend([len.to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0; 2]);
    out
}

/// The pickle `data.pkl` in an archive of torch, with perhaps some bytes more.
pub(crate) fn pickle(archive: &[u8]) -> Option<&[u8]> {
    let find = |what: &[u8], from: usize| {
        let rest = archive.get(from..)?;
        let at = rest.windows(what.len()).position(|bytes| bytes == what)?;
        Some(from + at)
    };
    let start = find(b"\x80\x02", find(b"data.pkl", 0)?)?;
    Some(&archive[start..find(b"PK", start)?])
}
