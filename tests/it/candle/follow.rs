//! What does somebody who follows a live fold believe, and is it told in a lawful order?

use super::market::REORDER_MS;
use std::collections::BTreeMap;
use tapedeck::{
    candle::{FoldEvent, FoldOptions, Link, LiveFold},
    market::{Ordered, Print, Sequencer},
    model::{Candle, IdRange, Timeframe, Trade, UnixMillis},
};

pub(crate) const GRACE_MS: i64 = 300;
pub(crate) const OPTIONS: FoldOptions = FoldOptions { grace_ms: GRACE_MS, closed_max: 10_000 };

/// A follower of one fold, which refuses to be told twice, late, or backwards.
pub(crate) struct Follower {
    pub(crate) fold: LiveFold,
    /// The latest that was said of each closed candle, by open time.
    pub(crate) said: BTreeMap<UnixMillis, Candle>,
    pub(crate) corrections: usize,
    /// What the last step said.
    pub(crate) events: Vec<FoldEvent>,
}

impl Follower {
    pub(crate) fn new(fold: LiveFold) -> Self {
        let said = fold.closed().map(|candle| (candle.open_time, candle)).collect();
        Self { fold, said, corrections: 0, events: Vec::new() }
    }

    pub(crate) fn trade(&mut self, trade: &Trade, link: Link) {
        self.step(|fold, events| fold.trade(trade, link, events));
    }

    pub(crate) fn clock(&mut self, venue_now: i64, flowing_to: i64) {
        let (venue_now, flowing_to) = (UnixMillis::new(venue_now), UnixMillis::new(flowing_to));
        self.step(|fold, events| fold.clock(venue_now, flowing_to, events));
    }

    pub(crate) fn repair(&mut self, trades: &[Trade], is_missing: impl Fn(IdRange) -> bool) {
        self.step(|fold, events| {
            fold.repair(trades, events);
            fold.settle(is_missing, events);
        });
    }

    /// The candles as last said, ascending.
    pub(crate) fn candles(&self) -> Vec<Candle> {
        self.said.values().copied().collect()
    }

    fn step(&mut self, step: impl FnOnce(&mut LiveFold, &mut Vec<FoldEvent>)) {
        let open_before = self.fold.open().map(|candle| candle.open_time);
        self.events.clear();
        step(&mut self.fold, &mut self.events);
        for event in self.events.clone() {
            self.take(event);
        }
        let open = self.fold.open();
        if let Some(before) = open_before
            && open.is_none_or(|open| open.open_time != before)
        {
            assert!(self.said.contains_key(&before), "{before} was left without being closed");
        }
        if let Some(open) = open {
            assert!(!open.closed && !open.complete && open.revision == 0, "{open:?}");
            assert!(!self.said.contains_key(&open.open_time), "{open:?} goes on after it was closed");
            assert_eq!(self.fold.is_complete_at(open.close_time), Some(false));
        }
        assert!(self.fold.closed().eq(self.said.values().rev().take(self.fold.closed().len()).rev().copied()));
        for (_, candle) in self.said.iter().rev().take(self.fold.closed().len()) {
            assert_eq!(self.fold.is_complete_at(candle.close_time), Some(candle.complete));
        }
    }

    fn take(&mut self, event: FoldEvent) {
        match event {
            FoldEvent::Closed(candle) => {
                assert!(candle.closed && candle.revision == 0, "{candle:?}");
                let newest = self.said.last_key_value().map(|(open_time, _)| *open_time);
                assert!(newest.is_none_or(|newest| newest < candle.open_time), "{candle:?} after {newest:?}");
                self.said.insert(candle.open_time, candle);
            }
            FoldEvent::Correction(candle) => {
                let before = self.said.insert(candle.open_time, candle);
                let revision = before.map_or(0, |before| before.revision);
                assert!(candle.closed && candle.revision > revision, "{candle:?} after {before:?}");
                let same = before.map(|before| Candle { revision: candle.revision, ..before });
                assert_ne!(same, Some(candle), "a correction that corrects nothing");
                self.corrections += 1;
            }
        }
    }
}

/// The path of a print: sequencer, then followers.
pub(crate) struct Path {
    pub(crate) sequencer: Sequencer,
    pub(crate) followers: Vec<Follower>,
    /// Every trade that was released in order.
    pub(crate) released: Vec<Trade>,
    pub(crate) late: Vec<Print>,
    pub(crate) duplicates: u64,
}

impl Path {
    pub(crate) fn new(timeframes: &[Timeframe], options: FoldOptions) -> Self {
        let follower = |timeframe: &Timeframe| Follower::new(LiveFold::new(*timeframe, options));
        let followers = timeframes.iter().map(follower).collect();
        let sequencer = Sequencer::new(REORDER_MS);
        Self { sequencer, followers, released: Vec::new(), late: Vec::new(), duplicates: 0 }
    }

    /// Hands over one stretch of prints at a time, asking the sequencer at its deadlines on the way.
    pub(crate) fn deliver(&mut self, arrivals: &[(i64, Print)]) {
        for (at, print) in arrivals {
            self.wait_until(*at);
            let mut ordered = Ordered::default();
            self.sequencer.accept(*print, *at, &mut ordered);
            self.pass_on(ordered);
        }
    }

    /// Lets time pass, without a print, up to but not including `at`.
    fn wait_until(&mut self, at: i64) {
        while let Some(deadline_ms) = self.sequencer.deadline_ms().filter(|deadline_ms| *deadline_ms < at) {
            let mut ordered = Ordered::default();
            self.sequencer.expire(deadline_ms, &mut ordered);
            self.pass_on(ordered);
        }
    }

    /// Waits for everything that waits.
    pub(crate) fn wait(&mut self) {
        self.wait_until(i64::MAX);
    }

    fn pass_on(&mut self, ordered: Ordered) {
        for (trade, joins) in &ordered.trades {
            let link = if *joins { Link::Joins } else { Link::Missing };
            self.followers.iter_mut().for_each(|follower| follower.trade(trade, link));
            self.released.push(*trade);
            if !joins {
                self.repair();
            }
        }
        self.duplicates += ordered.duplicates;
        self.late.extend(ordered.late);
    }

    /// Tells the followers of the late prints that have come since.
    pub(crate) fn repair(&mut self) {
        let mut late: Vec<Trade> = self.late.drain(..).filter_map(|print| print.as_trade().copied()).collect();
        late.sort_by_key(|trade| trade.id);
        let holes = self.sequencer.holes();
        for follower in &mut self.followers {
            follower.repair(&late, |ids| holes.within(ids).next().is_some());
        }
    }

    /// The venue's clock passes everything, on a stream that flows.
    pub(crate) fn finish(&mut self) {
        self.followers.iter_mut().for_each(|follower| follower.clock(i64::MAX - 1, i64::MAX - 1));
    }
}
