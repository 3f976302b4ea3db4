//! Do rows come out ascending, each key once, whatever order a file has them in? A sorted map says what is right.

use super::{agg_trades, csv, read_rows, trade, zipped};
use proptest::prelude::*;
use std::{
    cell::Cell,
    collections::{BTreeMap, btree_map::Entry},
    convert::Infallible,
    io::Cursor,
};
use tapedeck::{
    exchange::binance::archive::AggTrades,
    history::archive::{Cause, Confirmed, Conflict, Limits, Wanted, read},
    model::{Price, Quantity, Trade, UnixMillis},
};

type Found = Confirmed<Vec<Trade>, Trade>;

fn read_with(rows: &[Trade], limits: Limits) -> Result<Found, Cause> {
    read_rows(&zipped::deflated(&agg_trades(), &csv(rows)), &agg_trades(), &AggTrades, limits)
}

/// Room for so many trades while a file is sorted.
fn room_for(trades: usize) -> Limits {
    Limits { sort_bytes_max: trades * size_of::<Option<Trade>>(), ..Limits::default() }
}

/// What a plain reader makes of rows that are all of the day.
#[derive(Default)]
struct Naive {
    kept: BTreeMap<u64, Trade>,
    duplicates: u64,
    conflicts: Vec<Conflict<Trade>>,
}

impl Naive {
    fn of(rows: &[Trade]) -> Self {
        let mut naive = Self::default();
        for row in rows {
            match naive.kept.entry(row.id) {
                Entry::Vacant(slot) => _ = slot.insert(*row),
                Entry::Occupied(slot) if slot.get() == row => naive.duplicates += 1,
                Entry::Occupied(slot) => naive.conflicts.push(Conflict { taken: *slot.get(), other: *row }),
            }
        }
        naive.conflicts.sort_by_key(|conflict| conflict.taken.id);
        naive
    }

    fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for &id in self.kept.keys() {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == id => *last = id,
                _ => runs.push((id, id)),
            }
        }
        runs
    }

    fn check(&self, mut found: Found) {
        assert_eq!(found.staged, self.kept.values().copied().collect::<Vec<_>>());
        let tally = &mut found.tally;
        assert_eq!((tally.rows, tally.duplicates), (self.kept.len() as u64, self.duplicates));
        assert_eq!(tally.runs.iter().map(|run| (run.first, run.last)).collect::<Vec<_>>(), self.runs());
        let hollow = self.kept.values().filter(|trade| trade.quantity.units() == 0).count();
        assert_eq!(tally.hollow, hollow as u64);
        // Strips meet conflicts in another order than the file has them; of one key they keep theirs.
        tally.conflicts.sort_by_key(|conflict| conflict.taken.id);
        assert_eq!(tally.conflicts, self.conflicts);
    }
}

#[test]
fn two_halves_that_alternate_are_sorted_in_strips() {
    let halves = (1..10_000).flat_map(|id| [trade(id), trade(10_000 + id)]);
    let mut rows: Vec<_> = halves.collect();
    rows.push(Trade { time: UnixMillis::new(1), ..trade(5) });
    let found = read_with(&rows, room_for(3_000)).expect("it can be sorted");
    assert_eq!((found.strips, found.tally.outside), (7, 1));
    rows.pop();
    Naive::of(&rows).check(found);
    let whole = read_with(&rows, Limits::default()).expect("it can be sorted");
    assert_eq!(whole.strips, 1);
    Naive::of(&rows).check(whole);
}

#[test]
fn an_early_end_out_of_order_costs_one_reading_more() {
    // The last of many batches.
    let mut rows: Vec<_> = (2..20_000).map(trade).collect();
    rows.push(trade(1));
    let zip = zipped::deflated(&agg_trades(), &csv(&rows));
    let place = agg_trades();
    let wanted = Wanted { place: &place, table: &AggTrades, sha256: super::sha256(&zip), limits: Limits::default() };
    let begun = Cell::new(0);
    let begin = || {
        begun.set(begun.get() + 1);
        Ok::<_, Infallible>(Vec::new())
    };
    let stage = |staged: &mut Vec<Trade>, rows: &[Trade]| {
        staged.extend_from_slice(rows);
        Ok(())
    };
    let found = read(&mut Cursor::new(&zip), &wanted, begin, stage).expect("it can be sorted");
    assert_eq!((begun.get(), found.strips), (2, 1));
    Naive::of(&rows).check(found);
}

#[test]
fn rows_too_far_apart_are_refused_instead_of_read_for_ever() {
    let rows: Vec<_> = (1..50u64).rev().map(|id| trade(id << 40)).collect();
    let limits = Limits { strips_max: 20, ..room_for(1_000) };
    assert!(matches!(read_with(&rows, limits), Err(Cause::Scattered { strips_max: 20 })));
    // Empty strips are stepped over.
    let found = read_with(&rows, Limits { strips_max: 60, ..limits }).expect("it can be sorted");
    assert_eq!(found.strips, 49);
    Naive::of(&rows).check(found);
}

#[test]
fn an_amount_of_nothing_is_handed_over_and_counted() {
    let hollow = |id: u64| Trade { quantity: Quantity::from_units(0), ..trade(id) };
    let rows = [trade(1), hollow(2), trade(3), hollow(4)];
    let found = read_with(&rows, Limits::default()).expect("a sound file");
    assert_eq!(found.tally.hollow, 2);
    Naive::of(&rows).check(found);
}

/// Rows mostly in order, with jumps, duplicates, conflicts, and now and then some far back.
fn rows() -> impl Strategy<Value = Vec<Trade>> {
    let step = prop_oneof![60 => Just(1i64), 4 => 2i64..40, 4 => Just(0i64), 2 => -60i64..0];
    let row = (step, prop::bool::weighted(0.03), prop::bool::weighted(0.02));
    prop::collection::vec(row, 1..400).prop_map(|steps| {
        let mut id = 1_000i64;
        let rows = steps.into_iter().map(|(step, differs, hollow)| {
            id = (id + step).max(1);
            let mut row = trade(id.unsigned_abs());
            if differs {
                row.price = Price::from_units(row.price.units() + 1);
            }
            if hollow {
                row.quantity = Quantity::from_units(0);
            }
            row
        });
        rows.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_comes_out_right(rows in rows(), room in 1usize..600) {
        let limits = Limits { strips_max: usize::MAX, ..room_for(room) };
        let found = read_with(&rows, limits).expect("it can be sorted");
        let ascending = rows.is_sorted_by_key(|row| row.id);
        prop_assert_eq!(found.strips == 0, ascending);
        Naive::of(&rows).check(found);
    }

    #[test]
    fn any_shuffle_comes_out_right(rows in rows().prop_shuffle(), room in 40usize..600) {
        let limits = Limits { strips_max: usize::MAX, ..room_for(room) };
        Naive::of(&rows).check(read_with(&rows, limits).expect("it can be sorted"));
    }
}
