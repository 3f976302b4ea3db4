//! How are many trades at few prices added up without looking each price up?

use crate::model::Trade;

/// A power of two; a busy contract trades at some hundred prices in a minute.
const SLOTS: usize = 4_096;
/// 2^64 over the golden ratio: neighbouring prices fall into slots apart (D. Knuth, TAOCP 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A price, and what takers bought and sold at it; in 1e-8.
pub(super) type AtPrice = (i64, [i128; 2]);

/// Sums at prices that were traded lately. A price that needs another's slot takes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lately(Vec<AtPrice>);

impl Lately {
    /// Adds a trade; says what made room for it.
    pub(super) fn add(&mut self, trade: &Trade) -> Option<AtPrice> {
        if self.0.is_empty() {
            self.0.resize(SLOTS, (0, [0; 2]));
        }
        let price = trade.price.units();
        let spread = price.cast_unsigned().wrapping_mul(SPREAD) >> (u64::BITS - SLOTS.ilog2());
        let slot = self.0.get_mut(usize::try_from(spread).unwrap_or_default())?;
        let before = (slot.0 != price).then(|| std::mem::replace(slot, (price, [0; 2])));
        slot.1[usize::from(trade.buyer_is_maker)] += i128::from(trade.quantity.units());
        before.filter(|(_, sums)| *sums != [0; 2])
    }

    /// Everything that is still here.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = AtPrice> {
        self.0.drain(..).filter(|(_, sums)| *sums != [0; 2])
    }
}
