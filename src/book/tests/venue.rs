//! The truth that books are held against: a venue which remembers every level at every id.

use super::levels;
use crate::book::Side;
use crate::model::{BookSnapshot, BookUpdate, Level, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// The venue's ids are some 10^13.
const FIRST_ID: u64 = 1_000_000_000;
/// How far ids go back when the venue counts anew: farther than a run goes on, so that none comes twice.
const BACK: u64 = 1_000_000;

/// A side, price to quantity.
type Map = BTreeMap<i64, i64>;

/// The whole book after one change.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    id: u64,
    time: i64,
    bids: Map,
    asks: Map,
}

impl Moment {
    /// The levels of a side, the best first.
    pub(super) fn side(&self, side: Side) -> Vec<Level> {
        let pairs = |pair: (&i64, &i64)| (*pair.0, *pair.1);
        levels(&match side {
            Side::Bid => self.bids.iter().rev().map(pairs).collect::<Vec<_>>(),
            Side::Ask => self.asks.iter().map(pairs).collect(),
        })
    }
}

/// An update with its levels.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) update: BookUpdate,
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

/// Bids below its mid and asks above it, which wander; one moment for each change.
#[derive(Debug)]
pub(super) struct Venue {
    random: u64,
    mid: i64,
    pub(super) moments: Vec<Moment>,
    /// The last moment that a frame told of.
    framed: usize,
}

impl Venue {
    pub(super) fn new(seed: u64) -> Self {
        let first = Moment { id: FIRST_ID, time: 1_000, ..Moment::default() };
        Self { random: seed | 1, mid: 500, moments: vec![first], framed: 0 }
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % end
    }

    fn signed_below(&mut self, end: u64) -> i64 {
        self.below(end).cast_signed()
    }

    pub(super) fn now(&self) -> &Moment {
        self.moments.last().expect("the first")
    }

    /// The book as of `id`, if that is the id of a change.
    pub(super) fn at(&self, id: u64) -> Option<&Moment> {
        let at = self.moments.binary_search_by_key(&id, |moment| moment.id).ok()?;
        self.moments.get(at)
    }

    /// One change: a level is set or taken away, after the mid moved and took with it what it would cross.
    fn change(&mut self) {
        let mut next = self.now().clone();
        next.id += 1 + self.below(50);
        next.time += self.signed_below(3);
        let distance = 1 + self.signed_below(30);
        let quantity = self.signed_below(4);
        let bid = self.below(2) == 0;
        let (map, price) =
            if bid { (&mut next.bids, self.mid - distance) } else { (&mut next.asks, self.mid + distance) };
        match quantity {
            0 => drop(map.remove(&price)),
            _ => drop(map.insert(price, quantity)),
        }
        self.moments.push(next);
    }

    /// The next frame of the stream, after some changes; perhaps none, then its levels are none either.
    pub(super) fn frame(&mut self) -> Frame {
        let previous_id = self.moments[self.framed].id;
        self.mid = (self.mid + self.signed_below(9) - 4).clamp(100, 900);
        let mut swept = self.now().clone();
        let mid = self.mid;
        swept.bids.retain(|price, _| *price < mid);
        swept.asks.retain(|price, _| *price > mid);
        swept.id += 1;
        self.moments.push(swept);
        for _ in 0..self.below(12) {
            self.change();
        }
        let told = &self.moments[self.framed..];
        let now = self.now();
        let time = UnixMillis::new(now.time);
        let update = BookUpdate { first_id: told[1].id, last_id: now.id, previous_id, time };
        let frame =
            Frame { update, bids: touched(told, |moment| &moment.bids), asks: touched(told, |moment| &moment.asks) };
        self.framed = self.moments.len() - 1;
        frame
    }

    /// A snapshot of a moment: `back` changes ago, `depth` levels a side.
    pub(super) fn snapshot(&self, back: usize, depth: usize) -> BookSnapshot {
        let moment = &self.moments[(self.moments.len() - 1).saturating_sub(back)];
        let best = |side| moment.side(side).into_iter().take(depth).collect();
        BookSnapshot {
            last_id: moment.id,
            time: UnixMillis::new(moment.time),
            bids: best(Side::Bid),
            asks: best(Side::Ask),
        }
    }

    /// The venue begins to count anew, with the book it has.
    pub(super) fn restart_ids(&mut self) {
        let mut first = self.now().clone();
        (first.id, first.time) = (first.id - BACK, first.time + 5_000);
        self.moments = vec![first];
        self.framed = 0;
    }
}

/// Every level that changed on the way, as it is at the end; those that changed back, too, as else no snapshot between would do.
fn touched(moments: &[Moment], side: impl Fn(&Moment) -> &Map) -> Vec<Level> {
    let mut prices = BTreeSet::new();
    for pair in moments.windows(2) {
        let (old, new) = (side(&pair[0]), side(&pair[1]));
        prices.extend(old.keys().chain(new.keys()).filter(|price| old.get(price) != new.get(price)));
    }
    let now = moments.last().map(side);
    let quantity = |price| now.and_then(|now| now.get(price)).copied().unwrap_or_default();
    levels(&prices.iter().map(|price| (*price, quantity(price))).collect::<Vec<_>>())
}
