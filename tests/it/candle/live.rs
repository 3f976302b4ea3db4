//! Does the live path close the candles of the definition, once each, and say truly which are complete?

use super::{
    follow::{Follower, GRACE_MS, OPTIONS, Path},
    market::{any_tape, any_timeframe, any_trades, arrivals, naive, trades, travels},
};
use proptest::{collection::vec, prelude::*};
use tapedeck::{
    candle::{FoldEvent, Link, LiveFold},
    model::{Candle, Timeframe, Trade, UnixMillis},
};

/// What the definition says when nothing is lost: all complete, but the first unless the tape begins at its very first id.
fn expected(timeframe: Timeframe, trades: &[Trade], first_id: u64) -> Vec<Candle> {
    let mut candles = naive(timeframe, trades);
    candles[0].complete = first_id == 1;
    candles
}

/// The venue's clock after a trade: how far past it, and how far the stream is proven between it and the next trade.
#[derive(Clone, Copy, Debug)]
struct Tick {
    after: i64,
    proof: Option<i64>,
}

fn tick() -> impl Strategy<Value = Tick> {
    let after = prop_oneof![0..1_000i64, 0..100_000i64, 0..400_000i64];
    let proof = proptest::option::of(prop_oneof![Just(i64::MAX), 0..100_000i64]);
    (after, proof).prop_map(|(after, proof)| Tick { after, proof })
}

/// A time up to which a stream that has delivered `trade`, and not yet `next`, can be proven to flow.
fn proven_to(tick: Tick, trade: &Trade, next: Option<&Trade>) -> i64 {
    let end = next.map_or(i64::MAX, |next| next.time.get());
    let proof = |proof: i64| trade.time.get().saturating_add(proof).min(end);
    tick.proof.map_or(i64::MIN, proof)
}

proptest! {
    #[test]
    fn closed_candles_are_the_definition_in_any_order_of_arrival(
        prints in any_tape(),
        travels in travels(),
        timeframe in any_timeframe(),
    ) {
        let arrivals = arrivals(&prints, &travels);
        let mut path = Path::new(&[timeframe], OPTIONS);
        path.deliver(&arrivals);
        path.wait();
        let trades = trades(&prints);
        prop_assert_eq!(&path.released, &trades);
        prop_assert_eq!(path.duplicates, (arrivals.len() - prints.len()) as u64);
        let expected = expected(timeframe, &trades, prints[0].id());
        prop_assert_eq!(path.followers[0].candles(), &expected[..expected.len() - 1]);
        path.finish();
        prop_assert_eq!(path.followers[0].candles(), expected);
        prop_assert_eq!(path.followers[0].corrections, 0);
        prop_assert!(path.followers[0].fold.open().is_none());
    }

    #[test]
    fn the_open_candle_is_the_definition_so_far(trades in any_trades(), timeframe in any_timeframe()) {
        let mut follower = Follower::new(LiveFold::new(timeframe, OPTIONS));
        for (at, trade) in trades.iter().enumerate() {
            follower.trade(trade, Link::Joins);
            let so_far = naive(timeframe, &trades[..=at]);
            let open = so_far.last().map(|candle| Candle { closed: false, complete: false, ..*candle });
            prop_assert_eq!(follower.fold.open(), open);
            prop_assert_eq!(follower.fold.last_id(), Some(trade.id));
        }
    }

    #[test]
    fn ids_that_come_again_change_nothing(trades in any_trades(), again in vec(0..120usize, 1..20)) {
        let mut follower = Follower::new(LiveFold::new(Timeframe::MINUTE, OPTIONS));
        trades.iter().for_each(|trade| follower.trade(trade, Link::Joins));
        let (open, candles) = (follower.fold.open(), follower.candles());
        for at in again {
            follower.trade(&trades[at % trades.len()], Link::Joins);
            prop_assert!(follower.events.is_empty());
        }
        prop_assert_eq!((follower.fold.open(), follower.candles()), (open, candles));
    }

    /// Ticks are honest about the flow, but the clock may run ahead of trades that are still under way.
    #[test]
    fn the_venues_clock_closes_and_proof_decides_completeness(
        trades in any_trades(),
        ticks in vec(vec(tick(), 0..4), 120),
        timeframe in any_timeframe(),
    ) {
        let mut follower = Follower::new(LiveFold::new(timeframe, OPTIONS));
        for (at, (trade, ticks)) in trades.iter().zip(ticks).enumerate() {
            follower.trade(trade, Link::Joins);
            let (_, end) = timeframe.bucket(trade.time);
            let mut proven_end = i64::MIN;
            for tick in ticks {
                let venue_now = trade.time.get() + tick.after;
                let flowing_to = proven_to(tick, trade, trades.get(at + 1));
                let is_due = follower.fold.open().is_some() && venue_now >= end.get() + GRACE_MS;
                follower.clock(venue_now, flowing_to);
                let closed = follower.events.iter().filter(|event| matches!(event, FoldEvent::Closed(_))).count();
                prop_assert_eq!(closed, usize::from(is_due));
                if follower.fold.open().is_none() {
                    proven_end = proven_end.max(flowing_to);
                    let newest = follower.candles().last().copied().expect("closed");
                    prop_assert_eq!(newest.close_time, end);
                    prop_assert_eq!(newest.complete, proven_end >= end.get());
                }
            }
            let closed = follower.candles();
            let older = closed.iter().filter(|candle| candle.close_time <= trade.time);
            prop_assert!(older.into_iter().all(|candle| candle.complete), "the next id joined");
        }
        let newest = trades.last().expect("some").time.get();
        follower.clock(newest + 100_000_000_000, i64::MAX - 1);
        let candles: Vec<_> = follower.candles().iter().map(|candle| Candle { revision: 0, ..*candle }).collect();
        prop_assert_eq!(candles, naive(timeframe, &trades));
    }
}

