//! What goes wrong with REST on purpose?

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Faults that wait at once; more are not taken.
const FAULTS_MAX: usize = 4_096;

/// What becomes of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestFault {
    /// 429, with or without `Retry-After`.
    TooMany {
        /// Whether the header comes along.
        has_retry_after: bool,
    },
    /// 418, and for so long every request is answered so.
    Banned {
        /// In the exchange's time.
        millis: i64,
    },
    /// 403 with a page of HTML, from the firewall before the exchange.
    Forbidden,
    /// 451: a restricted location.
    Restricted,
    /// 503 with code -1008.
    Overloaded,
    /// 408 with code -1007.
    BackendTimeout,
    /// 502 with a page of HTML.
    BadGateway,
    /// No answer, on a connection that stays.
    Never,
    /// The connection ends in the middle of the body.
    Cut,
    /// So many bytes a second, in real time.
    Slow {
        /// At least 10.
        bytes_per_second: u64,
    },
    /// A list's row in the middle is missing.
    RowMissing,
    /// Two neighbouring rows in a list's middle are exchanged.
    OutOfOrder,
    /// A list's row in the middle stands there twice.
    Duplicate,
    /// The first row of a list is missing: of a page of trades, it starts above `fromId`.
    StartsAbove,
    /// No rows.
    Empty,
}

/// Which requests meet which faults.
#[derive(Debug, Default)]
pub struct RestFaults(Mutex<VecDeque<(String, RestFault)>>);

impl RestFaults {
    /// The next `count` requests whose path begins with `path`, such as `/fapi/v1/aggTrades`, meet `fault`, after the
    /// faults that wait already.
    pub fn next(&self, path: &str, fault: RestFault, count: usize) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(FAULTS_MAX - waiting.len());
        waiting.extend(std::iter::repeat_n((path.to_owned(), fault), count));
    }

    /// Takes back what waits.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What becomes of a request for `path`.
    pub(super) fn take(&self, path: &str) -> Option<RestFault> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting.iter().position(|(prefix, _)| path.starts_with(prefix))?;
        waiting.remove(at).map(|(_, fault)| fault)
    }
}

impl RestFault {
    /// Does to a list's rows what the fault says.
    pub(super) fn spoil<T: Copy>(self, rows: &mut Vec<T>) {
        let middle = rows.len() / 2;
        match self {
            Self::Empty => rows.clear(),
            _ if rows.is_empty() => {}
            Self::RowMissing => {
                rows.remove(middle);
            }
            Self::OutOfOrder if middle > 0 => rows.swap(middle - 1, middle),
            Self::Duplicate => rows.insert(middle, rows[middle]),
            Self::StartsAbove => {
                rows.remove(0);
            }
            _ => {}
        }
    }
}
