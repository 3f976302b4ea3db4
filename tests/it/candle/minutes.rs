//! Is a longer timeframe that starts from the minutes what it would be had it followed from the start?

use super::{
    follow::{Follower, OPTIONS, Path},
    market::{PRINTS_MAX, any_tape, any_timeframe, any_trades, naive, trades},
};
use proptest::{collection::vec, prelude::*};
use tapedeck::{
    candle::{FoldOptions, Link, LiveFold},
    market::Print,
    model::{Candle, Timeframe, Trade},
};

/// One step of a fold's life.
#[derive(Clone, Copy, Debug)]
enum Act {
    Trade(Trade, Link),
    /// Time past the newest trade, and whether the stream is proven to flow up to it.
    Clock(i64, bool),
}

fn act(follower: &mut Follower, act: Act, newest: &mut i64) {
    match act {
        Act::Trade(trade, link) => {
            *newest = trade.time.get();
            follower.trade(&trade, link);
        }
        Act::Clock(after, flows) => {
            let now = *newest + after;
            follower.clock(now, if flows { now } else { i64::MIN });
        }
    }
}

/// A tape with ids missing here and there, and ticks of the clock that never run ahead of the next trade.
fn acts() -> impl Strategy<Value = Vec<Act>> {
    let fate = prop_oneof![8 => Just(true), 2 => Just(false)];
    let tick = (0..400_000i64, any::<bool>());
    (any_tape(), vec((fate, vec(tick, 0..3)), PRINTS_MAX)).prop_map(|(prints, fates)| {
        let mut acts = Vec::new();
        let mut last_id = None;
        let trades = trades(&prints);
        for (at, (trade, (is_kept, ticks))) in trades.iter().zip(fates).enumerate() {
            if is_kept || last_id.is_none() {
                let joins = last_id.map_or(trade.id == 1, |last_id| is_joined(&prints, last_id, trade.id, &trades));
                acts.push(Act::Trade(*trade, if joins { Link::Joins } else { Link::Missing }));
                last_id = Some(trade.id);
                let room = trades.get(at + 1).map_or(i64::MAX, |next| next.time.since(trade.time));
                let ticks = ticks.into_iter().filter(|(after, _)| *after < room);
                acts.extend(ticks.map(|(after, flows)| Act::Clock(after, flows)));
            }
        }
        acts
    })
}

/// Whether no trade of the tape lies between two ids.
fn is_joined(prints: &[Print], before: u64, after: u64, trades: &[Trade]) -> bool {
    prints.len() >= trades.len() && !trades.iter().any(|trade| before < trade.id && trade.id < after)
}

fn unrevised(candles: impl IntoIterator<Item = Candle>) -> Vec<Candle> {
    candles.into_iter().map(|candle| Candle { revision: 0, ..candle }).collect()
}

proptest! {
    #[test]
    fn starting_from_the_minutes_is_having_followed_all_along(
        acts in acts(),
        cut in any::<prop::sample::Index>(),
        timeframe in any_timeframe(),
    ) {
        let cut = cut.index(acts.len()) + 1;
        let mut minutes = Follower::new(LiveFold::new(Timeframe::MINUTE, OPTIONS));
        let mut direct = Follower::new(LiveFold::new(timeframe, OPTIONS));
        let (mut newest, mut clock) = (0, None);
        for now in &acts[..cut] {
            act(&mut minutes, *now, &mut newest);
            act(&mut direct, *now, &mut newest);
            clock = match *now {
                Act::Trade(..) => None,
                Act::Clock(after, flows) => {
                    let (latest, proven) = clock.unwrap_or((i64::MIN, i64::MIN));
                    Some((after.max(latest), if flows { after.max(proven) } else { proven }))
                }
            };
        }
        let mut late = Follower::new(LiveFold::from_minutes(timeframe, &minutes.fold));
        // The minutes do not remember the clock, so a bucket that ended in silence is closed by its next tick.
        if let Some((after, proven)) = clock {
            late.clock(newest + after, newest.saturating_add(proven));
        }
        prop_assert_eq!(late.fold.timeframe(), timeframe);
        for now in acts[cut..].iter().map(Some).chain([None]) {
            prop_assert_eq!(unrevised(late.fold.closed()), unrevised(direct.fold.closed()));
            prop_assert_eq!(late.fold.open(), direct.fold.open());
            prop_assert_eq!(late.fold.last_id(), direct.fold.last_id());
            if let Some(now) = now {
                let mut same = newest;
                act(&mut late, *now, &mut same);
                act(&mut direct, *now, &mut newest);
                prop_assert_eq!(late.events.len(), direct.events.len());
            }
        }
    }

    #[test]
    fn a_repair_after_the_start_reaches_the_longer_timeframe(
        prints in any_tape(),
        lost in vec(prop::bool::weighted(0.3), PRINTS_MAX),
        timeframe in any_timeframe(),
    ) {
        let is_lost = |(at, _): &(usize, &Print)| lost[*at] && *at > 0 && *at + 1 < prints.len();
        let (lost, kept): (Vec<_>, Vec<_>) = prints.iter().enumerate().partition(is_lost);
        let at_once = |prints: Vec<(usize, &Print)>| prints.into_iter().map(|(_, print)| (0, *print)).collect::<Vec<_>>();
        let mut path = Path::new(&[Timeframe::MINUTE], OPTIONS);
        path.deliver(&at_once(kept));
        path.wait();
        let late = Follower::new(LiveFold::from_minutes(timeframe, &path.followers[0].fold));
        path.followers.push(late);
        path.deliver(&at_once(lost));
        path.repair();
        path.finish();
        for (follower, timeframe) in path.followers.iter().zip([Timeframe::MINUTE, timeframe]) {
            let mut expected = naive(timeframe, &trades(&prints));
            expected[0].complete = prints[0].id() == 1;
            prop_assert_eq!(unrevised(follower.candles()), expected);
        }
    }

    #[test]
    fn what_is_no_longer_kept_makes_the_first_longer_candle_incomplete(
        trades in any_trades(),
        closed_max in 1..12usize,
        timeframe in any_timeframe(),
    ) {
        let options = FoldOptions { closed_max, ..OPTIONS };
        let mut minutes = Follower::new(LiveFold::new(Timeframe::MINUTE, options));
        trades.iter().for_each(|trade| minutes.trade(trade, Link::Joins));
        let expected = naive(Timeframe::MINUTE, &trades);
        let closed = &expected[..expected.len() - 1];
        let (gone, kept) = closed.split_at(closed.len().saturating_sub(closed_max));
        prop_assert!(minutes.fold.closed().eq(kept.iter().copied()));
        prop_assert_eq!(minutes.candles(), closed);

        let kept_from = gone.last().map_or(i64::MIN, |minute| minute.close_time.get());
        let kept_trades: Vec<_> = trades.iter().filter(|trade| trade.time.get() >= kept_from).copied().collect();
        let mut longer = naive(timeframe, &kept_trades);
        longer.iter_mut().for_each(|candle| candle.complete = candle.open_time.get() >= kept_from);
        let mut late = Follower::new(LiveFold::from_minutes(timeframe, &minutes.fold));
        late.clock(i64::MAX - 1, i64::MAX - 1);
        let surplus = longer.len().saturating_sub(closed_max);
        prop_assert!(late.fold.closed().eq(longer[surplus..].iter().copied()));
    }
}
