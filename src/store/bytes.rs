//! How are fixed-layout little-endian records written and read, and what is their checksum?

/// CRC-32C: finds accidents, not attackers.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of words as they stand in a file.
pub fn words_checksum(words: &[u64]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    let mut bytes = [0; 4096];
    for words in words.chunks(bytes.len() / 8) {
        let (chunks, _) = bytes.as_chunks_mut::<8>();
        chunks.iter_mut().zip(words).for_each(|(chunk, word)| *chunk = word.to_le_bytes());
        digest.update(&bytes[..words.len() * 8]);
    }
    // The algorithm is of 32 bits; the library hands every sum out in 64.
    u32::try_from(digest.finalize()).unwrap_or_default()
}

/// `len` rounded up to a multiple of 64, the alignment of everything that is mapped.
pub const fn aligned(len: u64) -> u64 {
    len.next_multiple_of(64)
}

/// Writes fields one after another.
#[derive(Debug, Default)]
pub struct Fields(Vec<u8>);

impl Fields {
    /// Nothing yet, with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Eight bytes.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Sixteen bytes.
    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// As they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Zeros up to `len` less four bytes, then the checksum of all that, which makes it `len` long.
    pub fn sealed(mut self, len: usize) -> Vec<u8> {
        self.0.resize(len - 4, 0);
        let sum = checksum(&self.0);
        self.u32(sum);
        self.0
    }

    /// What was written.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// Reads fields one after another; past the end everything is zero and [`Reader::is_whole`] says so.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    whole: bool,
}

impl<'a> Reader<'a> {
    /// Over `bytes`, from the start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: true }
    }

    /// Over the record of `len` bytes that [`Fields::sealed`] made at the start of `bytes`; nothing when its checksum differs.
    pub fn unsealed(bytes: &'a [u8], len: usize) -> Option<Self> {
        let (body, sum) = bytes.get(..len)?.split_last_chunk::<4>()?;
        (checksum(body) == u32::from_le_bytes(*sum)).then(|| Self::new(body))
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            self.whole = false;
            return [0; N];
        };
        self.rest = rest;
        *taken
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    /// Sixteen bytes.
    pub fn u128(&mut self) -> u128 {
        u128::from_le_bytes(self.take())
    }

    /// So many bytes as they are; none when there are fewer.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            self.whole = false;
            return &[];
        };
        self.rest = rest;
        taken
    }

    /// Whether everything asked for was there.
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_record_reads_back_and_a_changed_one_does_not() {
        let mut fields = Fields::default();
        fields.u16(1).u32(2).u64(3).i64(-4).u128(5).bytes(b"six");
        let mut bytes = fields.sealed(64);
        let mut reader = Reader::unsealed(&bytes, 64).expect("whole");
        assert_eq!((reader.u16(), reader.u32(), reader.u64(), reader.i64(), reader.u128()), (1, 2, 3, -4, 5));
        assert_eq!((reader.bytes(3), reader.is_whole()), (&b"six"[..], true));
        for at in 0..64 {
            bytes[at] ^= 1;
            assert!(Reader::unsealed(&bytes, 64).is_none(), "byte {at}");
            bytes[at] ^= 1;
        }
        assert!(Reader::unsealed(&bytes[..63], 64).is_none());
    }

    #[test]
    fn words_have_the_checksum_of_their_bytes() {
        for count in [0, 1, 511, 512, 513, 5_000_u64] {
            let words: Vec<u64> = (0..count).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!(words_checksum(&words), checksum(&bytes), "{count}");
        }
    }

    #[test]
    fn past_the_end_is_noticed() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!((reader.u64(), reader.is_whole()), (0, false));
    }
}
