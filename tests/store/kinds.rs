//! Do records of every kind survive everything that trades do?

use crate::rig::{Rig, START, disk, small, start};
use proptest::prelude::*;
use std::fmt::Debug;
use tapedeck::{
    model::{IdRange, Price, Quantity, QuoteVolume, UnixMillis, Volume},
    store::{
        plan::Merges,
        record::{
            BookLevelRow, BookTickerRow, FundingRow, Kind, LiquidationRow, MarkRow, OpenInterestRow, Origin, Record,
            Rows,
        },
        upkeep::Upkeep,
    },
};

/// Everything that is held of a kind.
fn held<R: Record>(rig: &Rig, kind: Kind) -> Vec<R> {
    let shelf = rig.opened.library.shelf(0, kind);
    let all = IdRange { first: 0, last: u64::MAX };
    shelf.rows(&rig.opened.library, all, usize::MAX, false).rows.records().collect()
}

/// Through queue, journal, segments, merging, a power cut and a restart.
fn survives<R: Record + PartialEq + Debug>(kind: Kind, records: &[R], seed: u64) -> Result<(), TestCaseError> {
    let (sim, disk) = disk(seed);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    for part in records.chunks(20) {
        let shelf = rig.opened.library.shelf(0, kind);
        prop_assert!(rig.opened.desk.offer(&shelf, Origin::Stream, Rows::of(kind, part)));
        rig.pass(900);
    }
    prop_assert_eq!(held::<R>(&rig, kind), records);
    let merges = Merges { every_ms: 10, day_after_ms: 0, month_after_ms: 0, fills: 1 };
    rig.opened.storage.set_upkeep(Upkeep { merges, scrub_ms: None, ..Upkeep::default() });
    // Long after, so that day and month are over.
    rig.now.wall = rig.now.wall.plus(60 * UnixMillis::DAY);
    rig.pass(30_000);
    prop_assert!(rig.opened.storage.upkeep_counts().merges > 0);
    prop_assert_eq!(held::<R>(&rig, kind), records);
    let now = rig.now;
    drop(rig);
    sim.power_cut(seed);
    let rig = Rig::open(&disk, small(), 1, now).expect("opens again");
    prop_assert_eq!(held::<R>(&rig, kind), records);
    Ok(())
}

