//! How are months of minutes handed out without decoding them again?

use crate::{
    candle::CandleColumns,
    model::{Candle, UnixMillis},
    store::{Holding, record::Kind},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// Months held decoded: about 6 MiB each.
const MONTHS_MAX: usize = 32;

/// Decoded months, the one used last stands last.
#[derive(Debug, Default)]
pub(super) struct Months(Mutex<VecDeque<Month>>);

#[derive(Debug)]
struct Month {
    contract: u32,
    start: UnixMillis,
    /// [`Shelf::rewrites`](crate::store::shelf::Shelf::rewrites) when it was read.
    rewrites: u64,
    columns: Arc<CandleColumns>,
}

impl Months {
    fn get(&self, contract: u32, start: UnixMillis, rewrites: u64) -> Option<Arc<CandleColumns>> {
        let mut months = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = months.iter().rposition(|month| (month.contract, month.start) == (contract, start))?;
        let month = months.remove(at).filter(|month| month.rewrites == rewrites)?;
        let columns = Arc::clone(&month.columns);
        months.push_back(month);
        Some(columns)
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
    /// The minutes of the calendar month in which `time` lies, as columns. A month that is over and whole is kept decoded,
    /// while it is used, until a correction comes.
    pub fn month(&self, time: UnixMillis) -> Arc<CandleColumns> {
        let (year, month) = time.year_month();
        let (start, end) = (UnixMillis::month_start(year, month), UnixMillis::month_start(year, month + 1));
        let shelf = self.library().shelf(self.shelf().contract, Kind::Candle);
        // Before the rows are read: a correction that comes meanwhile makes what is read stale.
        let rewrites = shelf.rewrites();
        if let Some(columns) = self.library().months().get(shelf.contract, start, rewrites) {
            return columns;
        }
        let minutes: Vec<Candle> = self.minutes(start, end, usize::MAX, false);
        let columns = Arc::new(minutes.into_iter().collect::<CandleColumns>());
        let is_over = self.minutes_ends().is_some_and(|(_, last)| last >= end);
        if is_over {
            let (contract, columns) = (shelf.contract, Arc::clone(&columns));
            self.library().months().insert(Month { contract, start, rewrites, columns });
        }
        columns
    }
}
