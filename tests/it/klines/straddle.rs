//! Is whatever aggregates carry over borders explained, and is a wrong figure found?

use super::{assert_counted, blank, compare};
use proptest::{prelude::*, test_runner::Config};
use tapedeck::{
    candle,
    exchange::binance::Kline,
    history::klines::Report,
    model::{Price, Quantity, QuoteVolume, Timeframe, Trade, UnixMillis, Volume},
    sim::{Aggregator, Execution, Fill},
};

/// 2026-03-09 00:00 UTC.
const START: i64 = 1_773_014_400_000;
const MINUTES: i64 = 12;

/// Raw trades around the borders of minutes: time in steps of 20 ms around a border, price, quantity, side.
fn fills() -> impl Strategy<Value = Vec<Fill>> {
    let draw = (0..=MINUTES, -9_i64..9, 1_i64..4, 1_i64..50, prop::bool::weighted(0.7));
    prop::collection::vec(draw, 1..120).prop_map(|mut draws| {
        draws.sort_by_key(|(minute, step, ..)| (*minute, *step));
        let fill = |(id, (minute, step, price, quantity, buyer_is_maker)): (u64, (i64, i64, i64, i64, bool))| Fill {
            id,
            time: UnixMillis::new((START + minute * UnixMillis::MINUTE + step * 20).max(START)),
            price: Price::from_units(price * 100_000_000),
            quantity: Quantity::from_units(quantity * 100_000),
            buyer_is_maker,
            execution: Execution::Market,
        };
        (1_u64..).zip(draws).map(fill).collect()
    })
}

/// As the venue makes them: of the trades of each minute, by their own times, from a minute before the first on.
fn official(fills: &[Fill]) -> Vec<Kline> {
    let mut last = fills[0].price;
    let minute = |minute: i64| {
        let open_time = UnixMillis::new(START + minute * UnixMillis::MINUTE);
        let close_time = open_time.plus(UnixMillis::MINUTE);
        let own: Vec<&Fill> = fills.iter().filter(|fill| open_time <= fill.time && fill.time < close_time).collect();
        let prices = || own.iter().map(|fill| fill.price);
        let close = prices().next_back().unwrap_or(last);
        let sum = |of: fn(&Fill) -> i128| own.iter().map(|fill| of(fill)).sum::<i128>();
        let kline = Kline {
            open_time,
            close_time,
            open: prices().next().unwrap_or(last),
            high: prices().max().unwrap_or(last),
            low: prices().min().unwrap_or(last),
            close,
            volume: Volume::from_units(sum(|fill| fill.quantity.units().into())),
            quote_volume: QuoteVolume::from_units(sum(|fill| fill.price.times(fill.quantity).units())),
            taker_buy_volume: Volume::from_units(sum(|fill| {
                i128::from(fill.quantity.units()) * i128::from(!fill.buyer_is_maker)
            })),
            taker_buy_quote_volume: QuoteVolume::from_units(sum(|fill| {
                fill.price.times(fill.quantity).units() * i128::from(!fill.buyer_is_maker)
            })),
            count: own.len() as u64,
            first_id: -1,
            last_id: -1,
            closed: false,
        };
        last = close;
        kline
    };
    (-1..=MINUTES).map(minute).collect()
}

fn aggregates(fills: &[Fill]) -> Vec<Trade> {
    let mut aggregator = Aggregator::starting_at(1);
    let mut trades: Vec<Trade> = fills.iter().filter_map(|fill| aggregator.push(fill)).map(|one| one.trade).collect();
    trades.extend(aggregator.finish().map(|one| one.trade));
    trades
}

fn report(official: &[Kline], trades: &[Trade]) -> Report {
    let report = compare(official, &candle::fold(Timeframe::MINUTE, trades), |_| false);
    assert_counted(&report);
    report
}

