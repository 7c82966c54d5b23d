/// What the central directory says of an entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Where its local header begins.
    pub(super) header: u64,
    pub(super) len: u64,
    pub(super) stored_len: u64,
    pub(super) crc: u32,
    pub(super) method: u16,
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
