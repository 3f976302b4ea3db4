//! Has the size of a contract been adjusted?
//!
//! The venue adjusts contracts on stocks as the stocks are split (by 1.1, 4 and 20 in the summer of 2026), and says so in no
//! answer and on no stream. What shows is that trading rests for some minutes and goes on about another price. It stays a
//! guess: a piece of news may move a price as far while trading rests.

use crate::model::{ContractId, Price, Trade, UnixMillis};
use std::collections::BTreeMap;

/// Contracts of this kind are adjusted; others move as far by themselves.
const KIND: &str = "TRADIFI_PERPETUAL";
/// Trading rests for so long at least.
const REST_MS: i64 = UnixMillis::MINUTE;
/// The price after the rest is so many hundredths of the one before, or the other way round, at least.
const MOVE_PERCENT: i128 = 105;

/// The last trade of each contract that may be adjusted.
#[derive(Debug, Default)]
pub struct Scales(BTreeMap<ContractId, (UnixMillis, Price)>);

impl Scales {
    /// Forgets every contract that is not `known`.
    pub fn retain(&mut self, known: impl Fn(ContractId) -> bool) {
        self.0.retain(|id, _| known(*id));
    }

    /// Notes the newest trade of a contract of the venue's kind `kind`; the prices before and after if it seems adjusted.
    /// To be told about once a second.
    pub fn see(&mut self, id: ContractId, kind: &str, newest: &Trade) -> Option<(Price, Price)> {
        if kind != KIND {
            return None;
        }
        let (time, price) = self.0.insert(id, (newest.time, newest.price))?;
        let has_rested = newest.time.since(time) >= REST_MS;
        (has_rested && is_far(price, newest.price)).then_some((price, newest.price))
    }
}

fn is_far(before: Price, after: Price) -> bool {
    let (before, after) = (i128::from(before.units()), i128::from(after.units()));
    before.max(after) * 100 >= before.min(after) * MOVE_PERCENT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    const A: ContractId = ContractId::new(1);

    fn trade(minute: i64, price: i64) -> Trade {
        Trade {
            id: 1,
            time: UnixMillis::new(minute * UnixMillis::MINUTE),
            price: Price::from_units(price),
            quantity: Quantity::from_units(1),
            first_id: 1,
            last_id: 1,
            buyer_is_maker: false,
        }
    }

    #[test]
    fn a_split_is_seen_and_what_moves_while_it_trades_or_little_is_none() {
        // SPCXUSDT by 1.1, CRWDUSDT by 4, KORUUSDT by 20 (archive, 2026), down and up.
        for (before, after) in [(110_000, 100_000), (400_000, 100_000), (5_000, 100_000)] {
            let mut scales = Scales::default();
            assert_eq!(scales.see(A, KIND, &trade(1, before)), None, "the first tells of nothing");
            let prices = (Price::from_units(before), Price::from_units(after));
            assert_eq!(scales.see(A, KIND, &trade(9, after)), Some(prices));
            assert_eq!(scales.see(A, KIND, &trade(10, after)), None, "once");
        }
        let mut scales = Scales::default();
        scales.see(A, KIND, &trade(1, 100_000));
        assert_eq!(scales.see(A, KIND, &trade(1, 300_000)), None, "it never rested");
        assert_eq!(scales.see(A, KIND, &trade(9, 290_000)), None, "little");
        assert_eq!(scales.see(A, "PERPETUAL", &trade(90, 1)), None);
        scales.retain(|_| false);
        assert_eq!(scales.see(A, KIND, &trade(99, 1)), None, "forgotten");
    }
}
