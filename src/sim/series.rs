//! What do open interest, ratios and funding of the generated market show at any time? Pure functions of seed and time.

use crate::{
    model::{Quantity, UnixMillis},
    sim::{
        contract::{Contract, Kind},
        noise::{ONE, hash, octave},
    },
};

/// Between two figures of open interest, in the `metrics` archive as in `openInterestHist`.
pub(super) const METRICS_MS: i64 = 5 * UnixMillis::MINUTE;
/// Between two fundings.
pub(super) const FUNDING_MS: i64 = 8 * UnixMillis::HOUR;
/// Hours between two fundings, as the `fundingRate` archive writes it.
pub(super) const FUNDING_HOURS: i64 = FUNDING_MS / UnixMillis::HOUR;
/// Open interest wanders about this many steps of the contract's quantity.
const OPEN_INTEREST_STEPS: i64 = 90_000_000;
/// Ratios are counted in units of 1e-8.
pub(super) const RATIO_SCALE: u32 = 8;

/// The four ratios of a row of `metrics`, in its order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ratio {
    TopTraderAccounts,
    TopTraderPositions,
    Accounts,
    TakerVolume,
}

impl Ratio {
    pub(super) const ALL: [Self; 4] =
        [Self::TopTraderAccounts, Self::TopTraderPositions, Self::Accounts, Self::TakerVolume];

    /// In units of 1e-8; now and then the venue has none.
    pub(super) fn at(self, key: u64, time: i64) -> Option<i64> {
        let salt = match self {
            Self::TopTraderAccounts => 0xa1,
            Self::TopTraderPositions => 0xa2,
            Self::Accounts => 0xa3,
            Self::TakerVolume => 0xa4,
        };
        let key = key ^ (salt << 40);
        let is_empty = hash(key, time).is_multiple_of(300);
        let swing = 3 * octave(key, time, UnixMillis::DAY) + octave(key, time, 20 * UnixMillis::MINUTE);
        (!is_empty).then_some(125_000_000 + swing * 20_000_000 / ONE)
    }
}

/// Open contracts at `time`.
pub(super) fn open_interest(contract: &Contract, key: u64, time: i64) -> Quantity {
    let key = key ^ (0xb1 << 40);
    let swing = [(7 * UnixMillis::DAY, 120), (UnixMillis::DAY, 50), (30 * UnixMillis::MINUTE, 3)]
        .map(|(period, per_mille)| octave(key, time, period) * per_mille)
        .iter()
        .sum::<i64>();
    let steps = OPEN_INTEREST_STEPS + OPEN_INTEREST_STEPS / 1_000 * swing / ONE;
    Quantity::from_units(contract.step.units().saturating_mul(steps))
}

/// Whether longs and shorts pay each other in `contract`.
pub(super) fn is_funded(contract: &Contract) -> bool {
    contract.trades() && contract.kind != Kind::CurrentQuarter
}

/// The first funding at or past `time`, without the milliseconds that it is late.
pub(super) fn next_funding(time: i64) -> i64 {
    (time + FUNDING_MS - 1).div_euclid(FUNDING_MS) * FUNDING_MS
}

/// When the funding that is due at `due` happens: often a few milliseconds later (measured, 2026-10-07).
pub(super) fn funding_time(key: u64, due: i64) -> i64 {
    due + i64::try_from((hash(key ^ (0xc1 << 40), due) % 8).saturating_sub(4)).unwrap_or(0)
}

/// The rate of the funding due at `due`, in units of 1e-8.
pub(super) fn funding_rate(key: u64, due: i64) -> i64 {
    let swing = octave(key ^ (0xc2 << 40), due, 3 * UnixMillis::DAY) * 25_000 / ONE;
    let jitter = i64::try_from(hash(key ^ (0xc3 << 40), due) % 3_000).unwrap_or(0);
    // A third of all sits on the venue's base rate.
    if jitter < 1_000 { 10_000 } else { 6_000 + swing - jitter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fundings_fall_on_their_hours_and_a_little_later() {
        assert_eq!(next_funding(1), FUNDING_MS);
        assert_eq!(next_funding(FUNDING_MS), FUNDING_MS);
        let late: Vec<i64> = (0..100).map(|at| funding_time(9, at * FUNDING_MS) - at * FUNDING_MS).collect();
        assert!(late.iter().all(|late| (0..4).contains(late)) && late.contains(&0) && late.contains(&3));
        let rates: Vec<i64> = (0..1_000).map(|at| funding_rate(9, at * FUNDING_MS)).collect();
        assert!(rates.iter().any(|rate| *rate < 0) && rates.iter().filter(|rate| **rate == 10_000).count() > 200);
        assert!(rates.iter().all(|rate| rate.abs() < 300_000), "within the venue's cap of 0.3 %");
    }
}
