//! What is a contract of the generated market valued at? A pure function of seed, contract and time.

use crate::{
    model::{MarkPrice, Price, Rate, UnixMillis},
    sim::{
        block,
        contract::{Contract, Kind, Status},
        noise::{ONE, octave},
        series,
    },
};

/// Index and mark stray so far from the book, in millionths.
const STRAY: i64 = 400;

/// Prices and funding at `time`; without a next funding the rate is 0, as for contracts that know none.
pub(super) fn mark(contract: &Contract, key: u64, time: i64) -> MarkPrice {
    let bid = block::bid(contract, key, time);
    let strayed = |salt: u64, period| strayed(bid, octave(key ^ (salt << 40), time, period));
    let index = strayed(0xd1, UnixMillis::MINUTE);
    let (rate, next) = match is_funded_at(contract, time) {
        true => {
            let due = series::next_funding(time + 1);
            (series::funding_rate(key, due), Some(UnixMillis::new(due)))
        }
        false => (0, None),
    };
    MarkPrice {
        time: UnixMillis::new(time),
        mark: strayed(0xd2, 20 * UnixMillis::SECOND),
        average: Some(strayed(0xd3, 5 * UnixMillis::MINUTE)),
        index: Some(index),
        settle: Some(strayed(0xd1, UnixMillis::HOUR)),
        funding_rate: Some(Rate::from_units(rate)),
        next_funding_time: next,
    }
}

fn strayed(price: Price, noise: i64) -> Price {
    let stray = i128::from(price.units()) * i128::from(noise * STRAY) / i128::from(ONE * 1_000_000);
    Price::from_units(price.units() + i64::try_from(stray).unwrap_or(0))
}

/// Whether longs and shorts pay each other in `contract` at `time`.
pub(super) fn is_funded_at(contract: &Contract, time: i64) -> bool {
    let is_trading = contract.status_at(UnixMillis::new(time)) == Some(Status::Trading);
    is_trading && contract.kind != Kind::CurrentQuarter
}
