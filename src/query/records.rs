//! Which records beside trades and candles does the store hold for a range of time?

use crate::{
    model::UnixMillis,
    store::{Records, record::Timed},
};

/// Which records are wanted. Without `start` the newest ones.
#[derive(Clone, Copy, Debug)]
pub struct RecordRange {
    /// Times from it on, the oldest first.
    pub start: Option<UnixMillis>,
    /// Times before it.
    pub end: Option<UnixMillis>,
    /// At most so many; the last millisecond of a page is whole, and may exceed it.
    pub limit: usize,
}

/// Records, and what is known of the range they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordPage<R> {
    /// Ascending.
    pub rows: Vec<R>,
    /// Where the next page begins; none when there is nothing after this one yet.
    pub next: Option<UnixMillis>,
    /// The time of the oldest record that is held.
    pub held_from: Option<UnixMillis>,
    /// Whether some of the range is held and cannot be read.
    pub is_damaged: bool,
    /// Whether older rows were wanted that one question does not reach.
    pub is_cut: bool,
}

/// The end of what a range without one asks for.
pub(super) const FAR: UnixMillis = UnixMillis::new(i64::MAX);

/// Reads records of a contract.
pub fn records<R: Timed>(records: &Records, range: &RecordRange) -> RecordPage<R> {
    let held_from = records.ends::<R>().map(|(first, _)| first);
    let end = range.end.unwrap_or(FAR);
    let Some(start) = range.start else {
        let found = records.between(UnixMillis::default(), end, range.limit, true);
        let is_damaged = !found.damaged.is_empty();
        return RecordPage { rows: found.rows, next: None, held_from, is_damaged, is_cut: false };
    };
    let mut found = records.between::<R>(start, end, range.limit.saturating_add(1), false);
    let next = found.rows.get(range.limit).map(|row| row.time());
    let mut is_damaged = !found.damaged.is_empty();
    let next = next.map(|next| {
        found.rows.retain(|row| row.time() < next);
        if !found.rows.is_empty() {
            return next;
        }
        // More than a page have this time: they are given whole.
        let whole = records.between(next, next.plus(1), usize::MAX, false);
        is_damaged |= !whole.damaged.is_empty();
        found.rows = whole.rows;
        next.plus(1)
    });
    RecordPage { rows: found.rows, next, held_from, is_damaged, is_cut: false }
}
