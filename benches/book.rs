//! What does it cost to keep a book up to date and to read its top, beside maps of the same levels?
//!
//! A book of 1,000 levels a side; an update changes about 50 of them, most near the best, as on a busy contract at 100 ms.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::BTreeMap;
use std::hint::black_box;
use tapedeck::book::{Book, BookOptions, Summary, TickSize};
use tapedeck::model::{BookSnapshot, BookUpdate, Level, Price, Quantity, UnixMillis};

const UPDATES: usize = 4_096;
const LEVELS: u16 = 1_000;
const LEVELS_READ: usize = 20;
const TICK: i64 = 10_000_000;
const MID: i64 = 83_000 * Price::UNITS_PER_ONE;

/// A xorshift generator: the same updates in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end).cast_signed()
    }

    /// A level of a side, `sign` 1 for asks; three of four within 60 steps of the best, a third of them taken away.
    fn level(&mut self, sign: i64) -> Level {
        let steps = if self.below(4) > 0 { 1 + self.below(60) } else { 1 + self.below(1_500) };
        let quantity = if self.below(3) == 0 { 0 } else { (1 + self.below(5_000)) * 100_000 };
        Level { price: Price::from_units(MID + sign * steps * TICK), quantity: Quantity::from_units(quantity) }
    }
}

struct Update {
    ids: BookUpdate,
    bids: Vec<Level>,
    asks: Vec<Level>,
}

fn updates() -> Vec<Update> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut side = |sign| -> Vec<Level> { (0..15 + random.below(21)).map(|_| random.level(sign)).collect() };
    let mut update = |id: u64| {
        let ids = BookUpdate { first_id: id, last_id: id, previous_id: id - 1, time: UnixMillis::default() };
        Update { ids, bids: side(-1), asks: side(1) }
    };
    (1..=UPDATES as u64).map(&mut update).collect()
}

fn snapshot() -> BookSnapshot {
    let side = |sign: i64| -> Vec<Level> {
        let price = |steps: i64| Price::from_units(MID + sign * steps * TICK);
        (1..=i64::from(LEVELS))
            .map(|steps| Level { price: price(steps), quantity: Quantity::from_units(100_000) })
            .collect()
    };
    BookSnapshot { bids: side(-1), asks: side(1), ..BookSnapshot::default() }
}

fn book(changes_max: usize) -> Book {
    let mut book = Book::new(BookOptions { levels_max: 2 * usize::from(LEVELS), changes_max });
    book.load(&snapshot(), LEVELS.into()).expect("sound");
    book
}

/// The plain way: a map a side.
#[derive(Clone, Default)]
struct Maps {
    bids: BTreeMap<Price, Quantity>,
    asks: BTreeMap<Price, Quantity>,
}

impl Maps {
    fn new() -> Self {
        let mut maps = Self::default();
        let BookSnapshot { bids, asks, .. } = snapshot();
        maps.apply(&bids, &asks);
        maps
    }

    fn apply(&mut self, bids: &[Level], asks: &[Level]) {
        for (map, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels {
                if level.quantity.units() == 0 {
                    map.remove(&level.price);
                } else {
                    map.insert(level.price, level.quantity);
                }
            }
        }
    }

    fn top(&self) -> i64 {
        let bids = self.bids.iter().rev().take(LEVELS_READ);
        bids.chain(self.asks.iter().take(LEVELS_READ)).map(|(price, quantity)| price.units() ^ quantity.units()).sum()
    }
}

fn top(book: &Book) -> i64 {
    let levels = book.bids().trusted().take(LEVELS_READ).chain(book.asks().trusted().take(LEVELS_READ));
    levels.map(|level| level.price.units() ^ level.quantity.units()).sum()
}

/// Both say the same after every update.
fn check(updates: &[Update]) {
    let (mut book, mut maps) = (book(0), Maps::new());
    for update in updates {
        book.apply(&update.ids, &update.bids, &update.asks);
        maps.apply(&update.bids, &update.asks);
        assert_eq!(top(&book), maps.top());
    }
}

fn apply(criterion: &mut Criterion, updates: &[Update]) {
    let mut group = criterion.benchmark_group("book apply");
    group.throughput(Throughput::Elements(updates.len() as u64));
    group.bench_function("maps", |bencher| {
        let run = |mut maps: Maps| {
            updates.iter().for_each(|update| maps.apply(black_box(&update.bids), &update.asks));
            maps
        };
        bencher.iter_batched(Maps::new, run, BatchSize::LargeInput);
    });
    for (name, changes_max) in [("book", 0), ("book that is followed", 1_024)] {
        group.bench_function(name, |bencher| {
            let run = |mut book: Book| {
                updates.iter().for_each(|update| book.apply(&update.ids, black_box(&update.bids), &update.asks));
                book
            };
            bencher.iter_batched(|| book(changes_max), run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn read(criterion: &mut Criterion, updates: &[Update]) {
    let (mut book, mut maps) = (book(1_024), Maps::new());
    for update in updates {
        book.apply(&update.ids, &update.bids, &update.asks);
        maps.apply(&update.bids, &update.asks);
    }
    let mut group = criterion.benchmark_group("book read 20");
    group.bench_function("maps", |bencher| bencher.iter(|| black_box(&maps).top()));
    group.bench_function("book", |bencher| bencher.iter(|| top(black_box(&book))));
    group.finish();
    let sizes = [1, 10, 50, 100, 1_000].map(|size| TickSize::new(Price::from_units(size * Price::UNITS_PER_ONE)));
    let sizes: Vec<_> = sizes.into_iter().flatten().collect();
    let mut group = criterion.benchmark_group("book figures");
    group.bench_function("checksum", |bencher| bencher.iter(|| black_box(&book).checksum()));
    group.bench_function("delta", |bencher| {
        let to = book.sequence();
        bencher.iter(|| black_box(&book).delta(to - 2, to).expect("remembered"));
    });
    group.bench_function("summary of 15 at 5 tick sizes", |bencher| {
        bencher.iter(|| Summary::at_each(black_box(&book), &sizes, 15));
    });
    group.finish();
}

fn books(criterion: &mut Criterion) {
    let updates = updates();
    check(&updates);
    apply(criterion, &updates);
    read(criterion, &updates);
}

criterion_group!(benches, books);
criterion_main!(benches);
