//! What traded on the simulated exchange, at any time, by any id?

use crate::{
    model::{Price, Trade, UnixMillis},
    sim::{
        aggregate::published_at,
        block::{self, Block, Fill, Place},
        book::Book,
        contract::Contract,
        noise::key,
        recording::Recording,
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Fills kept in the block cache: about 50 MB.
const CACHED_FILLS_MAX: usize = 1 << 20;
/// Hours whose block counts are kept.
const CACHED_HOURS_MAX: usize = 512;
/// Nothing trades before this hour, 2023-01-01 00:00 UTC.
const EPOCH_HOUR: i64 = 1_672_531_200_000 / UnixMillis::HOUR;
/// Nothing trades from this hour on, 3000-01-01 00:00 UTC: ids that no test reaches stay far from overflow.
const END_HOUR: i64 = 32_503_680_000_000 / UnixMillis::HOUR;

/// The whole hours in which a contract may trade; its ids start at 1 in the first of them.
fn hours(contract: &Contract) -> std::ops::Range<i64> {
    let onboard = contract.onboard.get();
    let begin = onboard.div_euclid(UnixMillis::HOUR) + i64::from(onboard.rem_euclid(UnixMillis::HOUR) > 0);
    begin.max(EPOCH_HOUR)..contract.delivery.get().div_euclid(UnixMillis::HOUR).min(END_HOUR)
}

/// The trades of every contract.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) contracts: Vec<Contract>,
    keys: Vec<u64>,
    /// One block a contract when the market is a recording.
    recorded: Option<Vec<Arc<Block>>>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    blocks: HashMap<(usize, i64), Arc<Block>>,
    order: VecDeque<(usize, i64)>,
    fills: usize,
    hours: HashMap<(usize, i64), Arc<Vec<u64>>>,
}

impl Market {
    pub(super) fn generated(seed: u64, contracts: Vec<Contract>) -> Self {
        let keys = contracts.iter().map(|contract| key(seed, contract.symbol.as_str())).collect();
        Self { contracts, keys, recorded: None, cache: Mutex::default() }
    }

    pub(super) fn recorded(recording: &Recording) -> Self {
        let (contracts, blocks) = recording.contracts().iter().cloned().unzip();
        Self { contracts, keys: Vec::new(), recorded: Some(blocks), cache: Mutex::default() }
    }

    /// The index of a contract, by its symbol or by its stream name.
    pub(super) fn find(&self, matches: impl Fn(&Contract) -> bool) -> Option<usize> {
        self.contracts.iter().position(matches)
    }

    /// Nothing trades before this time.
    pub(super) fn begin(&self) -> i64 {
        if self.recorded.is_some() { 0 } else { EPOCH_HOUR * UnixMillis::HOUR }
    }

    /// What a contract's series are drawn from, when the market is generated.
    pub(super) fn key(&self, contract: usize) -> Option<u64> {
        self.keys.get(contract).copied()
    }

    /// From when to when (exclusive) a contract trades, if it ever does.
    pub(super) fn span(&self, contract: usize) -> Option<(i64, i64)> {
        let Some(blocks) = &self.recorded else {
            let hours = self.contracts.get(contract).filter(|contract| contract.trades()).map(hours)?;
            return (!hours.is_empty()).then_some((hours.start * UnixMillis::HOUR, hours.end * UnixMillis::HOUR));
        };
        let fills = &blocks.get(contract)?.fills;
        Some((fills.first()?.time.get(), fills.last()?.time.get() + 1))
    }

    /// The best bid at `time`, when the market is generated.
    pub(super) fn bid(&self, contract: usize, time: i64) -> Option<Price> {
        let key = self.keys.get(contract)?;
        Some(block::bid(&self.contracts[contract], *key, time))
    }

    /// The order book, when the market is generated and the contract trades at some time.
    pub(super) fn book(&self, contract: usize) -> Option<Book<'_>> {
        let listed = self.contracts.get(contract).filter(|listed| listed.trades())?;
        Some(Book::new(listed, *self.keys.get(contract)?))
    }

    /// The first raw trade id of the block that `time` falls into, when the market is generated.
    pub(super) fn first_raw_id(&self, contract: usize, time: i64) -> Option<u64> {
        self.keys.get(contract)?;
        let place = self.place(contract, self.block_at(contract, time))?;
        Some(1 + 2 * place.before)
    }

    /// The index of the block that `time` falls into.
    fn block_at(&self, contract: usize, time: i64) -> i64 {
        match self.recorded {
            Some(_) => 0,
            None => {
                let (contract, hours) = (&self.contracts[contract], hours(&self.contracts[contract]));
                let (begin, end) = (hours.start * UnixMillis::HOUR, hours.end * UnixMillis::HOUR);
                time.min(end - 1).max(begin).div_euclid(block::block_ms(contract))
            }
        }
    }

    /// Block `index`; nothing past a recording's only block, before the epoch, or when the contract never trades.
    fn block(&self, contract: usize, index: i64) -> Option<Arc<Block>> {
        if let Some(blocks) = &self.recorded {
            return blocks.get(contract).filter(|_| index == 0).cloned();
        }
        let described = &self.contracts[contract];
        let length = block::block_ms(described);
        let hours = hours(described);
        if !described.trades() || !hours.contains(&index.div_euclid(UnixMillis::HOUR / length)) {
            return None;
        }
        if let Some(block) = self.cache().blocks.get(&(contract, index)) {
            return Some(block.clone());
        }
        let place = self.place(contract, index)?;
        let mut block = block::generate(described, self.keys[contract], place);
        block.skip(&described.absent);
        let block = Arc::new(block);
        self.cache().keep((contract, index), block.clone());
        Some(block)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, contract: usize, index: i64) -> Option<Place> {
        let length = block::block_ms(&self.contracts[contract]);
        let blocks = UnixMillis::HOUR / length;
        let hour = index.div_euclid(blocks);
        let counts = self.hour(contract, hour);
        let within = usize::try_from(index.rem_euclid(blocks)).ok()?;
        let hours = u64::try_from(hour - hours(&self.contracts[contract]).start).ok()?;
        let count = usize::try_from(counts[within + 1] - counts[within]).ok()?;
        Some(Place { start: index * length, before: hours * self.per_hour(contract) + counts[within], count })
    }

    fn per_hour(&self, contract: usize) -> u64 {
        60 * u64::from(self.contracts[contract].trades_per_minute)
    }

    fn hour(&self, contract: usize, hour: i64) -> Arc<Vec<u64>> {
        let mut cache = self.cache();
        if let Some(counts) = cache.hours.get(&(contract, hour)) {
            return counts.clone();
        }
        if cache.hours.len() >= CACHED_HOURS_MAX {
            cache.hours.clear();
        }
        let counts = Arc::new(block::running_counts(&self.contracts[contract], self.keys[contract], hour));
        cache.hours.insert((contract, hour), counts.clone());
        counts
    }

    /// The block that holds aggregate `id`.
    fn block_of(&self, contract: usize, id: u64) -> Option<i64> {
        if self.recorded.is_some() {
            return Some(0);
        }
        if !self.contracts[contract].trades() {
            return None;
        }
        let position = id.checked_sub(1)?;
        let per_hour = self.per_hour(contract);
        let hours = hours(&self.contracts[contract]);
        let hour = hours.start.checked_add(i64::try_from(position / per_hour).ok()?);
        let hour = hour.filter(|hour| hours.contains(hour))?;
        let counts = self.hour(contract, hour);
        // Of several blocks that begin with the same count, all but the last are empty.
        let within = counts.partition_point(|&before| before <= position % per_hour).saturating_sub(1);
        Some(hour * i64::try_from(counts.len() - 1).ok()? + i64::try_from(within).ok()?)
    }

    /// Every aggregate from the first with a time at or past `time`.
    pub(super) fn trades_from(self: &Arc<Self>, contract: usize, time: i64) -> Trades {
        let mut trades = Trades(self.walk(contract, self.block_at(contract, time)));
        trades.0.skip(|block| block.trades.partition_point(|trade| trade.time.get() < time));
        trades
    }

    /// Every aggregate from `id` on.
    pub(super) fn trades_from_id(self: &Arc<Self>, contract: usize, id: u64) -> Option<Trades> {
        let mut trades = Trades(self.walk(contract, self.block_of(contract, id.max(1))?));
        trades.0.skip(|block| block.trades.partition_point(|trade| trade.id < id));
        Some(trades)
    }

    /// Every raw trade id from the first with a time at or past `time`.
    pub(super) fn fills_from(self: &Arc<Self>, contract: usize, time: i64) -> Fills {
        // The block before may run over its border.
        let before = match self.recorded {
            Some(_) => 0,
            None => self.block_at(contract, time.saturating_sub(block::MERGE_MS)),
        };
        let mut fills = Fills(self.walk(contract, before));
        fills.0.skip(|block| block.fills.partition_point(|fill| fill.time.get() < time));
        while fills.peek().is_some_and(|fill| fill.time.get() < time) {
            fills.next();
        }
        fills
    }

    /// Every raw trade id from `id` on.
    pub(super) fn fills_from_id(self: &Arc<Self>, contract: usize, id: u64) -> Option<Fills> {
        // A block of n aggregates owns 2n raw ids.
        let mut fills = Fills(self.walk(contract, self.block_of(contract, id.max(1).div_ceil(2))?));
        fills.0.skip(|block| block.fills.partition_point(|fill| fill.id < id));
        Some(fills)
    }

    /// The newest aggregate that was published at or before `now` and happened at or before `time`.
    pub(super) fn newest(self: &Arc<Self>, contract: usize, time: i64, now: i64) -> Option<Trade> {
        let time = time.min(now);
        let mut index = self.block_at(contract, time);
        while let Some(block) = self.block(contract, index) {
            let happened = block.trades.partition_point(|trade| trade.time.get() <= time);
            for at in (0..happened).rev() {
                let mut from = Trades(Walk { block: Some(block.clone()), index, at, ..self.walk(contract, index) });
                let trade = from.next()?;
                if published_at(&trade, from.peek().map(|next| next.time)).get() <= now {
                    return Some(trade);
                }
            }
            index -= 1;
        }
        None
    }

    /// The last raw market trade before `time`.
    pub(super) fn last_fill_before(&self, contract: usize, time: i64) -> Option<Fill> {
        let mut index = self.block_at(contract, time);
        while let Some(block) = self.block(contract, index) {
            let end = block.fills.partition_point(|fill| fill.time.get() < time);
            let fill = block.fills[..end].iter().rev().find(|fill| fill.execution == block::Execution::Market);
            if let Some(fill) = fill {
                return Some(*fill);
            }
            index -= 1;
        }
        None
    }

    fn walk(self: &Arc<Self>, contract: usize, index: i64) -> Walk {
        Walk { market: self.clone(), contract, index, block: self.block(contract, index), at: 0 }
    }
}

