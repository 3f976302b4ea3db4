//! Do answers out of memory and store together say what a plain look at all trades says?

use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};
use tapedeck::{
    candle::{fold, regroup},
    clock::Clock,
    market::{Print, Tape},
    model::{Candle, IdRange, Price, Quantity, Symbol, Timeframe, Trade, UnixMillis},
    query::{self, CandlesWanted},
    store::{
        self, Holding, Opened,
        derive::{Days, Prices},
        files::{Disk, SimulatedDisk},
        identity::Identity,
        record::{DayRow, Kind, Origin, ProfileRow},
        storage::Options,
    },
};

/// 2026-01-30T22:00:00Z: a month's end is near, and a week's.
const START: i64 = 1_769_810_400_000;

fn store() -> (Opened, Holding) {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let clock = Clock::system();
    let wanted = Identity { store: 5, venue: "sim".to_owned(), created: UnixMillis::new(START) };
    let mut opened = store::open(&disk, &wanted, Options::default(), clock).expect("opens");
    let symbol = Symbol::new("BTCUSDT").expect("a symbol");
    let row = opened.storage.register(&[symbol], clock.now()).expect("registered")[0];
    let holding = Holding::new(&opened.library, &opened.desk, row.number, Kind::Trade);
    (opened, holding)
}

fn trade(id: u64, time: i64) -> Trade {
    let wave = id.wrapping_mul(0x9e37_79b9) % 97;
    let units = |value: u64| i64::try_from(value).expect("small") * 1_000_000;
    Trade {
        id,
        price: Price::from_units(units(5_000 + wave)),
        quantity: Quantity::from_units(units(1 + wave % 13)),
        first_id: 2 * id,
        last_id: 2 * id + wave % 2,
        time: UnixMillis::new(time),
        buyer_is_maker: wave.is_multiple_of(3),
    }
}

/// Trades over some weeks, dense in places, with days without any.
fn trades() -> impl Strategy<Value = Vec<Trade>> {
    let waits = prop_oneof![6 => 0_i64..90_000, 2 => 100_000_i64..9_000_000, 1 => 80_000_000_i64..700_000_000];
    proptest::collection::vec(waits, 2..160).prop_map(|waits| {
        let times = waits.iter().scan(START, |time, wait| {
            *time += wait;
            Some(*time)
        });
        times.zip(1..).map(|(time, id)| trade(id, time)).collect()
    })
}

fn timeframe() -> impl Strategy<Value = Timeframe> {
    let minutes = prop_oneof![Just(1), Just(3), Just(60), Just(173), Just(1_440), Just(4_320)];
    let counted = minutes.prop_map(|count| Timeframe::minutes(count).expect("in range"));
    prop_oneof![4 => counted, 1 => Just(Timeframe::WEEK), 1 => Just(Timeframe::MONTH)]
}

