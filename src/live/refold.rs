//! Who makes minutes right whose trades came after their fold had forgotten them?
//!
//! A repair may be older than the minutes in memory, a fold may have lost repairs, a process may have died between a trade
//! and its minute. So the minutes around fetched ids are folded once more from everything that is held, off the live thread,
//! and what differs is handed in with a higher revision.

use crate::{
    candle::Bar,
    live::Handle,
    market::{Contract, Contracts, Healed},
    model::{Candle, IdRange, Source, Timeframe, Trade, UnixMillis},
    query::{self, TradeRange},
    store::Holding,
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::sleep};

/// Trades read at once.
const TRADES_AT_ONCE: usize = 8_192;
/// Minutes handed in at once.
const MINUTES_AT_ONCE: usize = 240;
/// Minutes that may have been left wrong by the end of the last process are looked for so far back: the venue's REST API
/// reaches two days, and a fill may take one.
const DOUBT_MS: i64 = 3 * UnixMillis::DAY;
/// How often, and how soon again, minutes are offered while late trades come.
const OFFERS: (usize, Duration) = (60, Duration::from_secs(1));
/// Runs that wait for another turn.
const AGAIN_MAX: usize = 4_096;

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Refolder {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Where the folds in memory are.
    pub live: Handle,
}

impl Refolder {
    /// Folds what the last process may have left wrong, then whatever `healed` tells, for ever.
    pub async fn run(self, healed: &mut mpsc::Receiver<Healed>) {
        for contract in self.contracts.iter() {
            for ids in contract.holding.get().map(doubtful).unwrap_or_default() {
                self.refold(&contract, ids).await;
            }
        }
        let mut again: VecDeque<Healed> = VecDeque::new();
        loop {
            // What could not be folded stands behind what came meanwhile.
            let next = match healed.try_recv() {
                Ok(next) => next,
                Err(_) => match again.pop_front() {
                    Some(next) => next,
                    None => match healed.recv().await {
                        Some(next) => next,
                        None => return,
                    },
                },
            };
            let contract = self.contracts.get(next.contract);
            let done = match contract {
                Some(contract) => self.refold(&contract, next.ids).await,
                None => true,
            };
            if !done && again.len() < AGAIN_MAX {
                again.push_back(next);
            }
        }
    }

    /// Folds the minutes that trades with `ids`, or the neighbours of those, are part of.
    /// Whether all of them were taken.
    async fn refold(&self, contract: &Contract, ids: IdRange) -> bool {
        let neighbour =
            |id: u64| trades(contract, &TradeRange { from_id: Some(id), limit: 1, ..TradeRange::default() });
        let Some(first) = neighbour(ids.first.saturating_sub(1)).first().copied() else { return true };
        let last = neighbour(ids.last.saturating_add(1)).first().map(|trade| trade.time);
        let until = last.map_or(UnixMillis::new(i64::MAX), |time| Timeframe::MINUTE.bucket(time).1);
        let mut from = Some(Timeframe::MINUTE.bucket(first.time).0);
        while let Some(start) = from {
            let mut offers = 0..OFFERS.0;
            from = loop {
                let late_count = contract.tape.aside().count();
                let stretch = Stretch::read(contract, start, until).await;
                if self.hand_in(contract, stretch.minutes, late_count).await {
                    break stretch.next;
                }
                if offers.next().is_none() {
                    tracing::warn!(symbol = %contract.symbol, %start, "minutes could not be folded anew yet");
                    return false;
                }
                sleep(OFFERS.1).await;
            };
        }
        true
    }

    /// Hands minutes to the folds in memory, and older ones to the store; whether they were taken.
    async fn hand_in(&self, contract: &Contract, minutes: Vec<Candle>, late_count: u64) -> bool {
        if minutes.is_empty() {
            return true;
        }
        let Ok(memory) = self.live.candles(contract.id, Timeframe::MINUTE).await else { return false };
        let oldest = memory.first().map_or(UnixMillis::new(i64::MAX), |minute| minute.open_time);
        let (older, newer): (Vec<Candle>, Vec<Candle>) =
            minutes.into_iter().partition(|minute| minute.open_time < oldest);
        if let Some(holding) = contract.holding.get()
            && (contract.tape.aside().count() != late_count || holding.correct_minutes(&older).is_none())
        {
            return false;
        }
        newer.is_empty() || self.live.refold(contract.id, newer, late_count).await.unwrap_or(false)
    }
}

