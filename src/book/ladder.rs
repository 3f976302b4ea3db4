//! What stands on one side of a book, and how far down is that all there is?
//!
//! A sorted vector with the best level last: nearly every change falls near the best, and shifts few levels (decision 0018).

use crate::model::{Level, Price, Quantity};

/// A side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who wants to buy; the highest price is the best.
    Bid,
    /// Who wants to sell; the lowest price is the best.
    Ask,
}

impl Side {
    /// What a price's units are combined with, by exclusive or, for its rank: a number that is greater the better the price is. All
    /// bits turned over, which is this for asks, turn the order round and, unlike a minus, never overflow.
    const fn flip(self) -> i64 {
        match self {
            Self::Bid => 0,
            Self::Ask => -1,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Rung {
    rank: i64,
    quantity: Quantity,
}

/// One side of a book. Every level held is as the venue has it; but beyond its *reach*, others may stand between them that nobody told of.
#[derive(Clone, Debug)]
pub struct Ladder {
    flip: i64,
    /// Strictly ascending by rank: the best last.
    rungs: Vec<Rung>,
    /// From this rank on upwards, what is held is all there is.
    reach: i64,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self { flip: side.flip(), rungs: Vec::new(), reach: i64::MIN }
    }

    fn rank(&self, price: Price) -> i64 {
        price.units() ^ self.flip
    }

    fn price(&self, rank: i64) -> Price {
        Price::from_units(rank ^ self.flip)
    }

    /// Whether `levels` are those of a snapshot of this side: the best first, none twice, none empty.
    pub(super) fn admits(&self, levels: &[Level]) -> bool {
        levels.iter().all(|level| level.quantity > Quantity::default())
            && levels.is_sorted_by(|better, worse| self.rank(better.price) > self.rank(worse.price))
    }

    /// Becomes `levels`, which it [admits](Self::admits), all there is or else the best of more.
    pub(super) fn load(&mut self, levels: &[Level], all: bool) {
        let flip = self.flip;
        let rung = |level: &Level| Rung { rank: level.price.units() ^ flip, quantity: level.quantity };
        self.rungs.clear();
        self.rungs.extend(levels.iter().rev().map(rung));
        self.reach = match self.rungs.first() {
            Some(worst) if !all => worst.rank,
            _ => i64::MIN,
        };
    }

    /// Puts a level in its place, or takes it away when its quantity is not above 0; whether that changed anything.
    pub(super) fn set(&mut self, level: Level) -> bool {
        let rank = self.rank(level.price);
        match (self.find(rank), level.quantity > Quantity::default()) {
            (Ok(at), true) => std::mem::replace(&mut self.rungs[at].quantity, level.quantity) != level.quantity,
            (Ok(at), false) => {
                self.rungs.remove(at);
                true
            }
            (Err(at), true) => {
                self.rungs.insert(at, Rung { rank, quantity: level.quantity });
                true
            }
            (Err(_), false) => false,
        }
    }

    /// Where `rank` is, or belongs.
    fn find(&self, rank: i64) -> Result<usize, usize> {
        self.rungs.binary_search_by_key(&rank, |rung| rung.rank)
    }

    /// Forgets the worst levels when there are more than `levels_max`, and from then on reaches no farther than those that are left.
    pub(super) fn cut(&mut self, levels_max: usize) {
        let excess = self.rungs.len().saturating_sub(levels_max.max(1));
        if excess > 0 {
            self.rungs.drain(..excess);
            self.reach = self.rungs.first().map_or(self.reach, |worst| worst.rank.max(self.reach));
        }
    }

    fn level(&self, rung: &Rung) -> Level {
        Level { price: self.price(rung.rank), quantity: rung.quantity }
    }

    /// The best level held: the venue's best while [`trusted_count`](Self::trusted_count) is not 0.
    pub fn best(&self) -> Option<Level> {
        self.rungs.last().map(|rung| self.level(rung))
    }

    /// All levels held, the best first. Beyond [`reach`](Self::reach) others may be lacking between them.
    pub fn levels(&self) -> impl ExactSizeIterator<Item = Level> {
        self.rungs.iter().rev().map(|rung| self.level(rung))
    }

    /// The levels within reach, the best first: exactly those of the venue.
    pub fn trusted(&self) -> impl ExactSizeIterator<Item = Level> {
        self.rungs[self.beyond_reach()..].iter().rev().map(|rung| self.level(rung))
    }

    /// How many levels are within reach.
    pub fn trusted_count(&self) -> usize {
        self.rungs.len() - self.beyond_reach()
    }

    fn beyond_reach(&self) -> usize {
        if self.reach == i64::MIN { 0 } else { self.rungs.partition_point(|rung| rung.rank < self.reach) }
    }

    /// The worst price up to which, itself included, what is held is all there is; nothing when the whole side is known. It is the
    /// worst price of the last snapshot, or a better one since levels were forgotten; no level that comes or goes moves it out.
    pub fn reach(&self) -> Option<Price> {
        (self.reach != i64::MIN).then(|| self.price(self.reach))
    }

    /// Whether `price` is within reach.
    pub fn reaches(&self, price: Price) -> bool {
        self.rank(price) >= self.reach
    }

    /// What stands at `price`; 0 when nothing is known to.
    pub fn quantity(&self, price: Price) -> Quantity {
        self.find(self.rank(price)).map_or_else(|_| Quantity::default(), |at| self.rungs[at].quantity)
    }

    /// How many levels are held.
    pub fn held_count(&self) -> usize {
        self.rungs.len()
    }
}