proptest! {
    #![proptest_config(Config::with_cases(2_000))]

    #[test]
    fn whatever_straddles_is_explained(fills in fills()) {
        let (official, trades) = (official(&fills), aggregates(&fills));
        let found = report(&official, &trades);
        prop_assert_eq!((found.unexplained, found.invented, found.at_edges), (0, 0, 0));
        // What differs is what an aggregate carries, counted apart from the code under test.
        let minute = |time: UnixMillis| time.floor(UnixMillis::MINUTE, 0);
        let carries = |trade: &Trade| {
            let last = fills.iter().find(|fill| fill.id == trade.last_id).expect("it is one of them");
            minute(trade.time) != minute(last.time)
        };
        let mut touched: Vec<UnixMillis> = trades.iter().filter(|trade| carries(trade)).flat_map(|trade| {
            [minute(trade.time), minute(trade.time).plus(UnixMillis::MINUTE)]
        }).collect();
        touched.dedup();
        prop_assert_eq!(found.straddled, touched.len() as u64);
        // The ids drawn have no gaps: where nothing is carried both sides count the same.
        let counts = found.counts;
        prop_assert_eq!((counts.ours, counts.above, counts.below), (counts.official, 0, 0));
    }

    /// Compared from a minute on into which something may be carried, and up to one out of which it may be.
    #[test]
    fn edges_are_explained_too(fills in fills(), first in 1_usize..6, last in 8_usize..13) {
        let (official, trades) = (official(&fills), aggregates(&fills));
        let found = report(&official[first..last], &trades);
        prop_assert_eq!((found.unexplained, found.invented), (0, 0));
    }

    /// A lost aggregate that is no known hole.
    #[test]
    fn a_lost_trade_is_found(fills in fills(), at in any::<prop::sample::Index>()) {
        let (official, mut trades) = (official(&fills), aggregates(&fills));
        let lost = trades.remove(at.index(trades.len()));
        let found = report(&official, &trades);
        prop_assert!(found.unexplained > 0, "{lost:?} {found:?}");
    }
}

#[test]
fn raw_trades_are_counted_and_more_of_ours_are_no_difference() {
    let (mut official, trades) = plain();
    let found = report(&official, &trades).counts;
    assert!(found.minutes > 5 && found.ours == found.official, "{found:?}");
    official[3].count -= 1;
    official[5].count += 2;
    let again = report(&official, &trades);
    assert_eq!(again.unexplained, 0);
    let counts = again.counts;
    assert_eq!((counts.minutes, counts.above, counts.below), (found.minutes, 1, 1));
    assert_eq!((counts.ours, counts.official), (found.ours, found.official + 1));
}

/// Three trades a minute, none near a border: nothing straddles.
fn plain() -> (Vec<Kline>, Vec<Trade>) {
    let fill = |(id, at): (u64, i64)| Fill {
        id,
        time: UnixMillis::new(START + at),
        price: Price::from_units((20_000 + id.cast_signed() % 7) * 1_000_000),
        quantity: Quantity::from_units(3_000_000 + at % 11 * 100_000),
        buyer_is_maker: id % 3 == 0,
        execution: Execution::Market,
    };
    let times = (0..=MINUTES).flat_map(|minute| [10_000, 20_017, 41_003].map(|at| minute * UnixMillis::MINUTE + at));
    let fills: Vec<Fill> = (1..).zip(times).map(fill).collect();
    (official(&fills), aggregates(&fills))
}

