//! Do columns read off the disk fold as the trades themselves do?

use crate::rig::{Rig, disk, small, start, trade};
use proptest::prelude::*;
use tapedeck::{
    candle::{ColumnFold, TradeColumns, fold},
    model::{Candle, IdRange, Price, Quantity, Timeframe, Trade},
};

fn candles(columns: &tapedeck::candle::CandleColumns) -> Vec<Candle> {
    (0..columns.len()).filter_map(|at| columns.get(at)).map(|candle| Candle { complete: true, ..candle }).collect()
}

#[test]
fn trades_of_all_places_are_shown_once_and_fold_as_they_are() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    for first in (1..40_000).step_by(500) {
        assert!(rig.keep(0, (first..first + 500).filter(|id| id % 777 != 5)));
        rig.pass(2_000);
    }
    assert!(rig.keep(0, (1..20_000).filter(|id| id % 777 == 5)), "late ones");
    rig.pass(100);
    assert!(rig.keep(0, 40_001..40_101), "queued");
    let held: Vec<u64> = rig.ids(0);
    for (first, last) in [(1, 40_100), (1, 40_000), (17, 39_000), (5_000, 5_001), (40_050, 50_000), (50_000, 60_000)] {
        let ids = IdRange { first, last };
        let expected: Vec<Trade> = held.iter().filter(|id| ids.contains(**id)).map(|id| trade(*id)).collect();
        let mut seen = Vec::new();
        let damaged = rig.holdings[0].visit(ids, |trades| seen.extend(trades.ids.iter().map(|id| id.cast_unsigned())));
        assert_eq!(damaged, []);
        assert_eq!(seen, expected.iter().map(|trade| trade.id).collect::<Vec<_>>());
        for count in [1, 7, 60] {
            let timeframe = Timeframe::minutes(count).unwrap();
            let folded = rig.holdings[0].fold(ids, timeframe).0;
            assert_eq!(candles(&folded), fold(timeframe, &expected), "{first} to {last}, {count}m");
        }
    }
}

proptest! {
    /// Sums that 64 bits do not hold are exact, too.
    #[test]
    fn large_and_small_numbers_sum_exactly(
        rows in proptest::collection::vec((0_i64..=i64::MAX, 0_i64..=i64::MAX, any::<bool>(), 0_i64..50_000), 1..60),
        shift in 0_u32..50,
    ) {
        let (mut time, mut trades) = (0, Vec::new());
        for ((price, quantity, maker, wait), id) in rows.into_iter().zip(1..) {
            time += wait;
            let (price, quantity) = (Price::from_units(price >> shift), Quantity::from_units((quantity >> shift) / 64));
            let time = tapedeck::model::UnixMillis::new(time);
            trades.push(Trade { price, quantity, time, buyer_is_maker: maker, ..trade(id) });
        }
        let column = |of: fn(&Trade) -> i64| trades.iter().map(of).collect::<Vec<_>>();
        let columns = TradeColumns {
            ids: &column(|trade| trade.id.cast_signed()),
            times: &column(|trade| trade.time.get()),
            prices: &column(|trade| trade.price.units()),
            price_step: 1,
            quantities: &column(|trade| trade.quantity.units()),
            quantity_step: 1,
            spans: &column(|trade| (trade.last_id - trade.first_id).cast_signed()),
            makers: &column(|trade| i64::from(trade.buyer_is_maker)),
        };
        let mut folded = ColumnFold::new(Timeframe::MINUTE);
        folded.push(&columns);
        prop_assert_eq!(candles(&folded.finish()), fold(Timeframe::MINUTE, &trades));
    }
}
