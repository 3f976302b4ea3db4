//! Who publishes the newest of a figure, of which only the newest matters?

use crate::{
    book::{self, Summary, TickSize},
    clock::Clock,
    live::{
        Channel, Event, Subscription,
        lines::{Bodies, Line, Offer, Publishing},
        publisher::{Post, Publish},
    },
    market::{Contract, State},
    model::{BookTicker, MarkPrice, OpenInterest, Ticker, UnixMillis},
};
use std::sync::Arc;

/// What a channel of figures tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Figure {
    /// What the venue values the contract at.
    Mark(Arc<MarkPrice>),
    /// What happened in 24 hours.
    Ticker(Arc<Ticker>),
    /// The best bid and ask.
    BookTicker(Arc<BookTicker>),
    /// How much is open.
    OpenInterest(Arc<OpenInterest>),
    /// How the contract fares.
    Status(Status),
    /// Some levels of its order book.
    View(View),
}

impl Figure {
    /// Whether it says the same as another, so that it is no news: that a book changed elsewhere is none.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::BookTicker(one), Self::BookTicker(other)) => (one.bid, one.ask) == (other.bid, other.ask),
            (Self::View(one), Self::View(other)) => one.shows() == other.shows(),
            _ => self == other,
        }
    }
}

/// How a contract fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// In a word.
    pub state: State,
    /// Since when, by our clock.
    pub since: UnixMillis,
    /// How many ids of its tape are missing.
    pub missing: u64,
}

/// The best levels of an order book, or groups of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whether there is one.
    pub state: book::State,
    /// The id of the last change that is in it.
    pub last_id: u64,
    /// When it last changed.
    pub time: UnixMillis,
    /// Its levels and figures; none while it is not synced.
    pub summary: Summary,
    /// Whether these are as many levels as were asked for, or as the book has; see [`Summary::is_whole`].
    pub complete: bool,
}

impl View {
    /// What of it is news when it is another.
    fn shows(&self) -> (book::State, bool, &Summary) {
        (self.state, self.complete, &self.summary)
    }
}

/// The publisher of one figure of one contract; lives while somebody subscribes.
pub(super) type FigureActor = Post<FigureState>;

/// Looks at one figure for everybody who subscribed to it.
#[derive(Debug)]
pub(super) struct FigureState {
    contract: Arc<Contract>,
    channel: Channel,
    clock: Clock,
    publishing: Publishing,
    /// As it was looked at last.
    newest: Option<Figure>,
    lines: Vec<Line>,
}

impl FigureState {
    pub(super) fn new(contract: &Arc<Contract>, channel: Channel, clock: Clock, publishing: Publishing) -> Self {
        let contract = Arc::clone(contract);
        Self { contract, channel, clock, publishing, newest: None, lines: Vec::new() }
    }

    /// The figure as it is now.
    fn look(&self) -> Option<Figure> {
        let figures = &self.contract.figures;
        match self.channel {
            Channel::Mark => figures.mark().map(Figure::Mark),
            Channel::Ticker => figures.ticker().map(Figure::Ticker),
            Channel::BookTicker => figures.top().map(Figure::BookTicker),
            Channel::OpenInterest => figures.open_interest().map(Figure::OpenInterest),
            Channel::Status => Some(Figure::Status(self.status())),
            Channel::BookView(group, levels) => self.view(group, levels).map(Figure::View),
            Channel::Trades | Channel::LargeTrades(_) | Channel::Candles(_) | Channel::Liquidations | Channel::Book => {
                None
            }
        }
    }

    fn status(&self) -> Status {
        let (state, since) = self.contract.fares();
        let since = match &self.newest {
            _ if since.is_some() => since.unwrap_or_default(),
            // Nobody has noted it yet.
            Some(Figure::Status(told)) if told.state == state => told.since,
            _ => self.clock.wall(),
        };
        Status { state, since, missing: self.contract.tape.missing() }
    }

    fn view(&self, group: Option<TickSize>, levels: u16) -> Option<View> {
        let post = self.contract.book.as_ref()?;
        Some(post.read(|replica| {
            let Some(book) = replica.book() else {
                let (last_id, time, summary, complete) = Default::default();
                return View { state: replica.state(), last_id, time, summary, complete };
            };
            let levels = usize::from(levels);
            let summary = Summary::of(book, group, levels);
            let (last_id, time, complete) = (book.last_id(), book.time(), summary.is_whole(book, levels));
            View { state: book::State::Synced, last_id, time, summary, complete }
        }))
    }

    /// Hands the newest to the lines that `wants` picks.
    fn deliver(&mut self, wants: impl Fn(&Line) -> bool) {
        let Some(figure) = &self.newest else { return };
        let (mut bodies, now_ms, publishing) = (Bodies::default(), self.clock.monotonic_ms(), &self.publishing);
        self.lines.retain_mut(|line| {
            if !wants(line) {
                return true;
            }
            let Some(rows) = bodies.figure(line.subscriber.dialect, publishing, figure) else { return false };
            match line.offer(Event::Newest(rows.body)) {
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

impl Publish for FigureState {
    const KIND: &'static str = "figure";

    fn publish(&mut self) -> bool {
        let Some(now) = self.look() else { return false };
        let is_news = self.newest.as_ref().is_none_or(|told| !told.is_like(&now));
        // Who comes later is given it as it is now.
        self.newest = Some(now);
        if is_news {
            self.deliver(|_| true);
        }
        false
    }

    fn pass_time(&mut self, _: UnixMillis) {}

    fn join(&mut self, subscription: Subscription) {
        self.publish();
        let line = Line::new(subscription.subscriber, false, None);
        let dialect = line.subscriber.dialect;
        let rows = match &self.newest {
            Some(figure) => Bodies::default().figure(dialect, &self.publishing, figure),
            None => Some(Default::default()),
        };
        let Some(rows) = rows else { return };
        if line.offer(Event::Snapshot(rows)) == Offer::Taken {
            self.lines.push(line);
        } else {
            line.subscriber.cut.now();
        }
    }

    fn pay_debts(&mut self) {
        self.deliver(Line::is_behind);
    }

    fn recover(&mut self) {
        // Whatever was under way is told anew.
        self.newest = None;
    }

    fn lines(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }
}