#[test]
fn a_wrong_figure_is_one_unexplained_minute_whatever_figure_it_is() {
    let (official, trades) = plain();
    assert_eq!(report(&official, &trades).equal, official.len() as u64);
    let bend: [fn(&mut Kline); 10] = [
        |kline| kline.open = Price::from_units(kline.open.units() + 1),
        |kline| kline.high = Price::from_units(kline.high.units() + 1),
        |kline| kline.low = Price::from_units(kline.low.units() - 1),
        |kline| kline.close = Price::from_units(kline.close.units() - 1),
        |kline| kline.volume = Volume::from_units(kline.volume.units() + 1),
        |kline| kline.volume = Volume::from_units(kline.volume.units() - 1),
        |kline| kline.quote_volume = QuoteVolume::from_units(kline.quote_volume.units() - 1),
        |kline| kline.taker_buy_volume = Volume::from_units(kline.taker_buy_volume.units() + 1),
        |kline| kline.taker_buy_quote_volume = QuoteVolume::from_units(kline.taker_buy_quote_volume.units() + 1),
        |kline| kline.volume = Volume::from_units(i128::MAX),
    ];
    for (which, bend) in bend.into_iter().enumerate() {
        let mut bent = official.clone();
        bend(&mut bent[6]);
        let found = report(&bent, &trades);
        assert_eq!((found.unexplained, found.equal), (1, official.len() as u64 - 1), "{which}");
        assert_eq!(found.differences[0].official, bent[6]);
        let hidden = compare(&bent, &candle::fold(Timeframe::MINUTE, &trades), |time| time == bent[6].open_time);
        assert_eq!((hidden.unexplained, hidden.in_holes), (0, 1), "{which}: a hole explains it");
    }
}

#[test]
fn a_volume_that_leaves_a_minute_and_does_not_arrive_is_unexplained() {
    let (mut official, trades) = plain();
    let carried = 100_000;
    let price = i128::from(official[5].close.units());
    let bought = i128::from(official[5].taker_buy_volume.units() > 0);
    official[5].volume = Volume::from_units(official[5].volume.units() - carried);
    official[5].quote_volume = QuoteVolume::from_units(official[5].quote_volume.units() - carried * price);
    let taker = official[5].taker_buy_volume.units() - bought * carried;
    official[5].taker_buy_volume = Volume::from_units(taker);
    let quote = official[5].taker_buy_quote_volume.units() - bought * carried * price;
    official[5].taker_buy_quote_volume = QuoteVolume::from_units(quote);
    let found = report(&official, &trades);
    assert_eq!((found.unexplained, found.straddled), (1, 0));
    assert_eq!(found.differences[0].official, official[5]);
}

#[test]
fn minutes_that_the_exchange_invented_are_listed_by_stretch() {
    let (mut official, trades) = plain();
    for at in [4, 5, 6, 10] {
        official[at] = blank(&official[at]);
    }
    let found = report(&official, &trades);
    assert_eq!((found.invented, found.unexplained, found.equal), (4, 0, official.len() as u64 - 4));
    let stretches: Vec<_> = found.inventions.iter().map(|one| (one.start, one.end, one.trades)).collect();
    let at = |minute: i64| UnixMillis::new(START + minute * UnixMillis::MINUTE);
    assert_eq!(stretches, [(at(3), at(6), 9), (at(9), at(10), 3)]);
    // Where nothing is held either, it is true.
    let quiet: Vec<Trade> = trades.into_iter().filter(|trade| !(at(9) <= trade.time && trade.time < at(10))).collect();
    let found = report(&official, &quiet);
    assert_eq!((found.invented, found.equal), (3, official.len() as u64 - 3));
}

#[test]
fn minutes_are_invented_however_little_the_price_moves() {
    let (_, mut trades) = plain();
    trades.iter_mut().for_each(|trade| trade.price = Price::from_units(20_000_000_000));
    let fills = trades.iter().map(|trade| Fill {
        id: trade.id,
        time: trade.time,
        price: trade.price,
        quantity: trade.quantity,
        buyer_is_maker: trade.buyer_is_maker,
        execution: Execution::Market,
    });
    let mut official = official(&fills.collect::<Vec<_>>());
    for at in [4, 5, 6] {
        official[at] = blank(&official[at]);
    }
    let found = report(&official, &trades);
    assert_eq!((found.invented, found.unexplained, found.inventions.len()), (3, 0, 1), "{found:?}");
}

#[test]
fn a_minute_that_comes_again_is_passed_over() {
    let (official, trades) = plain();
    let twice: Vec<Kline> = official.iter().chain(&official).copied().collect();
    assert_eq!(report(&twice, &trades), report(&official, &trades));
}
