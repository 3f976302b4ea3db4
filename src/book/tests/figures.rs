//! Do the figures say what the same sums in decimals do?

use super::{level, levels};
use crate::book::{Book, BookOptions, Depth, Side, Summary, TickSize};
use crate::model::{BookSnapshot, Level, Price, Quantity, Rate};
use proptest::prelude::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

fn text(price: &str, quantity: &str) -> Level {
    let price = Price::parse(price.as_bytes()).expect("a price");
    Level { price, quantity: Quantity::parse(quantity.as_bytes()).expect("a quantity") }
}

fn book(bids: Vec<Level>, asks: Vec<Level>, levels_asked: usize) -> Book {
    let mut book = Book::new(BookOptions { levels_max: 1_000, changes_max: 0 });
    book.load(&BookSnapshot { bids, asks, ..BookSnapshot::default() }, levels_asked).expect("sound");
    book
}

fn tick(size: &str) -> TickSize {
    TickSize::new(Price::parse(size.as_bytes()).expect("a price")).expect("above 0")
}

fn shown(depths: &[Depth]) -> Vec<[String; 4]> {
    let row = |depth: &Depth| {
        [
            depth.price.to_string(),
            depth.quantity.to_string(),
            depth.cumulative.to_string(),
            depth.cumulative_quote.to_string(),
        ]
    };
    depths.iter().map(row).collect()
}

fn small() -> Book {
    let bids = vec![text("109.9", "1"), text("105", "2"), text("100", "0.5"), text("99.9", "4")];
    let asks = vec![text("110.1", "3"), text("120", "1"), text("120.1", "2"), text("130", "1")];
    book(bids, asks, 10)
}

#[test]
fn a_summary_of_levels() {
    let summary = Summary::of(&small(), None, 2);
    assert_eq!((summary.best_bid, summary.best_ask), (Some(text("109.9", "1")), Some(text("110.1", "3"))));
    assert_eq!(summary.spread.map(|price| price.to_string()).as_deref(), Some("0.2"));
    assert_eq!(summary.mid.map(|price| price.to_string()).as_deref(), Some("110"));
    // 0.2 / 110 x 100, 3 - 4 over 3 + 4, and 3 / 4.
    let rates =
        [summary.spread_percent, summary.imbalance, summary.depth_ratio].map(|rate| rate.expect("told").to_string());
    assert_eq!(rates, ["0.18181818", "-0.14285714", "0.75"]);
    assert_eq!(shown(&summary.bids), [["109.9", "1", "1", "109.9"], ["105", "2", "3", "319.9"]]);
    assert_eq!(shown(&summary.asks), [["110.1", "3", "3", "330.3"], ["120", "1", "4", "450.3"]]);
}

#[test]
fn bids_are_grouped_downwards_and_asks_upwards() {
    let summaries = Summary::at_each(&small(), &[tick("10"), tick("50")], 2);
    assert_eq!(shown(&summaries[0].bids), [["100", "3.5", "3.5", "369.9"], ["90", "4", "7.5", "769.5"]]);
    assert_eq!(shown(&summaries[0].asks), [["120", "4", "4", "450.3"], ["130", "3", "7", "820.5"]]);
    assert_eq!(shown(&summaries[1].bids), [["100", "3.5", "3.5", "369.9"], ["50", "4", "7.5", "769.5"]]);
    assert_eq!(shown(&summaries[1].asks), [["150", "7", "7", "820.5"]]);
    assert_eq!(summaries[1].best_bid, Some(text("109.9", "1")), "that of no group");
}

#[test]
fn a_group_that_the_reach_cuts_through_is_left_out() {
    let bids = vec![text("109.9", "1"), text("105", "2"), text("99", "1")];
    let asks = vec![text("111", "1"), text("112", "1"), text("120", "1")];
    let summary = Summary::of(&book(bids, asks, 3), Some(tick("10")), 5);
    assert_eq!(shown(&summary.bids), [["100", "3", "3", "319.9"]]);
    assert_eq!(shown(&summary.asks), [["120", "3", "3", "343"]], "120 is the group's last price");
}

#[test]
fn fewer_levels_than_asked_for_are_whole_only_where_the_book_ends() {
    let whole = |book: &Book, levels| Summary::of(book, None, levels).is_whole(book, levels);
    // Four a side, of ten that were asked of the venue: there are no others.
    assert!([1, 4, 5].iter().all(|count| whole(&small(), *count)));
    let (bids, asks) = (vec![text("105", "2"), text("100", "1")], vec![text("111", "1"), text("112", "1")]);
    let cut = book(bids.clone(), asks.clone(), 2);
    assert!(whole(&cut, 2) && !whole(&cut, 3));
    let one_side = book(bids, asks.into_iter().take(1).collect(), 2);
    assert!(!whole(&one_side, 3), "of the other side more is not known");
}

