//! Are volume profiles and day sums exactly what adding up every trade gives?

use crate::{
    history::{eager, idle, open, slow_trade},
    rig::{Rig, disk},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tapedeck::{
    model::{IdRange, Price, Trade},
    store::{
        Holding,
        record::{DayRow, Origin},
    },
};

const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

/// Adds up the trades that are served, one by one.
fn assert_exact(holding: &Holding, ids: IdRange) {
    let served = holding.from_id(0, usize::MAX).trades;
    let trades: Vec<Trade> = served.into_iter().filter(|trade| ids.contains(trade.id)).collect();
    let (mut prices, mut days) = (BTreeMap::new(), BTreeMap::new());
    for trade in &trades {
        let (buy, sell) = prices.entry(trade.price).or_insert((0_i128, 0_i128));
        *(if trade.buyer_is_maker { sell } else { buy }) += i128::from(trade.quantity.units());
        let entry: &mut Vec<&Trade> = days.entry(trade.time.get().div_euclid(86_400_000)).or_default();
        entry.push(trade);
    }
    let profile = holding.profile(ids);
    let rows = profile.rows.iter().map(|row| (row.price, (row.buy.units(), row.sell.units())));
    assert_eq!(rows.collect::<Vec<_>>(), prices.into_iter().collect::<Vec<_>>(), "{ids:?}");
    assert_eq!(profile.damaged, []);
    let sums = holding.days(ids);
    assert_eq!(sums.rows, days.into_values().map(|trades| day(&trades)).collect::<Vec<_>>(), "{ids:?}");
}

fn day(trades: &[&Trade]) -> DayRow {
    let sum = |of: &dyn Fn(&Trade) -> i128| trades.iter().map(|trade| of(trade)).sum::<i128>();
    let bought = |trade: &Trade| i128::from(!trade.buyer_is_maker);
    let quantity = |trade: &Trade| i128::from(trade.quantity.units());
    let mut day = DayRow::of(trades[0]);
    day.trades = trades.len() as u64;
    day.ids.last = trades[trades.len() - 1].id;
    day.low = trades.iter().map(|trade| trade.price).min().expect("one");
    day.high = trades.iter().map(|trade| trade.price).max().expect("one");
    day.volume = tapedeck::model::Volume::from_units(sum(&quantity));
    day.taker_buy_volume = tapedeck::model::Volume::from_units(sum(&|trade| quantity(trade) * bought(trade)));
    let quote = |trade: &Trade| quantity(trade) * i128::from(trade.price.units());
    day.quote_volume = tapedeck::model::QuoteVolume::from_units(sum(&quote));
    day.taker_buy_quote_volume = tapedeck::model::QuoteVolume::from_units(sum(&|trade| quote(trade) * bought(trade)));
    day
}

#[test]
fn whole_segments_answer_without_their_trades() {
    let (_, disk) = disk(1);
    let mut rig = open(&disk, 1, idle());
    for first in (1..301).step_by(100) {
        rig.seal_ids(first..first + 100);
    }
    assert!(rig.holdings[0].keep(Origin::Stream, &(301..321).map(slow_trade).collect::<Vec<_>>()));
    let holding = &rig.holdings[0];
    // Of three segments of 100 trades each; the first holds two days, as trade 84 begins the second.
    let cases = [
        ((0, u64::MAX), (3, 3)),
        ((1, 300), (3, 3)),
        ((2, 300), (3, 3)),
        ((50, 250), (3, 3)),
        ((120, 180), (1, 0)),
        ((140, 180), (0, 0)),
        ((85, 180), (1, 0)),
        ((1, 99), (1, 1)),
    ];
    for ((first, last), segments) in cases {
        let ids = IdRange { first, last };
        assert_eq!((holding.profile(ids).segments, holding.days(ids).segments), segments, "{ids:?}");
        assert_exact(holding, ids);
    }
    let between = holding.ids_between(slow_trade(40).time, slow_trade(90).time);
    assert_eq!(between, IdRange::new(40, 89));
    assert_eq!(holding.ids_between(slow_trade(40).time, slow_trade(9_000).time), IdRange::new(40, u64::MAX));
    assert_eq!(holding.ids_between(slow_trade(9_000).time, slow_trade(9_001).time), None);
}

#[test]
fn prices_far_apart_are_told_apart() {
    let (_, disk) = disk(4);
    let mut rig = open(&disk, 1, idle());
    let price = |id: u64| Price::from_units([1, 3, 10_000_000, i64::MAX][usize::try_from(id % 4).expect("small")]);
    let trades: Vec<_> = (1..200).map(|id| Trade { price: price(id), ..slow_trade(id) }).collect();
    rig.seal(&[(0, Origin::Stream, trades)]);
    for ids in [ALL, IdRange { first: 30, last: 60 }, IdRange { first: 30, last: 190 }] {
        assert_exact(&rig.holdings[0], ids);
    }
}

#[test]
fn a_filled_hole_leaves_the_sums_good_and_a_duplicate_does_not() {
    let (_, disk) = disk(2);
    let mut rig = open(&disk, 1, idle());
    rig.seal(&[(0, Origin::Stream, (1..100).chain(120..200).map(slow_trade).collect())]);
    rig.seal(&[(0, Origin::Rest, (100..120).map(slow_trade).collect())]);
    assert_eq!(rig.holdings[0].days(ALL).segments, 2, "they share no id");
    assert_exact(&rig.holdings[0], ALL);
    assert!(rig.holdings[0].keep(Origin::Rest, &[slow_trade(119), slow_trade(120)]));
    assert_eq!(rig.holdings[0].days(ALL).segments, 0, "both are counted once only by their trades");
    assert_exact(&rig.holdings[0], ALL);
    assert_eq!(rig.holdings[0].days(ALL).rows.iter().map(DayRow::missing).sum::<u64>(), 0);
    rig.pass(11_000);
    assert_eq!(rig.levels(), [2, 0, 0, 0], "nothing new was sealed");
    assert_eq!(rig.holdings[0].days(ALL).segments, 2);
    assert_exact(&rig.holdings[0], ALL);
    rig.opened.storage.set_upkeep(eager());
    rig.go_to(1_000);
    rig.pass(2_000);
    assert_eq!((rig.holdings[0].days(ALL).segments, rig.levels()), (1, [0, 1, 0, 0]));
}

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Event {
    /// Trades from that id on, so many, and whether they are sealed at once.
    Keep(u64, u64, bool),
    /// Segments are merged, as if it were that late.
    Merge(u64),
    /// The process ends and another opens the store.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (1_u64..2_400, 1_u64..200, any::<bool>()).prop_map(|(first, count, seal)| Event::Keep(first, count, seal)),
        2 => (1_u64..8_000).prop_map(Event::Merge),
        1 => Just(Event::Restart),
    ]
}

