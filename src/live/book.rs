//! Who publishes a contract's order book, whole at first and then what changes?

use crate::{
    book::{self, Book, Replica},
    clock::Clock,
    live::{
        Event, Rows, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        publisher::{Post, Publish},
    },
    market::Contract,
    model::{Level, Price, UnixMillis},
};
use std::sync::Arc;

/// An order book as far as it may be believed, or what brings a copy of it up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Whether there is one; without, everything below is nothing.
    pub state: book::State,
    /// The sequence of the copy that it brings up to date; none when it is the whole.
    pub from_sequence: Option<u64>,
    /// How many changes the book has seen: dense, never back.
    pub sequence: u64,
    /// The venue's id of the last change that is in it.
    pub last_id: u64,
    /// When it last changed.
    pub time: UnixMillis,
    /// Of bids and asks, the price beyond which nothing is told; none for a side that is whole.
    pub reach: [Option<Price>; 2],
    /// Over the ten best levels a side; see [`Book::checksum`](book::Book::checksum).
    pub checksum: u32,
    /// Bids, the best first; in an update, a quantity of 0 takes a level away.
    pub bids: Vec<Level>,
    /// Asks likewise.
    pub asks: Vec<Level>,
}

/// The publisher of one contract's order book; lives while somebody subscribes.
pub(super) type BookFollower = Post<FollowerState>;

/// Follows a contract's book for everybody who subscribed to it. A line that missed something is given the whole book again.
#[derive(Debug)]
pub(super) struct FollowerState {
    contract: Arc<Contract>,
    clock: Clock,
    publishing: Publishing,
    /// What the lines that are not behind have.
    told: Told,
    lines: Vec<Line>,
}

/// Where copies of the book stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// At this sequence.
    Sequence(u64),
    /// They know that there is none.
    None(book::State),
}

impl FollowerState {
    pub(super) fn new(contract: &Arc<Contract>, clock: Clock, publishing: Publishing) -> Self {
        let told = Told::None(book::State::Rebuilding);
        Self { contract: Arc::clone(contract), clock, publishing, told, lines: Vec::new() }
    }

    /// Tells what is new to the lines that are not behind, and gives the whole to those that are; returns it when it `is_wanted`.
    fn advance(&mut self, is_wanted: bool) -> Option<Picture> {
        let (before, is_wanted) = (self.told, is_wanted || self.lines.iter().any(Line::is_behind));
        // One look, so that whole and change end at the same sequence.
        let (now, news, whole) = self.contract.book.as_ref()?.read(|replica| {
            let now = told(replica);
            let news = (now != before).then(|| news(replica, before));
            (now, news, is_wanted.then(|| picture(replica)))
        });
        self.told = now;
        self.deliver(news.as_ref(), whole.as_ref());
        whole
    }

    fn deliver(&mut self, news: Option<&News>, whole: Option<&Picture>) {
        let (mut changes, mut wholes) = (Bodies::default(), Bodies::default());
        let (now_ms, publishing) = (self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            let event = match (line.is_behind(), news, whole) {
                (true, _, Some(picture)) => rows(&mut wholes, line, publishing, picture).map(Event::Resync),
                (false, Some(News::Whole(picture)), _) => {
                    rows(&mut wholes, line, publishing, picture).map(Event::Resync)
                }
                (false, Some(News::Change(picture)), _) => {
                    rows(&mut changes, line, publishing, picture).map(Event::Rows)
                }
                _ => return true,
            };
            let Some(event) = event else { return false };
            match line.offer(event) {
                Offer::Taken => {
                    line.caught_up();
                    true
                }
                Offer::Full => line.refused(None, 1, now_ms, publishing),
                Offer::Gone => false,
            }
        });
    }
}

/// What lines that are not behind are told.
enum News {
    Whole(Picture),
    Change(Picture),
}

fn news(replica: &Replica, before: Told) -> News {
    let change = match before {
        Told::Sequence(from) => change(replica, from),
        Told::None(_) => None,
    };
    change.map_or_else(|| News::Whole(picture(replica)), News::Change)
}

fn rows(bodies: &mut Bodies, line: &Line, publishing: &Publishing, picture: &Picture) -> Option<Rows> {
    bodies.rows(line.subscriber.dialect, publishing, |encoder, body| {
        (encoder.book)(picture, body);
        1
    })
}

/// Where copies stand that have what the replica has.
fn told(replica: &Replica) -> Told {
    replica.book().map_or(Told::None(replica.state()), |book| Told::Sequence(book.sequence()))
}

/// The whole book, or that there is none.
fn picture(replica: &Replica) -> Picture {
    let Some(book) = replica.book() else { return nothing(replica.state()) };
    let (bids, asks) = (book.bids().trusted().collect(), book.asks().trusted().collect());
    Picture { bids, asks, ..head(book, None) }
}

/// What changed after the sequence `from`; nothing when the whole is needed.
fn change(replica: &Replica, from: u64) -> Option<Picture> {
    let book = replica.book()?;
    let delta = book.delta(from, book.sequence())?;
    Some(Picture { bids: delta.bids, asks: delta.asks, ..head(book, Some(from)) })
}

fn head(book: &Book, from_sequence: Option<u64>) -> Picture {
    Picture {
        state: book::State::Synced,
        from_sequence,
        sequence: book.sequence(),
        last_id: book.last_id(),
        time: book.time(),
        reach: [book.bids().reach(), book.asks().reach()],
        checksum: book.checksum(),
        bids: Vec::new(),
        asks: Vec::new(),
    }
}

fn nothing(state: book::State) -> Picture {
    let (from_sequence, time) = (None, UnixMillis::default());
    let (sequence, last_id, reach, checksum) = (0, 0, [None; 2], 0);
    Picture { state, from_sequence, sequence, last_id, time, reach, checksum, bids: Vec::new(), asks: Vec::new() }
}

impl Publish for FollowerState {
    const KIND: &'static str = "book";

    fn publish(&mut self) -> bool {
        self.advance(false);
        false
    }

    fn pass_time(&mut self, _: UnixMillis) {}

    fn join(&mut self, subscription: Subscription) {
        let Some(picture) = self.advance(true) else { return subscription.subscriber.cut.now() };
        let line = Line::new(subscription.subscriber, false, None);
        let Some(rows) = rows(&mut Bodies::default(), &line, &self.publishing, &picture) else { return };
        if line.offer(Event::Snapshot(rows)) == Offer::Taken {
            self.lines.push(line);
        } else {
            line.subscriber.cut.now();
        }
    }

    fn pay_debts(&mut self) {
        self.advance(true);
    }

    fn recover(&mut self) {
        let now_ms = self.clock.monotonic_ms();
        self.lines.iter_mut().for_each(|line| line.late(now_ms));
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }
}
