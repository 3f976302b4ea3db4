//! How is a run of records held while its kind does not matter?

use crate::{
    model::{IdRange, UnixMillis},
    store::record::{Kind, Record},
};

/// Records of one kind as a table of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    kind: Kind,
    words: Vec<u64>,
}

impl Rows {
    /// None yet.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, words: Vec::new() }
    }

    /// None yet, with room for `rows`.
    pub fn with_capacity(kind: Kind, rows: usize) -> Self {
        Self { kind, words: Vec::with_capacity(rows * kind.width()) }
    }

    /// The records of a slice.
    pub fn of<R: Record>(kind: Kind, records: &[R]) -> Self {
        let mut rows = Self::with_capacity(kind, records.len());
        records.iter().for_each(|record| rows.push(record));
        rows
    }

    /// Adds a record of this kind.
    pub fn push(&mut self, record: &impl Record) {
        record.write(&mut self.words);
    }

    /// Adds rows as words; whole ones only.
    pub fn extend_from_words(&mut self, words: impl IntoIterator<Item = u64>) {
        self.words.extend(words);
        let excess = self.words.len() % self.kind.width();
        self.words.truncate(self.words.len() - excess);
    }

    /// Adds one row as words; nothing happens when it is not whole.
    pub fn push_words(&mut self, row: &[u64]) {
        if row.len() == self.kind.width() {
            self.words.extend_from_slice(row);
        }
    }

    /// What they are.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.words.len() / self.kind.width()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// All words, row after row.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Each row's words.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u64]> + ExactSizeIterator {
        self.words.chunks_exact(self.kind.width())
    }

    /// One row's words.
    pub fn get(&self, at: usize) -> Option<&[u64]> {
        let width = self.kind.width();
        self.words.get(at * width..(at + 1) * width)
    }

    /// The records.
    pub fn records<R: Record>(&self) -> impl Iterator<Item = R> {
        self.iter().filter_map(R::read)
    }

    /// The keys, in the rows' order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
        self.iter().map(|row| row[0])
    }

    /// The times, in the rows' order.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = UnixMillis> + ExactSizeIterator {
        self.iter().map(|row| UnixMillis::new(row[1].cast_signed()))
    }

    /// Bytes of memory.
    pub const fn bytes(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// Forgets all rows and keeps the room.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// Keeps at most `count` rows: the first, or the `last` of them.
    pub fn keep(&mut self, count: usize, last: bool) {
        let words = count.saturating_mul(self.kind.width());
        if last {
            self.words.drain(..self.words.len().saturating_sub(words));
        } else {
            self.words.truncate(words);
        }
    }

    /// Keeps rows whose keys, which ascend, are in `keys`.
    pub fn clip(&mut self, keys: IdRange) {
        let at = |below: &dyn Fn(u64) -> bool| self.keys().position(|key| !below(key)).unwrap_or(self.len());
        let (from, to) = (at(&|key| key < keys.first), at(&|key| key <= keys.last));
        let width = self.kind.width();
        self.words.truncate(to * width);
        self.words.drain(..from.min(to) * width);
    }

    /// Brings the rows into the order of their keys; rows of equal keys keep theirs.
    pub fn sort(&mut self) {
        if self.keys().is_sorted() {
            return;
        }
        let mut order: Vec<&[u64]> = self.words.chunks_exact(self.kind.width()).collect();
        order.sort_by_key(|row| row[0]);
        self.words = order.concat();
    }
}
