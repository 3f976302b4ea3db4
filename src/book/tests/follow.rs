//! Whatever is lost, comes twice or late, and whenever snapshots come: is what is called synced the truth?

use super::venue::{Frame, Moment, Venue};
use crate::book::{Book, BookOptions, Delta, Replica, ReplicaOptions, Side, State};
use crate::model::{BookSnapshot, Level, Price};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// What happens to the next frame, or beside it.
#[derive(Clone, Copy, Debug)]
enum Event {
    Delivered,
    Lost,
    Twice,
    /// After the next one.
    Late,
    /// An older frame comes again.
    Old(usize),
    /// A snapshot of so many changes ago arrives, asked for or not.
    Snapshot(usize),
    /// A snapshot is taken now and arrives after so many frames.
    SlowSnapshot(usize),
    /// A snapshot is of a frame that is still to come.
    EarlySnapshot,
    Doubt,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        30 => Just(Event::Delivered),
        1 => Just(Event::Lost),
        1 => Just(Event::Twice),
        1 => Just(Event::Late),
        1 => (1_usize..5).prop_map(Event::Old),
        4 => (0_usize..60).prop_map(Event::Snapshot),
        2 => (0_usize..4).prop_map(Event::SlowSnapshot),
        2 => Just(Event::EarlySnapshot),
        1 => Just(Event::Doubt),
        1 => Just(Event::Restart),
    ]
}

fn options() -> impl Strategy<Value = ReplicaOptions> {
    let limits = (1_usize..40, 2_usize..50, 0_usize..8, 1_usize..20, prop_oneof![Just(0), Just(9), Just(200)]);
    limits.prop_map(|(levels_max, snapshot_levels, trusted_levels_min, waiting_updates_max, changes_max)| {
        let book = BookOptions { levels_max, changes_max };
        ReplicaOptions { book, snapshot_levels, trusted_levels_min, waiting_updates_max }
    })
}

/// Whoever follows a book by deltas alone, once he has had it whole.
#[derive(Default)]
struct Follower {
    sequence: u64,
    bids: BTreeMap<Price, Level>,
    asks: BTreeMap<Price, Level>,
}

impl Follower {
    fn follow(&mut self, book: &Book) {
        match book.delta(self.sequence, book.sequence()) {
            Some(Delta { bids, asks }) if self.sequence > 0 => {
                for (map, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
                    map.extend(levels.iter().map(|level| (level.price, *level)));
                    map.retain(|_, level| level.quantity.units() > 0);
                }
            }
            _ => {
                self.bids = book.bids().trusted().map(|level| (level.price, level)).collect();
                self.asks = book.asks().trusted().map(|level| (level.price, level)).collect();
            }
        }
        self.bids.retain(|price, _| book.bids().reaches(*price));
        self.asks.retain(|price, _| book.asks().reaches(*price));
        self.sequence = book.sequence();
        let bids: Vec<_> = self.bids.values().rev().copied().collect();
        assert_eq!([bids, self.asks.values().copied().collect()], trusted(book), "by deltas");
    }
}

fn trusted(book: &Book) -> [Vec<Level>; 2] {
    [book.bids().trusted().collect(), book.asks().trusted().collect()]
}

/// What is within reach is all there is, in order; what is beyond it is there, too.
fn same(book: &Book, truth: &Moment, options: &ReplicaOptions) {
    for side in [Side::Bid, Side::Ask] {
        let (ladder, truth) = (book.ladder(side), truth.side(side));
        let within: Vec<_> = truth.iter().copied().filter(|level| ladder.reaches(level.price)).collect();
        assert_eq!(ladder.trusted().collect::<Vec<_>>(), within, "{side:?}");
        assert!(ladder.levels().all(|level| truth.contains(&level)), "{side:?} beyond reach");
        assert!(ladder.held_count() <= options.book.levels_max);
        if options.trusted_levels_min > 0 && !truth.is_empty() {
            assert_eq!(ladder.best(), truth.first().copied(), "{side:?}");
        }
    }
    assert!(!book.is_crossed());
}

struct Run {
    venue: Venue,
    replica: Replica,
    options: ReplicaOptions,
    sent: Vec<Frame>,
    late: Option<Frame>,
    slow: VecDeque<(usize, BookSnapshot)>,
    follower: Follower,
    synced: u64,
}

