//! Whose positions does the venue of the generated market close? A pure function of seed, contract and time.

use crate::{
    model::{Liquidation, Price, Quantity, UnixMillis},
    sim::{block, contract::Contract, noise::hash},
};

/// A contract has one liquidation in a stretch of this length, in its first half, or none: never two within a second.
pub(super) const STRETCH_MS: i64 = 2 * UnixMillis::SECOND;
/// A liquidation is told so long after it happened (measured: 1,005 ms).
pub(super) const DELAY_MS: i64 = 1_005;
/// Stretches looked through for the next liquidation: the quietest contract has one in about 900.
pub(super) const STRETCHES_MAX: i64 = 40_000;

/// The liquidation of a stretch, if there is one: the largest, as the venue says of its sample.
pub(super) fn of_stretch(contract: &Contract, key: u64, stretch: i64) -> Option<Liquidation> {
    let draw = hash(key ^ (0xe1 << 40), stretch);
    let rarity = (30_000 / u64::from(contract.trades_per_minute.max(1))).clamp(10, 900);
    if !contract.trades() || !draw.is_multiple_of(rarity) {
        return None;
    }
    let draw = hash(key ^ (0xe2 << 40), stretch);
    let time = stretch * STRETCH_MS + (draw % 1_000).cast_signed();
    let bid = block::bid(contract, key, time).units();
    let (tick, is_sell) = (contract.tick.units().max(1), draw >> 12 & 1 == 0);
    // The order's price is where the position would be bankrupt, about 2 % further.
    let away = (bid / 50 / tick).max(1) * tick;
    let sign = if is_sell { -1 } else { 1 };
    let lots = 1 + ((draw >> 16) % 3_000).cast_signed();
    let quantity = Quantity::from_units(contract.step.units().saturating_mul(lots));
    Some(Liquidation {
        time: UnixMillis::new(time),
        price: Price::from_units((bid + sign * away).max(tick)),
        average_price: Price::from_units((bid + sign * tick * ((draw >> 40) % 4).cast_signed()).max(tick)),
        quantity,
        filled: quantity,
        is_sell,
    })
}
