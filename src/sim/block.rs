//! What does the generated market hold in one stretch of time? A pure function of (seed, contract, stretch).
//!
//! Time is cut into blocks of one minute, or one second for contracts above 100 trades a second. An hour holds exactly
//! 60 x `trades_per_minute` aggregates, spread over its blocks by hashed weights, so the ids of any block are known
//! without its predecessors. A block of n aggregates owns 2n raw ids; n is 0 or at least 2, its first aggregate is a
//! taker sell and its last a taker buy, so no two neighbours merge across a border.

use crate::{
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
    sim::{
        contract::{Contract, Pace},
        noise::{Draws, ONE, hash, octave},
    },
};

/// Fills of one price and taker side within this long of the first make one aggregate (Binance USD-M docs).
pub(super) const MERGE_MS: i64 = 100;
/// Above this a block is a second.
const MINUTE_BLOCK_TRADES_MAX: u32 = 6_000;
/// The longest spread of an aggregate's fills (measured on the venue: about 70 ms).
const SPREAD_MS: i64 = 70;
/// Minute blocks begin with this much silence, so that the last fills of the block before may run into it.
const LEAD_MS: i64 = 50;
/// Where in its minute the crowded second of a burst begins.
const BURST_AT_MS: i64 = 29_500;
/// How far the last aggregate's fills may run over the border: less than [`LEAD_MS`].
const OVERRUN_MS: i64 = 40;

/// Periods in ms of the price's noise, and amplitudes in millionths of the contract's price.
const OCTAVES: [(i64, i64); 8] = [
    (30 * UnixMillis::DAY, 80_000),
    (7 * UnixMillis::DAY, 40_000),
    (UnixMillis::DAY, 15_000),
    (6 * UnixMillis::HOUR, 7_000),
    (UnixMillis::HOUR, 2_500),
    (10 * UnixMillis::MINUTE, 900),
    (UnixMillis::MINUTE, 300),
    (7 * UnixMillis::SECOND, 80),
];

/// What used up a raw trade id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// A trade in the order book (`X: "MARKET"`).
    Market,
    /// No trade: the venue burnt the id (`X: "NA"`, price and quantity 0).
    Burnt,
}

/// One raw trade id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The raw trade id.
    pub id: u64,
    /// When.
    pub time: UnixMillis,
    /// The price; 0 when burnt.
    pub price: Price,
    /// The quantity; 0 when burnt.
    pub quantity: Quantity,
    /// Whether the buyer was the maker.
    pub buyer_is_maker: bool,
    /// What it was.
    pub execution: Execution,
}

/// The trades of one block: ascending by id and by time.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) trades: Vec<Trade>,
    pub(super) fills: Vec<Fill>,
}

impl Block {
    /// Takes the aggregates of `absent` out and burns their raw ids.
    pub(super) fn skip(&mut self, absent: &[IdRange]) {
        for ids in absent {
            let skipped = |trade: &Trade| ids.contains(trade.id);
            let mut raw = self.trades.iter().filter(|trade| skipped(trade));
            let Some(first) = raw.next() else { continue };
            let last_id = raw.next_back().unwrap_or(first).last_id;
            let raw_ids = first.first_id..=last_id;
            for fill in self.fills.iter_mut().filter(|fill| raw_ids.contains(&fill.id)) {
                let (price, quantity) = (Price::from_units(0), Quantity::from_units(0));
                *fill = Fill { price, quantity, execution: Execution::Burnt, ..*fill };
            }
            self.trades.retain(|trade| !skipped(trade));
        }
    }
}

/// The length of a contract's blocks in ms.
pub(super) fn block_ms(contract: &Contract) -> i64 {
    if contract.trades_per_minute > MINUTE_BLOCK_TRADES_MAX { UnixMillis::SECOND } else { UnixMillis::MINUTE }
}

/// How an hour's aggregates are spread over its blocks: running sums, one more than there are blocks.
pub(super) fn running_counts(contract: &Contract, key: u64, hour: i64) -> Vec<u64> {
    let blocks = UnixMillis::HOUR / block_ms(contract);
    let mut sums = vec![0_u64];
    let mut sum = 0;
    for block in 0..blocks {
        sum += match contract.pace {
            Pace::Steady => 1,
            Pace::Lively | Pace::Bursting => weight(hash(key, hour * blocks + block)),
        };
        sums.push(sum);
    }
    let half = u64::from(contract.trades_per_minute) * 30;
    // Even counts: a block of one aggregate could not begin with a sell and end with a buy.
    sums.iter().map(|&running| 2 * (half * running / sum.max(1))).collect()
}