impl Run {
    fn new(seed: u64, options: ReplicaOptions) -> Self {
        let (venue, replica) = (Venue::new(seed), Replica::new(options));
        Self {
            venue,
            replica,
            options,
            sent: vec![],
            late: None,
            slow: VecDeque::new(),
            follower: Follower::default(),
            synced: 0,
        }
    }

    fn deliver(&mut self, frame: &Frame) {
        let _ = self.replica.update(&frame.update, &frame.bids, &frame.asks);
        self.check();
    }

    fn offer(&mut self, snapshot: BookSnapshot) {
        let _ = self.replica.snapshot(snapshot);
        self.check();
    }

    fn check(&mut self) {
        assert_eq!(self.replica.state() == State::Synced, self.replica.book().is_some());
        let Some(book) = self.replica.book() else { return };
        // Of the time before the venue counted anew nothing is left to compare with, and the replica cannot know yet.
        let Some(truth) = self.venue.at(book.last_id()) else { return };
        same(book, truth, &self.options);
        self.follower.follow(book);
        self.synced += 1;
    }

    fn step(&mut self, event: Event) {
        let depth = self.options.snapshot_levels;
        let frame = self.venue.frame();
        match event {
            Event::Lost => {}
            Event::Late if self.late.is_none() => self.late = Some(frame.clone()),
            Event::Restart => {
                self.venue.restart_ids();
                (self.sent, self.late, self.slow) = (vec![], None, VecDeque::new());
                return;
            }
            Event::EarlySnapshot => {
                self.offer(self.venue.snapshot(0, depth));
                self.deliver(&frame);
            }
            _ => self.deliver(&frame),
        }
        match event {
            Event::Twice => self.deliver(&frame),
            Event::Old(back) if back < self.sent.len() => {
                let old = self.sent[self.sent.len() - 1 - back].clone();
                self.deliver(&old);
            }
            Event::Snapshot(back) => self.offer(self.venue.snapshot(back, depth)),
            Event::SlowSnapshot(frames) => self.slow.push_back((frames, self.venue.snapshot(0, depth))),
            Event::Doubt => self.replica.doubt(),
            _ => {}
        }
        self.sent.push(frame);
        if !matches!(event, Event::Late)
            && let Some(late) = self.late.take()
        {
            self.deliver(&late);
        }
        self.slow.iter_mut().for_each(|(frames, _)| *frames = frames.saturating_sub(1));
        if let Some((_, snapshot)) = self.slow.pop_front_if(|(frames, _)| *frames == 0) {
            self.offer(snapshot);
        }
    }

    /// Nothing goes wrong, and snapshots come as they are asked for.
    fn mend(&mut self) {
        for _ in 0..4 {
            let frame = self.venue.frame();
            self.deliver(&frame);
            if self.replica.needs_snapshot() {
                self.offer(self.venue.snapshot(0, self.options.snapshot_levels));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_called_synced_is_the_truth(
        seed in any::<u64>(),
        options in options(),
        events in proptest::collection::vec(event(), 0..120),
    ) {
        let mut run = Run::new(seed, options);
        events.into_iter().for_each(|event| run.step(event));
        run.mend();
        let exhausted = run.replica.counts().exhausted;
        prop_assert!(run.synced > 0 || exhausted > 0, "{:?}", run.replica.counts());
        prop_assert_eq!(run.replica.counts().crossed, 0, "the venue never is");
    }
}

#[test]
fn a_stream_without_faults_is_followed_for_good_after_one_snapshot() {
    let book = BookOptions { levels_max: 100, changes_max: 100 };
    let options = ReplicaOptions { book, snapshot_levels: 1_000, trusted_levels_min: 10, waiting_updates_max: 10 };
    let mut run = Run::new(7, options);
    run.step(Event::Delivered);
    run.step(Event::Snapshot(0));
    for _ in 0..2_000 {
        run.step(Event::Delivered);
        assert_eq!(run.replica.book().map(Book::last_id), run.sent.last().map(|frame| frame.update.last_id));
    }
    assert_eq!(*run.replica.counts(), crate::book::FaultCounts::default());
    assert_eq!(run.synced, 2_001);
}
