//! What does the generated market show of the last 24 hours of a contract?
//!
//! Ids and the last trade are those of the tape; sums are estimated from the ids' count, and the extremes from the price
//! at each half hour: folding a day of every contract would cost seconds.

use crate::{
    model::{Price, QuoteVolume, Rate, Ticker, UnixMillis, Volume},
    sim::market::Market,
};

/// Between two prices looked at for the extremes.
const SAMPLE_MS: i64 = 30 * UnixMillis::MINUTE;
/// Lots of a raw trade, on average.
const LOTS: i128 = 256;
/// Of so many ids one is burnt.
const BURNT: u64 = 512;

/// The statistics of the 24 hours up to `now`, of the raw trades that happened before `now`; nothing before the first.
pub(super) fn ticker(market: &Market, contract: usize, now: i64) -> Option<Ticker> {
    let (listed, (begin, _)) = (market.contracts.get(contract)?, market.span(contract)?);
    let open_time = UnixMillis::new(now - UnixMillis::DAY).floor(UnixMillis::MINUTE, 0).get().max(begin);
    let last = market.last_fill_before(contract, now)?;
    let first_id = market.first_raw_id(contract, open_time)?.min(last.id);
    let open = market.bid(contract, open_time)?;
    let first_sample = UnixMillis::new(open_time + SAMPLE_MS).floor(SAMPLE_MS, 0).get();
    let samples = (0..).map(|at| first_sample + at * SAMPLE_MS).take_while(|time| *time < now);
    let (mut high, mut low) = (open.max(last.price), open.min(last.price));
    for price in samples.filter_map(|time| market.bid(contract, time)) {
        (high, low) = (high.max(price), low.min(price));
    }
    let ids = last.id + 1 - first_id;
    let count = ids - ids / BURNT;
    let volume = i128::from(count) * LOTS * i128::from(listed.step.units());
    let average = mean([open, high, low, last.price], listed.price_places);
    let change = last.price.units() - open.units();
    Some(Ticker {
        open_time: UnixMillis::new(open_time),
        close_time: UnixMillis::new(now),
        open,
        high,
        low,
        last: last.price,
        last_quantity: last.quantity,
        change: Price::from_units(change),
        change_percent: percent(change, open.units()),
        average,
        volume: Volume::from_units(volume),
        quote_volume: QuoteVolume::from_units(volume * i128::from(average.units())),
        count,
        first_id: first_id.cast_signed(),
        last_id: last.id.cast_signed(),
    })
}

/// The mean, to `places` decimals.
fn mean(prices: [Price; 4], places: u32) -> Price {
    let unit = 10_i64.pow(8_u32.saturating_sub(places));
    let sum = prices.iter().map(|price| i128::from(price.units())).sum::<i128>();
    Price::from_units(i64::try_from(sum / 4).unwrap_or(i64::MAX) / unit * unit)
}

/// `change` in per cent of `open`, to three decimals.
fn percent(change: i64, open: i64) -> Rate {
    let thousandths = i128::from(change) * 100_000 / i128::from(open.max(1));
    Rate::from_units(i64::try_from(thousandths * 100_000).unwrap_or(0))
}
