//! Where does the fold of a contract's minutes go on after a restart?

use crate::{
    candle::{FoldEvent, FoldOptions, Link, LiveFold},
    model::{IdRange, Timeframe, Trade, UnixMillis},
    store::Holding,
};

/// Trades read at once.
const TRADES_AT_ONCE: usize = 8_192;
/// Stored minutes are written as they close, so no more than a few lack their candle; what lies further back has to be
/// computed by `tapedeck repair --candles`.
const FOLDED_MS: i64 = 10 * UnixMillis::MINUTE;

/// The fold of the stored minutes and of the trades behind them, up to the id with which the tape in memory begins; and
/// what of that it closed.
pub(super) fn stored(holding: &Holding, until: Option<u64>, options: FoldOptions) -> (LiveFold, Vec<FoldEvent>) {
    let mut events = Vec::new();
    let end = UnixMillis::new(i64::MAX);
    let minutes = holding.minutes(UnixMillis::new(0), end, options.closed_max, true);
    let mut fold = LiveFold::after(Timeframe::MINUTE, options, &minutes);
    let last_minute = minutes.last().map_or(UnixMillis::new(0), |candle| candle.close_time);
    let Some(newest) = holding.ends().and_then(|ids| holding.up_to_id(ids.last, 1).trades.pop()) else {
        return (fold, events);
    };
    let from = last_minute.max(newest.time.plus(-FOLDED_MS).floor(UnixMillis::MINUTE, 0));
    let mut next = holding.first_id_at(from);
    while let Some(first) = next {
        let trades = holding.from_id(first, TRADES_AT_ONCE).trades;
        for trade in trades.iter().filter(|trade| until.is_none_or(|until| trade.id < until)) {
            let link = link_of(&fold, trade, holding);
            fold.trade(trade, link, &mut events);
        }
        next = trades.last().filter(|_| trades.len() == TRADES_AT_ONCE).map(|trade| trade.id + 1);
    }
    (fold, events)
}

/// Whether a stored trade joins what was folded, or what is held before it.
fn link_of(fold: &LiveFold, trade: &Trade, holding: &Holding) -> Link {
    let before = trade.id.saturating_sub(1);
    let held = || holding.up_to_id(before, 1).trades.last().map(|other| other.id);
    let joins = |last: u64| IdRange::new(last + 1, before).is_none_or(|ids| holding.is_absent(ids));
    let joins = before == 0 || fold.last_id().or_else(held).is_some_and(joins);
    if joins { Link::Joins } else { Link::Unseen }
}
