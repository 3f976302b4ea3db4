//! What do lost ids do to candles, and does a repair leave what would have been without the loss?

use super::{
    follow::{GRACE_MS, OPTIONS, Path},
    market::{PRINTS_MAX, any_tape, any_timeframe, arrivals, naive, trades, travels},
};
use proptest::{collection::vec, prelude::*};
use tapedeck::{
    market::Print,
    model::{Candle, Timeframe, Trade, UnixMillis},
};

/// Which prints are lost: some alone, some in runs.
fn losses() -> impl Strategy<Value = Vec<bool>> {
    let run = (any::<bool>(), prop_oneof![3 => 1..3usize, 1 => 1..20usize]);
    vec(run, PRINTS_MAX).prop_map(|runs| {
        let flat = runs.into_iter().flat_map(|(lost, length)| vec![lost; length]);
        flat.take(PRINTS_MAX).collect()
    })
}

/// A tape in two: what arrives and what is lost, never the first or the last print.
fn split(prints: &[Print], losses: &[bool]) -> (Vec<Print>, Vec<Print>) {
    let is_lost = |at: usize| losses[at] && at > 0 && at + 1 < prints.len();
    let (lost, kept): (Vec<_>, Vec<_>) = prints.iter().enumerate().partition(|(at, _)| is_lost(*at));
    let prints = |part: Vec<(usize, &Print)>| part.into_iter().map(|(_, print)| *print).collect();
    (prints(kept), prints(lost))
}

/// Times of the last trade kept before a lost print, and of the first after.
fn around(kept: &[Trade], lost: &[Print]) -> Vec<(UnixMillis, UnixMillis)> {
    let around = |print: &Print| {
        let after = kept.partition_point(|trade| trade.id < print.id());
        (kept[after - 1].time, kept[after].time)
    };
    lost.iter().map(around).collect()
}

/// Whether a loss between these times may have hit the candle's bucket.
fn is_touched(candle: &Candle, around: &[(UnixMillis, UnixMillis)]) -> bool {
    around.iter().any(|(before, after)| candle.open_time <= *after && *before < candle.close_time)
}

/// The candles of what was kept, incomplete exactly where something may be missing.
fn with_holes(timeframe: Timeframe, kept: &[Trade], lost: &[Print], first_id: u64) -> Vec<Candle> {
    let around = around(kept, lost);
    let mut candles = naive(timeframe, kept);
    candles.iter_mut().for_each(|candle| candle.complete = !is_touched(candle, &around));
    candles[0].complete &= first_id == 1;
    candles
}

fn whole(timeframe: Timeframe, prints: &[Print]) -> Vec<Candle> {
    with_holes(timeframe, &trades(prints), &[], prints[0].id())
}

fn unrevised(candles: &[Candle]) -> Vec<Candle> {
    candles.iter().map(|candle| Candle { revision: 0, ..*candle }).collect()
}

/// Runs of consecutive ids.
fn runs(prints: &[Print]) -> Vec<(u64, u64)> {
    let runs = prints.chunk_by(|left, right| left.id() + 1 == right.id());
    runs.map(|run| (run[0].id(), run[run.len() - 1].id())).collect()
}

/// A tape with losses, in order of arrival.
#[derive(Clone, Debug)]
struct Lossy {
    prints: Vec<Print>,
    kept: Vec<Print>,
    lost: Vec<Print>,
    arrivals: Vec<(i64, Print)>,
}

fn lossy() -> impl Strategy<Value = Lossy> {
    (any_tape(), losses(), travels()).prop_map(|(prints, losses, travels)| {
        let (kept, lost) = split(&prints, &losses);
        let arrivals = arrivals(&kept, &travels);
        Lossy { prints, kept, lost, arrivals }
    })
}

/// [`Lossy`], and its lost prints in the order and the portions in which they are found.
fn lossy_and_found() -> impl Strategy<Value = (Lossy, Vec<Print>, Vec<usize>)> {
    lossy().prop_flat_map(|lossy| {
        let found = Just(lossy.lost.clone()).prop_shuffle();
        (Just(lossy), found, vec(1..20usize, PRINTS_MAX))
    })
}

/// Delivers what is found, a portion at a time.
fn find(path: &mut Path, found: &[Print], portions: &[usize]) {
    let mut rest = found;
    for portion in portions {
        let (now, later) = rest.split_at((*portion).min(rest.len()));
        path.deliver(&now.iter().map(|print| (0, *print)).collect::<Vec<_>>());
        path.repair();
        rest = later;
    }
}