fn happen(rig: &mut Rig, event: &Event) {
    match *event {
        Event::Keep(first, count, seal) => {
            let trades: Vec<_> = (first..first + count).map(slow_trade).collect();
            assert!(rig.holdings[0].keep(Origin::Stream, &trades));
            rig.pass(if seal { 11_000 } else { 20 });
        }
        Event::Merge(now) => {
            rig.opened.storage.set_upkeep(eager());
            rig.go_to(now);
            rig.pass(600);
            rig.opened.storage.set_upkeep(idle());
        }
        Event::Restart => {
            assert!(rig.opened.storage.drain(rig.now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_exact_whatever_came_when(
        events in prop::collection::vec(event(), 1..14),
        ranges in prop::collection::vec((0_u64..2_600, 0_u64..2_600), 4),
    ) {
        let (_, disk) = disk(3);
        let mut rig = open(&disk, 1, idle());
        let mut held = std::collections::BTreeSet::new();
        for event in &events {
            happen(&mut rig, event);
            if let Event::Keep(first, count, _) = event {
                held.extend(*first..first + count);
            }
            if matches!(event, Event::Restart) {
                drop(rig);
                rig = open(&disk, 1, idle());
            }
            rig.assert_serves(0, held.iter().copied(), "nothing is lost");
            for (first, length) in &ranges {
                assert_exact(&rig.holdings[0], IdRange { first: *first, last: first + length });
            }
            assert_exact(&rig.holdings[0], ALL);
        }
    }
}
