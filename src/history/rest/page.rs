//! Is a page what was asked for?

use crate::model::{Trade, UnixMillis};

/// What is wrong with a page as a whole: nothing of it is taken, and it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No rows, though younger trades are known.
    #[error("no rows from id {from} on")]
    Empty {
        /// The id asked for.
        from: u64,
    },
    /// More rows than asked for.
    #[error("{rows} rows, {asked} asked for")]
    TooLong {
        /// How many came.
        rows: usize,
        /// How many were asked for.
        asked: u16,
    },
    /// It begins before the id asked for: another page, or another contract's.
    #[error("begins at id {first}, asked for from {from}")]
    Early {
        /// Its first id.
        first: u64,
        /// The id asked for.
        from: u64,
    },
    /// Two neighbours whose ids do not ascend.
    #[error("id {after} follows {before}")]
    Disorder {
        /// The id before.
        before: u64,
        /// The id after.
        after: u64,
    },
    /// A trade older than the one before it, or outside the times of the trades around the hole: another contract's, most
    /// likely, since a row does not name its own.
    #[error("id {id} has the time {time}, which is not between its neighbours'")]
    Time {
        /// Whose time.
        id: u64,
        /// The time.
        time: UnixMillis,
    },
}

/// What is asked of the venue: up to `rows` trades from `from` on, none older than the trade before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageWanted {
    pub(super) from: u64,
    pub(super) rows: u16,
    pub(super) not_before: Option<UnixMillis>,
}

/// Whether the page may be believed. It may begin late and have jumps: what those mean is judged elsewhere.
pub(super) fn judge(wanted: &PageWanted, page: &[Trade]) -> Result<(), PageError> {
    let first = page.first().ok_or(PageError::Empty { from: wanted.from })?.id;
    if page.len() > usize::from(wanted.rows) {
        return Err(PageError::TooLong { rows: page.len(), asked: wanted.rows });
    }
    if first < wanted.from {
        return Err(PageError::Early { first, from: wanted.from });
    }
    if let Some(pair) = page.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        return Err(PageError::Disorder { before: pair[0].id, after: pair[1].id });
    }
    let mut newest = wanted.not_before.unwrap_or(UnixMillis::new(i64::MIN));
    for trade in page {
        if trade.time < newest {
            return Err(PageError::Time { id: trade.id, time: trade.time });
        }
        newest = trade.time;
    }
    Ok(())
}