/// Rising times, with as many free numbers each.
fn drawn() -> impl Strategy<Value = Vec<(UnixMillis, [i64; 5])>> {
    let row = (1_i64..5_000, [0..i64::MAX, 0..1_000_000, 0..i64::MAX, i64::MIN..i64::MAX, 0..1_000]);
    proptest::collection::vec(row, 1..120).prop_map(|rows| {
        let mut time = START;
        let mut next = |wait: i64| {
            time += wait;
            UnixMillis::new(time)
        };
        rows.into_iter().map(|(wait, numbers)| (next(wait), numbers)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn records_of_every_kind_come_back(rows in drawn(), seed in any::<u64>()) {
        let (price, quantity) = (Price::from_units, Quantity::from_units);
        let mark = |(time, [a, b, c, d, e]): &(UnixMillis, [i64; 5])| MarkRow {
            time: *time, mark: price(*a), index: price(*b), settle: price(*c), funding_rate: *d,
            next_funding_time: UnixMillis::new(*e),
        };
        survives(Kind::Mark, &rows.iter().map(mark).collect::<Vec<_>>(), seed)?;
        let funding = |(time, [a, .., d, _]): &(UnixMillis, [i64; 5])| FundingRow {
            time: *time,
            rate: *d,
            mark: price(a & ((1 << 56) - 1)),
            interval_hours: 8,
            is_special: d % 2 == 0,
        };
        survives(Kind::Funding, &rows.iter().map(funding).collect::<Vec<_>>(), seed)?;
        let interest = |(time, [a, b, c, d, _]): &(UnixMillis, [i64; 5])| OpenInterestRow {
            time: *time,
            quantity: Volume::from_units(i128::from(*a) * i128::from(*b)),
            value: QuoteVolume::from_units(i128::from(*c) * i128::from(*d)),
        };
        survives(Kind::OpenInterest, &rows.iter().map(interest).collect::<Vec<_>>(), seed)?;
        let ticker = |(at, (time, [a, b, c, _, e])): (usize, &(UnixMillis, [i64; 5]))| BookTickerRow {
            update_id: at as u64 * 7 + 1, time: *time, bid: price(*a), bid_quantity: quantity(*b), ask: price(*c),
            ask_quantity: quantity(*e),
        };
        survives(Kind::BookTicker, &rows.iter().enumerate().map(ticker).collect::<Vec<_>>(), seed)?;
    }

    #[test]
    fn records_that_share_a_millisecond_keep_their_order(rows in drawn(), seed in any::<u64>()) {
        let (price, quantity) = (Price::from_units, Quantity::from_units);
        let orders = |(time, [a, b, c, d, e]): &(UnixMillis, [i64; 5])| {
            let order = LiquidationRow {
                time: *time, number: 0, price: price(*a), average_price: price(*c), quantity: quantity(*b),
                filled: quantity(*e), is_sell: *d > 0,
            };
            [order, LiquidationRow { number: 1, ..order }, LiquidationRow { number: 4_095, ..order }]
        };
        survives(Kind::Liquidation, &rows.iter().flat_map(orders).collect::<Vec<_>>(), seed)?;
        let levels = |(time, [a, b, c, d, e]): &(UnixMillis, [i64; 5])| {
            let level = |tick, is_ask, level| BookLevelRow {
                at: *time, time: time.plus(-*e), tick, is_ask, level, price: price(*a),
                quantity: Volume::from_units(i128::from(*b) * i128::from(*c)),
                quote: QuoteVolume::from_units(i128::from(*c) * i128::from(*d)),
            };
            [level(0, false, 0), level(0, false, 255), level(0, true, 0), level(7, false, 3), level(7, true, 255)]
        };
        survives(Kind::BookLevel, &rows.iter().take(40).flat_map(levels).collect::<Vec<_>>(), seed)?;
    }
}

#[test]
fn the_first_of_two_versions_is_served_and_the_other_kept_apart() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let first =
        FundingRow { time: UnixMillis::new(START), rate: 1, mark: Price::from_units(5), ..FundingRow::default() };
    let other = FundingRow { rate: 2, ..first };
    let shelf = rig.opened.library.shelf(0, Kind::Funding);
    for row in [first, other, first] {
        assert!(rig.opened.desk.offer(&shelf, Origin::Rest, Rows::of(Kind::Funding, &[row])));
        rig.pass(100);
        assert_eq!(held::<FundingRow>(&rig, Kind::Funding), [first]);
    }
    rig.pass(30_000);
    assert_eq!(held::<FundingRow>(&rig, Kind::Funding), [first]);
    let sections = rig.opened.storage.manifest().segments.iter().flat_map(|entry| &entry.footer.sections);
    let conflicts = sections.filter(|section| section.kind == Kind::Funding.number() && section.role == 1);
    assert_eq!(conflicts.map(|section| section.rows).sum::<u64>(), 1);
}

#[test]
fn the_first_is_served_in_the_queue_and_after_it_was_sealed() {
    let (_, disk) = disk(2);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let row = |at: i64, rate| FundingRow {
        time: UnixMillis::new(START + at),
        rate,
        mark: Price::from_units(5),
        ..FundingRow::default()
    };
    let shelf = rig.opened.library.shelf(0, Kind::Funding);
    let offer = |rig: &Rig, rows: &[FundingRow]| {
        assert!(rig.opened.desk.offer(&shelf, Origin::Rest, Rows::of(Kind::Funding, rows)));
    };
    offer(&rig, &[row(5, 1)]);
    // Begins with a lower key, and came later.
    offer(&rig, &[row(1, 1), row(5, 2)]);
    let first = [row(1, 1), row(5, 1)];
    assert_eq!(held::<FundingRow>(&rig, Kind::Funding), first, "in the queue");
    rig.pass(30_000);
    assert_eq!(held::<FundingRow>(&rig, Kind::Funding), first, "in a segment");
    offer(&rig, &[row(1, 3), row(5, 3)]);
    assert_eq!(held::<FundingRow>(&rig, Kind::Funding), first, "beside a segment");
    rig.pass(30_000);
    assert_eq!(held::<FundingRow>(&rig, Kind::Funding), first, "in the next segment");
}
