//! How are months of minutes handed out without decoding them again?

use crate::{candle::CandleColumns, model::UnixMillis, store::Holding};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Months held decoded: about 6 MiB each.
const MONTHS_MAX: usize = 32;

/// Decoded months, the one used last stands last.
#[derive(Debug, Default)]
pub(super) struct Months(Mutex<VecDeque<Month>>);

#[derive(Clone, Debug)]
struct Month {
    contract: u32,
    start: UnixMillis,
    /// [`Shelf::rewrites`](crate::store::shelf::Shelf::rewrites) when it was read.
    rewrites: u64,
    /// Whether it was over when it was read, so that nothing is to come but corrections.
    is_over: bool,
    columns: Arc<CandleColumns>,
}

impl Months {
    /// A month as it was read last, unless something of its contract was corrected since.
    fn take(&self, contract: u32, start: UnixMillis, rewrites: u64) -> Option<Month> {
        let mut months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = months.iter().rposition(|month| (month.contract, month.start) == (contract, start))?;
        let month = months.remove(at).filter(|month| month.rewrites == rewrites)?;
        months.push_back(month.clone());
        Some(month)
    }

    fn insert(&self, month: Month) {
        let mut months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        months.retain(|other| (other.contract, other.start) != (month.contract, month.start));
        if months.len() >= MONTHS_MAX {
            months.pop_front();
        }
        months.push_back(month);
    }
}

impl Holding {
    /// The minutes of the calendar month in which `time` lies, as columns. They are kept decoded while they are used, until
    /// a correction comes.
    pub fn month(&self, time: UnixMillis) -> Arc<CandleColumns> {
        let (year, month) = time.year_month();
        let (start, end) = (UnixMillis::month_start(year, month), UnixMillis::month_start(year, month + 1));
        let shelf = self.minutes_shelf();
        // Both before the rows are read: what comes meanwhile makes what is read stale, or leaves it to be read on.
        let rewrites = shelf.rewrites();
        let known = self.library().months().take(shelf.contract, start, rewrites);
        if let Some(month) = known.as_ref().filter(|month| month.is_over) {
            return Arc::clone(&month.columns);
        }
        let is_over = self.minutes_ends().is_some_and(|(_, last)| last >= end);
        let mut columns = known.map(|month| month.columns).unwrap_or_default();
        let from = columns.close_time.last().map_or(start, |time| UnixMillis::new(*time));
        let minutes = self.minutes(from, end, usize::MAX, false);
        if !minutes.is_empty() {
            let columns = Arc::make_mut(&mut columns);
            minutes.iter().for_each(|minute| columns.push(minute));
        }
        let contract = shelf.contract;
        self.library().months().insert(Month { contract, start, rewrites, is_over, columns: Arc::clone(&columns) });
        columns
    }
}