fn weight(draw: u64) -> u64 {
    match draw % 100 {
        0..8 => 0,
        8..94 => 8 + (draw >> 8) % 16,
        94..99 => 40 + (draw >> 8) % 60,
        _ => 250 + (draw >> 8) % 100,
    }
}

/// The price in the middle of the book's touch, rounded down to the tick: the bid; the ask is one tick above.
pub(super) fn bid(contract: &Contract, key: u64, time: i64) -> Price {
    let tick = contract.tick.units().max(1);
    let base = contract.price.units() / tick;
    let mut ticks = i128::from(base);
    for (salt, (period, millionths)) in (1_u64..).zip(OCTAVES) {
        let noise = octave(key ^ (salt << 56), time, period);
        ticks += i128::from(base) * i128::from(millionths * noise) / i128::from(ONE * 1_000_000);
    }
    Price::from_units(i64::try_from(ticks).unwrap_or(base).max(1) * tick)
}

/// Where a block stands: its first millisecond, and how many aggregates came before it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) start: i64,
    pub(super) before: u64,
    pub(super) count: usize,
}

/// Makes the block at `place`; `key` is the contract's.
pub(super) fn generate(contract: &Contract, key: u64, place: Place) -> Block {
    let mut draws = Draws::new(hash(key ^ 0x00b1_0c0b_10c0, place.start));
    let mut times = times(&mut draws, block_ms(contract), place);
    if contract.pace == Pace::Bursting && is_burst(contract, place.count) {
        crowd(&mut times, place.start + BURST_AT_MS);
    }
    let ids_owned = ids_owned(&mut draws, place.count);
    let mut block = Block { trades: Vec::with_capacity(place.count), fills: Vec::with_capacity(2 * place.count) };
    let mut next_raw_id = 1 + 2 * place.before;
    let (mut bid_time, mut bid_price) = (i64::MIN, contract.price);
    for (index, (&time, &owned)) in times.iter().zip(&ids_owned).enumerate() {
        if time != bid_time {
            (bid_time, bid_price) = (time, bid(contract, key, time));
        }
        let is_last = index + 1 == place.count;
        let previous = block.trades.last();
        let sell = match previous {
            None => true,
            Some(_) if is_last => false,
            Some(previous) => previous.buyer_is_maker == (draws.below(10) < 7),
        };
        let price = price(contract, bid_price, sell, time, previous);
        let latest = match times.get(index + 1) {
            Some(&next) => next,
            None if block_ms(contract) == UnixMillis::MINUTE => place.start + UnixMillis::MINUTE + OVERRUN_MS,
            None => place.start + block_ms(contract) - 1,
        };
        let first = Fill {
            id: next_raw_id,
            time: UnixMillis::new(time),
            price,
            quantity: Quantity::from_units(0),
            buyer_is_maker: sell,
            execution: Execution::Market,
        };
        let trade = fill(&mut block.fills, &mut draws, contract, first, owned, latest.min(time + SPREAD_MS));
        block.trades.push(Trade { id: 1 + place.before + block.trades.len() as u64, ..trade });
        next_raw_id += u64::from(owned);
    }
    block
}

/// When the aggregates happen: ascending, about half of them in the millisecond of their predecessor (as measured on
/// the venue), the last one sometimes just before the border.
fn times(draws: &mut Draws, length: i64, place: Place) -> Vec<i64> {
    let lead = if length == UnixMillis::MINUTE { LEAD_MS } else { 0 };
    let count = i64::try_from(place.count).unwrap_or(i64::MAX);
    let span = length - lead;
    let mut times = Vec::with_capacity(place.count);
    let mut previous = None;
    for index in 0..count {
        let own = place.start + lead + (index * span + draws.millis_below(span)) / count;
        let time = match previous {
            Some(previous) if draws.below(2) == 0 => previous,
            Some(previous) if index + 1 == count && draws.below(4) == 0 => {
                (place.start + length - 1 - draws.millis_below(30)).max(previous)
            }
            _ => own,
        };
        times.push(time);
        previous = Some(time);
    }
    times
}

