//! Do the folds of finished stretches give the candles of the definition?

use super::market::{any_timeframe, any_trades, naive, timeframes};
use proptest::{collection::vec, prelude::*};
use tapedeck::{
    candle::{Bar, fold, fold_many, regroup},
    model::{Candle, Timeframe, Trade, UnixMillis},
};

/// One candle of everything.
fn whole(trades: &[Trade]) -> Candle {
    let figures = naive(Timeframe::MINUTE, &trades.iter().map(|trade| at(trade, 0)).collect::<Vec<_>>());
    Candle { closed: false, complete: false, ..figures[0] }
}

fn at(trade: &Trade, time: i64) -> Trade {
    Trade { time: UnixMillis::new(time), ..*trade }
}

const BUCKET: (UnixMillis, UnixMillis) = (UnixMillis::new(0), UnixMillis::new(60_000));

/// The minutes that a longer candle is made of.
fn parts_of(group: &Candle, minutes: &[Candle]) -> Vec<Candle> {
    let is_part = |minute: &&Candle| group.open_time <= minute.open_time && minute.open_time < group.close_time;
    minutes.iter().filter(is_part).copied().collect()
}

/// Whether no id lies between one minute's last and the next one's first.
fn join(minutes: &[Candle]) -> bool {
    minutes.windows(2).all(|pair| pair[0].last_id + 1 == pair[1].first_id)
}

proptest! {
    #[test]
    fn a_fold_is_the_definition(trades in any_trades()) {
        let timeframes = timeframes();
        let expected: Vec<_> = timeframes.iter().map(|timeframe| naive(*timeframe, &trades)).collect();
        prop_assert_eq!(&fold_many(&timeframes, &trades), &expected);
        for (timeframe, expected) in timeframes.iter().zip(expected) {
            prop_assert_eq!(fold(*timeframe, &trades), expected);
        }
    }

    #[test]
    fn times_that_run_backwards_still_fold_by_bucket(
        trades in any_trades(),
        back in vec(0..200_000i64, 120),
        timeframe in any_timeframe(),
    ) {
        let wandering: Vec<_> =
            trades.iter().zip(back).map(|(trade, back)| at(trade, trade.time.get() - back)).collect();
        prop_assert_eq!(fold(timeframe, &wandering), naive(timeframe, &wandering));
    }

    #[test]
    fn minutes_regroup_into_the_definition(trades in any_trades()) {
        let minutes = fold(Timeframe::MINUTE, &trades);
        for timeframe in timeframes() {
            let mut expected = naive(timeframe, &trades);
            let newest = expected.last_mut().expect("a candle");
            newest.closed = minutes.last().is_some_and(|minute| minute.close_time == newest.close_time);
            expected.iter_mut().for_each(|candle| candle.complete = join(&parts_of(candle, &minutes)));
            prop_assert_eq!(regroup(timeframe, &minutes), expected);
        }
    }

    #[test]
    fn a_group_is_complete_when_all_its_parts_are_and_join(
        trades in any_trades(),
        complete in vec(prop::bool::weighted(0.8), 120),
        timeframe in any_timeframe(),
    ) {
        let mut minutes = fold(Timeframe::MINUTE, &trades);
        minutes.iter_mut().zip(complete).for_each(|(minute, complete)| minute.complete = complete);
        for group in regroup(timeframe, &minutes) {
            let parts = parts_of(&group, &minutes);
            prop_assert_eq!(group.complete, parts.iter().all(|minute| minute.complete) && join(&parts));
        }
    }

    #[test]
    fn bars_merge_in_any_order_and_split(
        trades in any_trades(),
        parts in vec(0..5usize, 120),
        order in Just([0, 1, 2, 3, 4]).prop_shuffle(),
    ) {
        let part = |wanted: usize| -> Vec<Trade> {
            let mine = trades.iter().zip(&parts).filter(|(_, part)| **part == wanted);
            mine.map(|(trade, _)| *trade).collect()
        };
        let bars = order.into_iter().filter_map(|wanted| Bar::of_run(&part(wanted)));
        let merged = bars.reduce(|mut left, right| {
            left.merge(&right);
            left
        });
        let merged = merged.map(|bar| bar.candle(BUCKET));
        prop_assert_eq!(merged, Some(whole(&trades)));
        prop_assert_eq!(merged.map(|candle| Bar::of_candle(&candle).candle(BUCKET)), merged);
    }

    #[test]
    fn trades_add_to_a_bar_in_any_order(
        (trades, shuffled) in any_trades().prop_flat_map(|trades| (Just(trades.clone()), Just(trades).prop_shuffle())),
    ) {
        let mut bar = Bar::of(&shuffled[0]);
        shuffled[1..].iter().for_each(|trade| bar.add(trade));
        prop_assert_eq!(bar.candle(BUCKET), whole(&trades));
    }
}

#[test]
fn nothing_folds_into_nothing() {
    assert_eq!(Bar::of_run(&[]), None);
    assert!(fold(Timeframe::WEEK, &[]).is_empty() && regroup(Timeframe::WEEK, &[]).is_empty());
    assert_eq!(fold_many(&[Timeframe::MINUTE, Timeframe::MONTH], &[]), vec![vec![], vec![]]);
    assert!(fold_many(&[], &[]).is_empty());
}

#[test]
fn delta_is_bought_less_sold() {
    let candle = |bought: i128, all: i128| {
        let mut candle = whole(&[trade()]);
        candle.volume = tapedeck::model::Volume::from_units(all);
        candle.taker_buy_volume = tapedeck::model::Volume::from_units(bought);
        candle.delta().units()
    };
    assert_eq!([candle(7, 10), candle(3, 10), candle(5, 10)], [4, -4, 0]);
}

fn trade() -> Trade {
    let (price, quantity) = (tapedeck::model::Price::from_units(1), tapedeck::model::Quantity::from_units(1));
    Trade { id: 1, price, quantity, first_id: 1, last_id: 1, time: UnixMillis::new(0), buyer_is_maker: false }
}