proptest! {
    #[test]
    fn exactly_the_buckets_that_a_loss_may_have_hit_are_incomplete(lossy in lossy(), timeframe in any_timeframe()) {
        let mut path = Path::new(&[timeframe], OPTIONS);
        path.deliver(&lossy.arrivals);
        path.wait();
        let holes: Vec<_> = path.sequencer.holes().iter().map(|run| (run.first, run.last)).collect();
        prop_assert_eq!(holes, runs(&lossy.lost));
        path.finish();
        let expected = with_holes(timeframe, &trades(&lossy.kept), &lossy.lost, lossy.prints[0].id());
        prop_assert_eq!(path.followers[0].candles(), expected);
        prop_assert_eq!(path.followers[0].corrections, 0);
    }

    #[test]
    fn a_repair_in_any_order_leaves_no_trace_but_the_revisions(
        (lossy, found, portions) in lossy_and_found(),
        timeframe in any_timeframe(),
    ) {
        let mut path = Path::new(&[timeframe], OPTIONS);
        path.deliver(&lossy.arrivals);
        path.wait();
        let before = path.followers[0].candles();
        find(&mut path, &found, &portions);
        prop_assert_eq!(path.sequencer.holes().count(), 0);
        let mut expected = whole(timeframe, &lossy.prints);
        let newest = expected.pop().expect("a candle");
        prop_assert_eq!(unrevised(&path.followers[0].candles()), expected);
        let open = Candle { closed: false, complete: false, ..newest };
        prop_assert_eq!(path.followers[0].fold.open(), Some(open));
        for candle in before {
            let after = path.followers[0].said[&candle.open_time];
            prop_assert_eq!(candle == after, candle.revision == after.revision);
        }
        path.finish();
        prop_assert_eq!(unrevised(&path.followers[0].candles()), whole(timeframe, &lossy.prints));
    }

    /// Found while the tape still grows, with the clock closing buckets whose trades are under way or lost.
    #[test]
    fn repairs_may_come_between_live_trades_and_closings(
        (lossy, found, portions) in lossy_and_found(),
        ticks in vec(proptest::option::of(0..400_000i64), 2 * PRINTS_MAX),
        timeframe in any_timeframe(),
    ) {
        let mut path = Path::new(&[timeframe], OPTIONS);
        let (mut found, mut waiting) = (found.into_iter().peekable(), Vec::new());
        let mut portions = portions.into_iter().cycle();
        for (arrival, tick) in lossy.arrivals.iter().zip(ticks) {
            path.deliver(&[*arrival]);
            waiting.extend(found.by_ref().take(portions.next().unwrap_or(1)));
            let is_hole = |print: &Print| path.sequencer.holes().contains(print.id());
            let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_hole);
            find(&mut path, &now, &[now.len()]);
            waiting = later;
            if let (Some(after), Some(newest)) = (tick, path.released.last()) {
                path.followers[0].clock(newest.time.get() + after, i64::MIN);
            }
        }
        path.wait();
        waiting.extend(found);
        find(&mut path, &waiting, &[waiting.len()]);
        path.finish();
        prop_assert_eq!(unrevised(&path.followers[0].candles()), whole(timeframe, &lossy.prints));
    }

    #[test]
    fn half_a_repair_leaves_the_hole_incomplete(lossy in lossy(), left in any::<prop::sample::Index>()) {
        prop_assume!(!lossy.lost.is_empty());
        let mut path = Path::new(&[Timeframe::MINUTE], OPTIONS);
        path.deliver(&lossy.arrivals);
        path.wait();
        let left = *left.get(&lossy.lost);
        let found: Vec<_> = lossy.lost.iter().filter(|print| **print != left).copied().collect();
        find(&mut path, &found, &[found.len()]);
        path.finish();
        // Every trade that was found is one more that is held around what is left.
        let mut held = [lossy.kept.clone(), found].concat();
        held.sort_by_key(Print::id);
        let around = around(&trades(&held), &[left]);
        for candle in path.followers[0].candles().iter().skip(1) {
            prop_assert_eq!(candle.complete, !is_touched(candle, &around));
        }
    }
}

fn trade(id: u64, time: i64) -> Print {
    let (price, quantity) = (tapedeck::model::Price::from_units(5), tapedeck::model::Quantity::from_units(7));
    let time = UnixMillis::new(time);
    Print::Trade(Trade { id, price, quantity, first_id: id, last_id: id, time, buyer_is_maker: false })
}

#[test]
fn a_hole_after_a_proven_close_takes_the_completeness_back() {
    let mut path = Path::new(&[Timeframe::MINUTE], OPTIONS);
    path.deliver(&[(0, trade(1, 1_000))]);
    path.wait();
    path.followers[0].clock(60_000 + GRACE_MS, 60_000);
    assert!(path.followers[0].candles()[0].complete);
    path.deliver(&[(1_000, trade(3, 70_000))]);
    path.wait();
    let candle = path.followers[0].candles()[0];
    assert_eq!((candle.complete, candle.revision, candle.trades), (false, 1, 1));
    find(&mut path, &[trade(2, 59_000)], &[1]);
    let candle = path.followers[0].candles()[0];
    assert_eq!((candle.complete, candle.revision, candle.trades), (true, 2, 2));
}

#[test]
fn a_minute_whose_every_trade_was_lost_appears_with_the_repair() {
    let mut path = Path::new(&[Timeframe::MINUTE], OPTIONS);
    path.deliver(&[(0, trade(1, 1_000)), (1, trade(3, 130_000))]);
    path.wait();
    let end = UnixMillis::new(120_000);
    assert_eq!(path.followers[0].fold.is_complete_at(end), Some(false), "it is touched, though it has no trade");
    find(&mut path, &[trade(2, 70_000)], &[1]);
    assert_eq!(path.followers[0].fold.is_complete_at(end), Some(true));
    assert_eq!(path.followers[0].candles().iter().map(|candle| candle.trades).collect::<Vec<_>>(), [1, 1]);
}