/// Whether a minute holds so many aggregates that some of them crowd into one second.
fn is_burst(contract: &Contract, count: usize) -> bool {
    block_ms(contract) == UnixMillis::MINUTE && count as u64 > 6 * u64::from(contract.trades_per_minute)
}

/// Moves the middle half of ascending `times` into the second from `from` on.
fn crowd(times: &mut [i64], from: i64) {
    let (quarter, half) = (times.len() / 4, times.len() / 2);
    let count = i64::try_from(half.max(1)).unwrap_or(i64::MAX);
    for (index, time) in times.iter_mut().enumerate() {
        if index < quarter {
            *time = (*time).min(from);
        } else if index < quarter + half {
            let within = i64::try_from(index - quarter).unwrap_or(0);
            *time = from + within * UnixMillis::SECOND / count;
        } else {
            *time = (*time).max(from + UnixMillis::SECOND);
        }
    }
}

/// How many raw ids each aggregate owns: at least one, two on average, exactly `2 * count` together.
fn ids_owned(draws: &mut Draws, count: usize) -> Vec<u32> {
    let mut owned: Vec<u32> = (0..count).map(|_| 1 + extra_ids(draws)).collect();
    let mut sum: usize = owned.iter().map(|&ids| ids as usize).sum();
    let mut at = 0;
    while sum != 2 * count {
        if sum < 2 * count {
            owned[at] += 1;
            sum += 1;
        } else if owned[at] > 1 {
            owned[at] -= 1;
            sum -= 1;
        }
        at = (at + 1) % count;
    }
    owned
}

fn extra_ids(draws: &mut Draws) -> u32 {
    match draws.below(100) {
        0..55 => 0,
        55..75 => 1,
        75..88 => 2,
        88..95 => 3,
        95..99 => 4 + draws.below(5),
        _ => 8 + draws.below(16),
    }
}

/// A taker sells at the bid and buys at the ask; one that follows another in the same direction at once takes the next
/// level, so that the two are two aggregates.
fn price(contract: &Contract, bid: Price, sell: bool, time: i64, previous: Option<&Trade>) -> Price {
    let tick = contract.tick.units().max(1);
    let price = if sell { bid.units() } else { bid.units() + tick };
    let price = match previous.filter(|previous| previous.buyer_is_maker == sell) {
        Some(previous) if previous.time.get() == time || previous.price.units() == price => {
            let gap = time - previous.time.get();
            match (gap <= MERGE_MS, sell) {
                (false, _) => price,
                (true, true) if previous.price.units() > tick => previous.price.units() - tick,
                (true, _) => previous.price.units() + tick,
            }
        }
        _ => price,
    };
    Price::from_units(price)
}

/// Appends the raw ids of one aggregate, some of them burnt, and sums the aggregate up.
fn fill(fills: &mut Vec<Fill>, draws: &mut Draws, contract: &Contract, first: Fill, owned: u32, latest: i64) -> Trade {
    let mut time = first.time.get();
    let mut trade = Trade {
        id: 0,
        price: first.price,
        quantity: Quantity::from_units(0),
        first_id: first.id,
        last_id: first.id,
        time: first.time,
        buyer_is_maker: first.buyer_is_maker,
    };
    for index in 0..owned {
        if index > 0 && draws.below(3) == 0 {
            time = (time + 1 + draws.millis_below(24)).min(latest.max(time));
        }
        let id = first.id + u64::from(index);
        // Half of all ids are first ones, so 1 in 256 of the others burns 0.2 % of all (the venue: 0.1 to 0.4 %).
        let fill = if index > 0 && draws.below(256) == 0 {
            Fill { id, time: UnixMillis::new(time), price: Price::from_units(0), execution: Execution::Burnt, ..first }
        } else {
            let quantity = quantity(draws, contract);
            trade.quantity = Quantity::from_units(trade.quantity.units() + quantity.units());
            trade.last_id = id;
            Fill { id, time: UnixMillis::new(time), quantity, ..first }
        };
        fills.push(fill);
    }
    trade
}

fn quantity(draws: &mut Draws, contract: &Contract) -> Quantity {
    let lots = match draws.below(20) {
        0..12 => 1 + draws.below(9),
        12..18 => 10 + draws.below(200),
        _ => 200 + draws.below(4_000),
    };
    Quantity::from_units(contract.step.units() * i64::from(lots))
}