/// Those of the range, as many as are wanted, that a plain look finds.
fn expected(all: &[Candle], wanted: &CandlesWanted) -> Vec<Candle> {
    let inside = |candle: &&Candle| {
        wanted.start.is_none_or(|start| candle.open_time >= start)
            && wanted.end.is_none_or(|end| candle.open_time < end)
    };
    let inside: Vec<Candle> = all.iter().filter(inside).copied().collect();
    let from = if wanted.start.is_some() { 0 } else { inside.len().saturating_sub(wanted.limit) };
    inside.into_iter().skip(from).take(wanted.limit).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn candles_of_memory_and_store_are_those_of_all_minutes(
        trades in trades(),
        timeframe in timeframe(),
        in_memory in 0_usize..40,
        overlap in 0_usize..5,
        range in (any::<bool>(), any::<bool>(), 0_i64..40_000, 1_i64..40_000),
        limit in 1_usize..60,
    ) {
        let (_opened, holding) = store();
        let mut minutes = fold(Timeframe::MINUTE, &trades);
        // What memory has is not over: neither is the longer candle that it is part of.
        if let Some(last) = minutes.last_mut().filter(|_| in_memory > 0) {
            last.closed = false;
        }
        let seam = minutes.len().saturating_sub(in_memory);
        let recent = &minutes[seam..];
        // The store may have what memory has, too; it is older there.
        let stored = minutes[..(seam + overlap).min(minutes.len())].iter().filter(|minute| minute.closed);
        let stored: Vec<Candle> = stored.copied().collect();
        prop_assert!(stored.is_empty() || holding.keep_minutes(&stored));
        let live = regroup(timeframe, recent);
        let all = regroup(timeframe, &minutes);
        let at = |minute: i64| UnixMillis::new(START + minute * UnixMillis::MINUTE);
        let (with_start, with_end, start, length) = range;
        let start = with_start.then(|| at(start));
        let end = with_end.then(|| start.unwrap_or(at(0)).plus(length * UnixMillis::MINUTE));
        let wanted = CandlesWanted { timeframe, start, end, limit };
        let found = query::candles(Some(&holding), live, recent, &wanted);
        prop_assert!(found.is_sorted_by(|a, b| a.open_time < b.open_time));
        prop_assert_eq!(&expected(&found, &wanted), &expected(&all, &wanted));
        // A neighbour on each side, where there is one: empty buckets are filled between two candles.
        let (first, last) = (expected(&all, &wanted).first().copied(), expected(&all, &wanted).last().copied());
        if let Some((first, last)) = first.zip(last) {
            let neighbour = |candles: &[Candle], of: Candle, step: isize| {
                let at = candles.iter().position(|candle| candle.open_time == of.open_time)?;
                candles.get(at.checked_add_signed(step)?).map(|candle| candle.open_time)
            };
            prop_assert_eq!(neighbour(&found, first, -1), neighbour(&all, first, -1));
            prop_assert_eq!(neighbour(&found, last, 1), neighbour(&all, last, 1));
        }
    }

    #[test]
    fn sums_of_memory_and_store_are_those_of_every_trade_once(
        gone in proptest::collection::btree_set(5_u64..60, 0..12),
        late in 0_usize..6,
        stored_to in 0_u64..60,
        range in (0_u64..70, 1_u64..70),
    ) {
        let (_opened, holding) = store();
        let time = |id: u64| START + i64::try_from(id).expect("small") * 3_000_000;
        let held: Vec<Trade> = (1..60).filter(|id| !gone.contains(id)).map(|id| trade(id, time(id))).collect();
        let tape = Arc::new(Tape::new(1_024));
        let mut writer = tape.writer().expect("the first");
        // The tape in memory goes on where an earlier process stopped.
        let begin = 10;
        let mut before = begin - 1;
        for trade in held.iter().filter(|trade| trade.id >= begin) {
            writer.begin(begin);
            let hole = IdRange::new(before + 1, trade.id - 1);
            writer.open_holes(&hole.into_iter().collect::<Vec<_>>());
            writer.push(trade, hole.is_none());
            before = trade.id;
        }
        let late: Vec<Trade> =
            gone.iter().filter(|id| (begin..before).contains(*id)).take(late).map(|id| trade(*id, time(*id))).collect();
        prop_assert!(writer.repair(&late.iter().map(|trade| Print::Trade(*trade)).collect::<Vec<_>>()));
        let kept: Vec<Trade> = held.iter().filter(|trade| trade.id < begin || trade.id <= stored_to).copied().collect();
        prop_assert!(holding.keep(Origin::Stream, &kept));
        let mut all: Vec<Trade> = held.iter().chain(&late).copied().collect();
        all.sort_by_key(|trade| trade.id);
        let ids = IdRange { first: range.0, last: range.0 + range.1 };
        let inside: Vec<Trade> = all.iter().filter(|trade| ids.contains(trade.id)).copied().collect();
        let (profile, days) = (query::sums::<Prices>(&tape, Some(&holding), ids), query::sums::<Days>(&tape, Some(&holding), ids));
        prop_assert_eq!(priced(&profile.rows), naive(&inside));
        prop_assert_eq!(days.rows.iter().map(|day| day.trades).sum::<u64>(), inside.len() as u64);
        let newest = all.last().expect("there are").id;
        let missing: Vec<u64> = (ids.first.max(1)..=ids.last.min(newest))
            .filter(|id| all.iter().all(|trade| trade.id != *id))
            .collect();
        let named: Vec<u64> = profile.holes.iter().flat_map(|hole| hole.first..=hole.last).collect();
        prop_assert_eq!(&named, &missing);
        prop_assert_eq!(profile.complete, missing.is_empty() && ids.first <= newest);
        prop_assert_eq!(&days.holes, &profile.holes);
    }
}

/// Volume bought and sold at each price.
fn naive(trades: &[Trade]) -> BTreeMap<i64, (i128, i128)> {
    let mut prices = BTreeMap::new();
    for trade in trades {
        let row: &mut (i128, i128) = prices.entry(trade.price.units()).or_default();
        *(if trade.buyer_is_maker { &mut row.1 } else { &mut row.0 }) += i128::from(trade.quantity.units());
    }
    prices
}

fn priced(rows: &[ProfileRow]) -> BTreeMap<i64, (i128, i128)> {
    rows.iter().map(|row| (row.price.units(), (row.buy.units(), row.sell.units()))).collect()
}

#[test]
fn without_a_store_the_ring_alone_is_summed_up() {
    let tape = Arc::new(Tape::new(64));
    let everything = IdRange { first: 0, last: u64::MAX };
    let nothing = query::sums::<Days>(&tape, None, everything);
    assert_eq!((nothing.rows, nothing.ids, nothing.complete), (Vec::<DayRow>::new(), None, false));
    let mut writer = tape.writer().expect("the first");
    writer.begin(1);
    let all: Vec<Trade> = (1..=20).map(|id| trade(id, START)).collect();
    all.iter().for_each(|trade| writer.push(trade, true));
    let page = query::sums::<Prices>(&tape, None, everything);
    assert_eq!((priced(&page.rows), page.complete), (naive(&all), true));
    assert_eq!(page.ids, IdRange::new(1, 20));
    let days = query::sums::<Days>(&tape, None, everything);
    assert_eq!(days.rows.iter().map(DayRow::missing).sum::<u64>(), 0);
}