#[test]
fn what_cannot_be_told_is_nothing() {
    let empty = Summary::of(&book(vec![], vec![], 10), None, 5);
    assert_eq!(empty, Summary::default());
    let bid_only = Summary::of(&book(levels(&[(1, 1)]), vec![], 10), None, 5);
    assert_eq!((bid_only.mid, bid_only.spread, bid_only.depth_ratio), (None, None, None));
    assert_eq!(bid_only.imbalance, Some(Rate::from_units(Rate::UNITS_PER_ONE)));
    // Units of 1e-8 do not halve: half to even.
    let mid = |bid, ask| Summary::of(&book(levels(&[(bid, 1)]), levels(&[(ask, 1)]), 10), None, 1).mid;
    assert_eq!((mid(1, 2), mid(2, 3)), (Some(Price::from_units(2)), Some(Price::from_units(2))));
}

#[test]
fn no_prices_or_quantities_overflow() {
    let (low, high) = (i64::MIN, i64::MAX);
    let bids = levels(&[(high - 5, high), (high - 6, high), (high - 7, high), (0, high), (low, high)]);
    let asks = levels(&[(high - 4, high), (high - 3, high), (high, high)]);
    for size in [1, 7, high] {
        let summary = Summary::of(&book(bids.clone(), asks.clone(), 10), TickSize::new(Price::from_units(size)), 5);
        assert!(!summary.bids.is_empty() && !summary.asks.is_empty());
    }
    assert_eq!(TickSize::new(Price::default()), None);
}

/// The sum as the documentation defines it, bit by bit.
fn checksum(sides: [&[Level]; 2]) -> u32 {
    let mut bytes = Vec::new();
    for side in sides.map(|side| &side[..side.len().min(10)]) {
        bytes.push(u8::try_from(side.len()).expect("at most 10"));
        side.iter().for_each(|level| {
            bytes.extend([level.price.units(), level.quantity.units()].map(i64::to_le_bytes).concat())
        });
    }
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

#[test]
fn a_checksum_can_be_made_elsewhere() {
    // By another program: zlib.crc32(struct.pack("<BqqB", 1, 10000000000, 150000000, 0)).
    assert_eq!(book(vec![text("100", "1.5")], vec![], 10).checksum(), 0x9D04_CC12);
}

fn decimal(units: i128) -> Decimal {
    Decimal::from_i128_with_scale(units, 8)
}

/// Groups by division of decimals: price to quantity and quote.
fn naive(side: Side, levels: &[Level], size: Decimal) -> Vec<(Decimal, Decimal, Decimal)> {
    let mut groups: BTreeMap<Decimal, (Decimal, Decimal)> = BTreeMap::new();
    for level in levels {
        let (price, quantity) = (decimal(level.price.units().into()), decimal(level.quantity.units().into()));
        let steps = price / size;
        let steps = if side == Side::Bid { steps.floor() } else { steps.ceil() };
        let group = groups.entry(steps * size).or_default();
        (group.0, group.1) = (group.0 + quantity, group.1 + price * quantity);
    }
    let rows = groups.into_iter().map(|(price, (quantity, quote))| (price, quantity, quote));
    if side == Side::Bid { rows.rev().collect() } else { rows.collect() }
}

proptest! {
    #[test]
    fn groups_are_those_of_decimal_division(
        prices in proptest::collection::btree_map(1_i64..100_000, 1_i64..1_000_000, 2..60),
        split in 0_usize..60,
        size in 1_i64..5_000,
        count in 1_usize..20,
    ) {
        let all: Vec<Level> = prices.iter().map(|(price, quantity)| level(*price * 1_000_000, *quantity)).collect();
        let (bids, asks) = all.split_at(split.min(all.len()));
        let bids: Vec<_> = bids.iter().rev().copied().collect();
        let book = book(bids.clone(), asks.to_vec(), 1_000);
        prop_assert_eq!(book.checksum(), checksum([&bids, asks]));
        let size = Price::from_units(size * 1_000_000);
        let summary = Summary::of(&book, TickSize::new(size), count);
        for (side, levels, depths) in [(Side::Bid, &bids[..], &summary.bids), (Side::Ask, asks, &summary.asks)] {
            let groups = naive(side, levels, decimal(size.units().into()));
            prop_assert_eq!(depths.len(), groups.len().min(count));
            let (mut cumulative, mut quote) = (Decimal::ZERO, Decimal::ZERO);
            for (depth, group) in depths.iter().zip(groups) {
                (cumulative, quote) = (cumulative + group.1, quote + group.2);
                prop_assert_eq!(decimal(depth.price.units().into()), group.0);
                prop_assert_eq!(decimal(depth.quantity.units()), group.1);
                prop_assert_eq!(decimal(depth.cumulative.units()), cumulative);
                prop_assert_eq!(Decimal::from_i128_with_scale(depth.cumulative_quote.units(), 16), quote);
            }
        }
        let total = |depths: &[Depth]| depths.last().map_or(0, |depth| depth.cumulative.units());
        let (bid, asked) = (decimal(total(&summary.bids)), decimal(total(&summary.asks)));
        let rate = |rate: Option<Rate>| rate.map(|rate| decimal(rate.units().into()));
        prop_assert_eq!(rate(summary.imbalance), Some(((bid - asked) / (bid + asked)).round_dp(8)));
        prop_assert_eq!(rate(summary.depth_ratio), bid.checked_div(asked).map(|ratio| ratio.round_dp(8)));
    }
}
