/// torch aligns every entry to as many bytes.
const ALIGNMENT: usize = 64;
/// 1980-01-01, the first date that a zip archive can tell: the same in every file.
const DATE: u16 = (1 << 5) | 1;
const VERSION: u16 = 20;

/// Builds an archive in memory. The same entries give the same bytes.
#[derive(Default)]
pub(crate) struct ArchiveWriter {
    out: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl ArchiveWriter {
    /// Appends an entry. Nothing if the archive would become too large for 32 bits.
    pub(crate) fn entry(&mut self, name: &str, bytes: &[u8]) -> Option<()> {
        let header = narrow(self.out.len())?;
        let mut common = Vec::new();
        for field in [VERSION, 0, 0, 0, DATE] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        let len = narrow(bytes.len())?;
        for field in [crc32fast::hash(bytes), len, len] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());

        // torch's padding: an extra field "FB" of so many bytes that the data is aligned.
        let unpadded = self.out.len() + 30 + name.len() + 4;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
        self.out.extend_from_slice(b"PK\x03\x04");
        self.out.extend_from_slice(&common);
        self.out
            .extend_from_slice(&(padding as u16 + 4).to_le_bytes());
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"FB");
        self.out.extend_from_slice(&(padding as u16).to_le_bytes());
        self.out.resize(self.out.len() + padding, b'Z');
        self.out.extend_from_slice(bytes);

        self.directory.extend_from_slice(b"PK\x01\x02");
        self.directory.extend_from_slice(&VERSION.to_le_bytes());
        self.directory.extend_from_slice(&common);
        // No extra field, no comment, the first disk, no attributes.
        self.directory.extend_from_slice(&[0; 12]);
        self.directory.extend_from_slice(&header.to_le_bytes());
        self.directory.extend_from_slice(name.as_bytes());
        self.count = (self.count + 1 < u16::MAX).then_some(self.count + 1)?;
        Some(())
    }

    /// Appends the directory. Nothing if the archive is too large for 32 bits.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        let start = narrow(self.out.len())?;
        let len = narrow(self.directory.len())?;
        self.out.append(&mut self.directory);
        self.out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        self.out.extend_from_slice(&self.count.to_le_bytes());
        self.out.extend_from_slice(&self.count.to_le_bytes());
        self.out.extend_from_slice(&len.to_le_bytes());
        self.out.extend_from_slice(&start.to_le_bytes());
        self.out.extend_from_slice(&[0; 2]);
        Some(self.out)
    }
}

/// A length of an archive without zip64, where the largest number means "look elsewhere".
fn narrow(len: usize) -> Option<u32> {
    u32::try_from(len).ok().filter(|len| *len < u32::MAX)
}
