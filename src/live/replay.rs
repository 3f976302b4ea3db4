//! How does a subscription that was away get the trades since its last, and go live without hole or overlap?
//!
//! The session reads pages of what is held, at its own pace and off the live thread. Once it is near the newest trade, the
//! publisher adds the last few and the line in one turn. Late trades that come meanwhile into what was replayed already are
//! told as repairs; those that come into what is still to be replayed are part of it.

use crate::{
    market::Contract,
    model::{IdRange, Trade},
    query::{self, TradeRange},
    store::Holding,
};

/// Trades of a page.
const PAGE_TRADES: usize = 1_000;
/// Trades that a publisher adds in one turn; who is further behind reads another page.
pub(super) const ADDED_MAX: usize = 1_024;

/// How far a replay has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Ids up to it are known to the subscriber.
    after: u64,
    /// Ids up to it have been replayed, or are not held.
    through: u64,
    /// The number of the first late trade that was not looked at.
    late: u64,
}

/// Why nothing can be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No trade is held.
    #[error("no trade is held yet: try again, or subscribe without `resume_after`")]
    NothingHeld,
    /// The id is not known yet.
    #[error("the newest trade that is held is {newest}, before {after}: try again once that has come")]
    Beyond {
        /// The id that was named.
        after: u64,
        /// The newest one.
        newest: u64,
    },
}

/// Some of what is replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayPage {
    /// Ids that are not held any more, or were never: older than everything that is.
    pub gap: Option<IdRange>,
    /// The next trades, ascending.
    pub trades: Vec<Trade>,
    /// Late trades with ids before those, ascending, which came meanwhile.
    pub repairs: Vec<Trade>,
    /// Spans late trades that were too many to be told one by one.
    pub lost: Option<IdRange>,
    /// Whether the newest trade is near.
    pub is_last: bool,
}

impl Replay {
    /// A replay of what follows the id `after`.
    ///
    /// # Errors
    ///
    /// When that is not known to be one that was published.
    pub fn begin(contract: &Contract, after: u64) -> Result<Self, ReplayError> {
        let late = contract.tape.aside().count();
        let stored = contract.holding.get().and_then(Holding::ends).map(|ids| ids.last);
        let newest = contract.tape.newest_id().max(stored).ok_or(ReplayError::NothingHeld)?;
        if after > newest {
            Err(ReplayError::Beyond { after, newest })
        } else {
            Ok(Self { after, through: after, late })
        }
    }

    /// The next page. It reads the disk.
    pub fn next_page(&mut self, contract: &Contract) -> ReplayPage {
        let range = TradeRange { from_id: Some(self.through + 1), limit: PAGE_TRADES, ..TradeRange::default() };
        let page = query::trades(&contract.tape, contract.holding.get(), &range);
        let (before, is_first) = (self.through, self.through == self.after);
        let gap = page.trades.first().filter(|first| is_first && !is_held_before(contract, first.id));
        let gap = gap.and_then(|first| IdRange::new(before + 1, first.id - 1));
        self.through = page.trades.last().map_or(before, |trade| trade.id);
        let (late, count) = {
            let aside = contract.tape.aside();
            (aside.since(self.late), aside.count())
        };
        self.late = count;
        let is_told = |id: u64| page.trades.binary_search_by_key(&id, |trade| trade.id).is_ok();
        let is_due = |id: u64| self.after < id && id <= self.through && !is_told(id);
        let repairs = late.trades.into_iter().filter(|trade| is_due(trade.id)).collect();
        let lost = late.lost.and_then(|ids| IdRange::new(ids.first.max(self.after + 1), ids.last.min(self.through)));
        ReplayPage { gap, repairs, lost, is_last: page.next_id.is_none(), trades: page.trades }
    }

    /// Ids up to it have been replayed.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    /// The number of the first late trade that was not looked at.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    /// Whether a late trade has to be told as a repair.
    pub(super) fn repairs(&self, id: u64) -> bool {
        self.after < id && id <= self.through
    }
}

/// Whether any trade before `id` is held.
fn is_held_before(contract: &Contract, id: u64) -> bool {
    let stored = contract.holding.get().and_then(Holding::ends).is_some_and(|ids| ids.first < id);
    stored
        || contract.tape.held().first().is_some_and(|trade| trade.id < id)
        || contract.tape.aside().before(id).is_some()
}
