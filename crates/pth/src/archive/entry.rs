/// What the central directory says of an entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where its local header begins.
    pub(super) header: u64,
    pub(super) len: u64,
    pub(super) stored_len: u64,
    pub(super) crc: u32,
    pub(super) method: u16,
    /// Flags of the system that wrote it; above, the mode of a file on Unix.
    pub(super) attributes: u32,
    /// Where what lies behind it begins: another entry or the directory.
    pub(super) end: u64,
}

impl Entry {
    /// Why the entry is none that torch writes, which has plain files alone; nothing if it
    /// may be one.
    pub(super) fn is_foreign(&self, name: &str) -> Option<&'static str> {
        const TYPE: u32 = 0o170_000;
        let folder = name.ends_with('/');
        match (self.attributes >> 16) & TYPE {
            // Most writers tell no type.
            0 | 0o100_000 => {}
            0o040_000 if folder => {}
            0o040_000 => return Some("a folder"),
            0o120_000 => return Some("a symbolic link"),
            _ => return Some("a device, a pipe or the like"),
        }
        (folder && self.stored_len.max(self.len) > 0).then_some("a folder with content")
    }
}

/// Why a name is none that torch writes: nothing here goes to a disk, but whoever writes such
/// a name wants something else.
pub(super) fn is_foreign_name(name: &str) -> Option<&'static str> {
    // A folder's name ends in one.
    let mut parts = name.strip_suffix('/').unwrap_or(name).split('/');
    let drive = name.as_bytes().get(1) == Some(&b':');
    match name {
        "" => Some("an empty one"),
        _ if name.chars().any(char::is_control) => Some("one with control characters"),
        _ if name.contains('\\') => Some("one with a backslash"),
        _ if name.starts_with('/') || drive => Some("an absolute one"),
        _ if parts.any(|part| matches!(part, "" | "." | "..")) => {
            Some("one that leads to another folder")
        }
        _ => None,
    }
}

/// Reads a directory record at the start of `bytes`: the name, the entry and the
/// record's length. Nothing if `bytes` end before or the signature is another.
pub(super) fn parse(bytes: &[u8]) -> Option<(&[u8], Entry, usize)> {
    if bytes.get(..4)? != b"PK\x01\x02" {
        return None;
    }
    let name_len = usize::from(u16_at(bytes, 28)?);
    let extra_len = usize::from(u16_at(bytes, 30)?);
    let comment_len = usize::from(u16_at(bytes, 32)?);
    let name = bytes.get(46..46 + name_len)?;
    let extra = bytes.get(46 + name_len..46 + name_len + extra_len)?;
    let record = 46 + name_len + extra_len + comment_len;
    if bytes.len() < record {
        return None;
    }
    let mut entry = Entry {
        method: u16_at(bytes, 10)?,
        attributes: u32_at(bytes, 38)?,
        end: 0,
        crc: u32_at(bytes, 16)?,
        stored_len: u32_at(bytes, 20)?.into(),
        len: u32_at(bytes, 24)?.into(),
        header: u32_at(bytes, 42)?.into(),
    };
    widen(&mut entry, extra)?;
    Some((name, entry, record))
}

/// Replaces the fields that did not fit 32 bits by those of the zip64 extra field.
fn widen(entry: &mut Entry, mut extra: &[u8]) -> Option<()> {
    let too_large = u64::from(u32::MAX);
    let fields = [&mut entry.len, &mut entry.stored_len, &mut entry.header];
    let mut missing = fields.into_iter().filter(|field| **field == too_large);
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let body = extra.get(4..4 + len)?;
        if id == 1 {
            for (i, field) in missing.by_ref().enumerate() {
                *field = u64_at(body, 8 * i)?;
            }
        }
        extra = &extra[4 + len..];
    }
    missing.next().is_none().then_some(())
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