impl Cache {
    fn keep(&mut self, name: (usize, i64), block: Arc<Block>) {
        self.fills += block.fills.len();
        if let Some(twin) = self.blocks.insert(name, block) {
            self.fills -= twin.fills.len();
            return;
        }
        self.order.push_back(name);
        while self.fills > CACHED_FILLS_MAX && self.order.len() > 1 {
            let oldest = self.order.pop_front().and_then(|name| self.blocks.remove(&name));
            self.fills -= oldest.map_or(0, |block| block.fills.len());
        }
    }
}

/// A place in one contract's blocks.
#[derive(Clone, Debug)]
struct Walk {
    market: Arc<Market>,
    contract: usize,
    index: i64,
    block: Option<Arc<Block>>,
    at: usize,
}

impl Walk {
    fn skip(&mut self, position: impl Fn(&Block) -> usize) {
        self.at = self.block.as_ref().map_or(0, |block| position(block));
    }

    fn next<T: Copy>(&mut self, rows: impl Fn(&Block) -> &[T]) -> Option<T> {
        loop {
            let block = self.block.as_ref()?;
            if let Some(row) = rows(block).get(self.at) {
                self.at += 1;
                return Some(*row);
            }
            self.index += 1;
            self.at = 0;
            self.block = self.market.block(self.contract, self.index);
        }
    }

    fn peek<T: Copy>(&self, rows: impl Fn(&Block) -> &[T]) -> Option<T> {
        match rows(self.block.as_ref()?).get(self.at) {
            Some(row) => Some(*row),
            None => self.clone().next(rows),
        }
    }
}

/// Aggregates in id order; endless in a generated market.
#[derive(Clone, Debug)]
pub(super) struct Trades(Walk);

impl Trades {
    pub(super) fn peek(&self) -> Option<Trade> {
        self.0.peek(|block| &block.trades)
    }
}

impl Iterator for Trades {
    type Item = Trade;

    fn next(&mut self) -> Option<Trade> {
        self.0.next(|block| &block.trades)
    }
}

/// Raw trade ids in order, the burnt ones among them; endless in a generated market.
#[derive(Clone, Debug)]
pub(super) struct Fills(Walk);

impl Fills {
    pub(super) fn peek(&self) -> Option<Fill> {
        self.0.peek(|block| &block.fills)
    }
}

impl Iterator for Fills {
    type Item = Fill;

    fn next(&mut self) -> Option<Fill> {
        self.0.next(|block| &block.fills)
    }
}