fn trades(contract: &Contract, range: &TradeRange) -> Vec<Trade> {
    query::trades(&contract.tape, contract.holding.get(), range).trades
}

/// Ids around which stored minutes may lack trades that are held: of minutes that are not complete, and between those that do
/// not join.
fn doubtful(holding: &Holding) -> Vec<IdRange> {
    let Some((_, last)) = holding.minutes_ends() else { return Vec::new() };
    let minutes = holding.minutes(last.plus(-DOUBT_MS), last.plus(UnixMillis::MINUTE), usize::MAX, false);
    let mut doubtful: Vec<IdRange> = Vec::new();
    let mut doubt = |ids: IdRange| match doubtful.last_mut().filter(|last| ids.first <= last.last.saturating_add(1)) {
        Some(last) => last.last = last.last.max(ids.last),
        None => doubtful.push(ids),
    };
    let mut before: Option<&Candle> = None;
    for minute in minutes.iter().filter(|minute| minute.source == Source::Trades) {
        if let Some(between) = before.and_then(|before| IdRange::new(before.last_id + 1, minute.first_id - 1)) {
            doubt(between);
        }
        if !minute.complete {
            doubt(IdRange { first: minute.first_id, last: minute.last_id });
        }
        before = Some(minute);
    }
    doubtful
}

/// Some minutes folded from what is held.
struct Stretch {
    /// Ascending, each over.
    minutes: Vec<Candle>,
    /// Where the next stretch begins.
    next: Option<UnixMillis>,
}

impl Stretch {
    /// Folds the minutes in `[from, until)`, so many of them as are handed in at once.
    async fn read(contract: &Contract, from: UnixMillis, until: UnixMillis) -> Self {
        let before = trades(contract, &TradeRange { end: Some(from), limit: 1, ..TradeRange::default() }).pop();
        let mut fold = Minutes { last_id: before.map(|trade| trade.id), ..Minutes::default() };
        let mut next_id = Some(before.map_or(0, |trade| trade.id + 1));
        while let Some(id) = next_id {
            let range = TradeRange { from_id: Some(id), limit: TRADES_AT_ONCE, ..TradeRange::default() };
            let page = query::trades(&contract.tape, contract.holding.get(), &range);
            let is_absent = |ids| contract.holding.get().is_some_and(|holding| holding.is_absent(ids));
            page.trades.iter().for_each(|trade| fold.push(trade, is_absent));
            let reached = page.trades.last().map_or(until, |trade| trade.time);
            if reached >= until || fold.bars.len() > MINUTES_AT_ONCE {
                break;
            }
            next_id = page.next_id;
            // Reading is work: others on this thread have their turn.
            tokio::task::yield_now().await;
        }
        fold.finish(until)
    }
}

/// Minutes in the making; whether each is complete.
#[derive(Debug, Default)]
struct Minutes {
    bars: BTreeMap<UnixMillis, (Bar, bool)>,
    last_id: Option<u64>,
}

impl Minutes {
    /// Takes the next trade; `is_absent` tells whether the venue never used any of some ids.
    fn push(&mut self, trade: &Trade, is_absent: impl Fn(IdRange) -> bool) {
        let follows = |last: u64| IdRange::new(last + 1, trade.id - 1).is_none_or(is_absent);
        // Ids count from 1: nothing is missing before that one.
        let joins = trade.id == 1 || self.last_id.is_some_and(follows);
        if !joins && let Some(mut last) = self.bars.last_entry() {
            last.get_mut().1 = false;
        }
        let start = Timeframe::MINUTE.bucket(trade.time).0;
        let (bar, complete) =
            self.bars.entry(start).and_modify(|(bar, _)| bar.push(trade)).or_insert((Bar::of(trade), true));
        *complete &= joins;
        debug_assert!(bar.candle(Timeframe::MINUTE.bucket(trade.time)).last_id == trade.id);
        self.last_id = Some(trade.id);
    }

    /// The last minute may not be over, and whether its end joins is not known.
    fn finish(mut self, until: UnixMillis) -> Stretch {
        let last = self.bars.pop_last().map(|(start, _)| start);
        let minute = |(start, (bar, complete)): (UnixMillis, (Bar, bool))| Candle {
            closed: true,
            complete,
            ..bar.candle(Timeframe::MINUTE.bucket(start))
        };
        let minutes: Vec<Candle> = self.bars.into_iter().map(minute).collect();
        let next = last.filter(|start| *start < until && !minutes.is_empty());
        Stretch { minutes: minutes.into_iter().filter(|minute| minute.open_time < until).collect(), next }
    }
}