fn trade(id: u64, time: i64) -> Trade {
    let (price, quantity) = (tapedeck::model::Price::from_units(5), tapedeck::model::Quantity::from_units(7));
    Trade { id, price, quantity, first_id: id, last_id: id, time: UnixMillis::new(time), buyer_is_maker: false }
}

#[test]
fn a_late_trade_of_the_same_bucket_proves_nothing_about_its_end() {
    let mut follower = Follower::new(LiveFold::new(Timeframe::MINUTE, OPTIONS));
    follower.trade(&trade(1, 1_000), Link::Joins);
    follower.clock(60_300, 1_000);
    assert!(!follower.candles()[0].complete, "nobody knows whether more is under way");
    follower.trade(&trade(2, 59_000), Link::Joins);
    let candle = follower.candles()[0];
    assert_eq!((candle.trades, candle.complete, candle.revision), (2, false, 1));
    follower.trade(&trade(3, 60_000), Link::Joins);
    let candle = follower.candles()[0];
    assert_eq!((candle.trades, candle.complete, candle.revision), (2, true, 2));
}

#[test]
fn a_bucket_closes_at_its_end_and_grace_and_not_before() {
    let mut follower = Follower::new(LiveFold::new(Timeframe::MINUTE, OPTIONS));
    follower.trade(&trade(1, 59_999), Link::Joins);
    follower.clock(60_000 + GRACE_MS - 1, 60_000);
    assert!(follower.candles().is_empty());
    follower.clock(60_000 + GRACE_MS, 60_000);
    assert!(follower.candles()[0].complete && follower.fold.open().is_none());
    assert_eq!(follower.fold.is_complete_at(UnixMillis::new(120_000)), None, "an empty bucket");
}

#[test]
fn a_trade_at_the_end_belongs_to_the_next_bucket() {
    let mut follower = Follower::new(LiveFold::new(Timeframe::MINUTE, OPTIONS));
    follower.trade(&trade(1, 59_999), Link::Joins);
    follower.trade(&trade(2, 60_000), Link::Joins);
    assert_eq!(follower.candles().len(), 1);
    assert_eq!(follower.candles()[0].trades, 1);
    assert_eq!(follower.fold.open().map(|open| open.open_time), Some(UnixMillis::new(60_000)));
}
