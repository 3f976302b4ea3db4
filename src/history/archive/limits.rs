//! How much may a file of the archive cost?

/// The longest line, without its line feed.
pub const LINE_BYTES_MAX: usize = 256;
/// What a file may inflate to whatever its ratio: tiny files compress well.
const INFLATED_BYTES_FREE: u64 = 1 << 16;

/// Bounds for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest zip; at most 4 GiB, from where on zips have another form.
    pub zip_bytes_max: u64,
    /// The longest CSV.
    pub csv_bytes_max: u64,
    /// How many times longer the CSV may be than its compressed form; the venue's are 5 times.
    pub ratio_max: u64,
    /// What rows may take while a file is sorted.
    pub sort_bytes_max: usize,
    /// How often a file may be read again to sort it.
    pub strips_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            zip_bytes_max: (1 << 32) - 1,
            csv_bytes_max: 64 << 30,
            ratio_max: 60,
            sort_bytes_max: 192 << 20,
            strips_max: 128,
        }
    }
}

impl Limits {
    /// The longest CSV that so many compressed bytes may become.
    pub(super) fn inflated_bytes_max(&self, compressed: u64) -> u64 {
        compressed.saturating_mul(self.ratio_max).max(INFLATED_BYTES_FREE)
    }
}
