//! Which bytes does a file hold, when copies must be cheap and most of it may be zeros?

use std::{collections::BTreeMap, iter, ops::Range, sync::Arc};

/// What a disk writes whole or not at all.
pub(super) const SECTOR: usize = 512;
/// How large a piece of content is shared or copied.
const PAGE: usize = 4096;

type Page = [u8; PAGE];

static ZEROS: Page = [0; PAGE];

/// Bytes in pages that copies share until one of them writes; a page never written is zeros and takes no room.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: BTreeMap<u64, Arc<Page>>,
    len: u64,
}

impl Content {
    /// Content of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        content.write(0, bytes);
        content
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Stores bytes; the content grows when they reach past its end.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (at, range) in pieces(offset, bytes.len(), PAGE) {
            let page = self.pages.entry(at / PAGE as u64).or_insert_with(|| Arc::new(ZEROS));
            let start = within(at, PAGE);
            Arc::make_mut(page)[start..start + range.len()].copy_from_slice(&bytes[range]);
        }
        if !bytes.is_empty() {
            self.len = self.len.max(offset + bytes.len() as u64);
        }
    }

    /// Fills `bytes` as far as the content reaches and says how many.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> usize {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(bytes.len());
        for (at, range) in pieces(offset, count, PAGE) {
            let start = within(at, PAGE);
            let end = start + range.len();
            bytes[range].copy_from_slice(&self.page(at / PAGE as u64)[start..end]);
        }
        count
    }

    /// A copy of a range, clipped to the end.
    pub(super) fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let end = range.end.min(self.len);
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(range.start)).unwrap_or(0)];
        self.read(range.start, &mut bytes);
        bytes
    }

    /// Cuts the content off, or adds zeros to its end.
    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE as u64));
            let tail = self.pages.get_mut(&(len / PAGE as u64));
            if let Some(page) = tail {
                Arc::make_mut(page)[within(len, PAGE)..].fill(0);
            }
        }
        self.len = len;
    }

    /// Whether both read alike.
    pub(super) fn same(&self, other: &Self) -> bool {
        let mut numbers = self.pages.keys().chain(other.pages.keys());
        self.len == other.len && numbers.all(|&number| self.page(number) == other.page(number))
    }

    fn page(&self, number: u64) -> &Page {
        self.pages.get(&number).map_or(&ZEROS, |page| page)
    }
}

/// Splits `len` bytes at `offset` wherever a multiple of `unit` lies: where each piece lands, and which bytes it is.
pub(super) fn pieces(offset: u64, len: usize, unit: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut done = 0;
    iter::from_fn(move || {
        let at = offset + done as u64;
        let range = done..len.min(done + unit - within(at, unit));
        done = range.end;
        (!range.is_empty()).then_some((at, range))
    })
}

fn within(offset: u64, unit: usize) -> usize {
    usize::try_from(offset % unit as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_multiples_and_cover_all() {
        let split: Vec<_> = pieces(500, 1_050, 512).collect();
        assert_eq!(split, [(500, 0..12), (512, 12..524), (1_024, 524..1_036), (1_536, 1_036..1_050)]);
        assert_eq!(pieces(512, 0, 512).count(), 0);
    }

    #[test]
    fn what_was_cut_off_reads_as_zeros_when_the_content_grows_again() {
        let mut content = Content::of(&[7; 10_000]);
        content.set_len(5_000);
        content.set_len(9_000);
        let bytes = content.bytes(0..20_000);
        assert_eq!(bytes.len(), 9_000);
        assert!(bytes[..5_000].iter().all(|&byte| byte == 7) && bytes[5_000..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn copies_are_apart_and_zeros_equal_what_was_never_written() {
        let (first, mut second) = (Content::of(&[0; 8_192]), Content::default());
        second.set_len(8_192);
        assert!(first.same(&second));
        let mut third = first.clone();
        third.write(8_000, &[1]);
        assert!(!first.same(&third) && first.bytes(8_000..8_001) == [0]);
    }
}
