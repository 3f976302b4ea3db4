//! What does one subscriber see?

use super::rows;
use actix::prelude::*;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tapedeck::{
    live::{
        Backlog, Channel, Cut, Delivery, DialectId, Event, Handle, Replay, ReplayError, Rows, SessionKey, SlowPolicy,
        Subscriber, Subscription, Topic,
    },
    market::Contract,
    model::{Candle, IdRange, Timeframe, Trade, UnixMillis},
};

/// Messages that wait for a probe: more than any publication of a test, and than come while its thread is held up.
const MAILBOX: usize = 65_536;

/// A live subscriber to one contract; its log holds everything that was delivered, in order.
pub(super) struct Probe {
    pub(super) contract: Arc<Contract>,
    address: Addr<Listener>,
    channels: RefCell<Vec<Channel>>,
    log: Rc<RefCell<Vec<Delivery>>>,
    cuts: Arc<AtomicUsize>,
    backlog: Backlog,
}

struct Listener {
    log: Rc<RefCell<Vec<Delivery>>>,
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Delivery> for Listener {
    type Result = ();

    fn handle(&mut self, delivery: Delivery, _: &mut Self::Context) {
        self.log.borrow_mut().push(delivery);
    }
}

impl Probe {
    /// A session without subscriptions.
    pub(super) fn start(contract: Arc<Contract>) -> Self {
        let log = Rc::<RefCell<Vec<Delivery>>>::default();
        let address = Listener { log: Rc::clone(&log) }.start();
        let (cuts, backlog) = (Arc::default(), Backlog::new(usize::MAX));
        Self { contract, address, channels: RefCell::default(), log, cuts, backlog }
    }

    /// The same, but its mailbox counts as full once it holds anything, until [`Probe::make_room`].
    pub(super) fn narrow(contract: Arc<Contract>) -> Self {
        Self { backlog: Backlog::new(1), ..Self::start(contract) }
    }

    /// Says that everything delivered so far has been taken.
    pub(super) fn make_room(&self, delivered_before: usize) -> usize {
        let log = self.log.borrow();
        log[delivered_before..].iter().for_each(|delivery| self.backlog.took(delivery.event.bytes()));
        log.len()
    }

    /// Subscribes; the number of the subscription is that of the call.
    pub(super) fn subscribe(&self, live: &Handle, channel: Channel, snapshot: usize) {
        live.subscribe(self.subscription(channel, snapshot)).expect("taken");
    }

    fn subscription(&self, channel: Channel, snapshot: usize) -> Subscription {
        let sub = u32::try_from(self.channels.borrow().len()).expect("few");
        self.channels.borrow_mut().push(channel);
        let cuts = Arc::clone(&self.cuts);
        let subscriber = Subscriber {
            session: SessionKey(1),
            sub,
            dialect: DialectId(0),
            mailbox: self.address.clone().recipient(),
            on_slow: SlowPolicy::Gap,
            cut: Cut::new(move || {
                cuts.fetch_add(1, Ordering::Relaxed);
            }),
            backlog: self.backlog.clone(),
        };
        let topic = Topic { contract: self.contract.id, channel };
        Subscription::new(topic, snapshot, false, subscriber)
    }

    /// Takes what followed id `after`, a page every 20 ms, then the live trades; how many pages.
    pub(super) async fn resume(&self, live: &Handle, after: u64) -> Result<usize, ReplayError> {
        let mut replay = Replay::begin(&self.contract, after)?;
        let subscription = self.subscription(Channel::Trades, 0);
        let sub = subscription.subscriber.sub;
        let note = |event| self.log.borrow_mut().push(Delivery { sub, event });
        let rows = |trades: &[Trade]| {
            let mut body = Vec::new();
            (rows::ENCODER.trades)(trades, &mut body);
            Rows { body: body.into(), count: u32::try_from(trades.len()).expect("few") }
        };
        note(Event::Snapshot(Rows::default()));
        for pages in 1.. {
            let page = replay.next_page(&self.contract);
            let (trades, repairs) = (rows(&page.trades), rows(&page.repairs));
            page.gap.into_iter().chain(page.lost).for_each(|ids| note(Event::Gap(ids)));
            Some(trades).filter(|rows| !rows.is_empty()).into_iter().for_each(|rows| note(Event::Rows(rows)));
            Some(repairs).filter(|rows| !rows.is_empty()).into_iter().for_each(|rows| note(Event::Repair(rows)));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if page.is_last && live.resume(subscription.clone(), replay).await.expect("alive") {
                return Ok(pages);
            }
        }
        unreachable!("a page is the last")
    }

    /// Everything delivered so far.
    pub(super) fn log(&self) -> Vec<(u32, Event)> {
        self.log.borrow().iter().map(|delivery| (delivery.sub, delivery.event.clone())).collect()
    }

    /// Every closed candle as last told, without a look at the protocol.
    pub(super) fn candles_told(&self) -> BTreeMap<UnixMillis, Candle> {
        let bodies = self.log().into_iter().filter_map(|(_, event)| match event {
            Event::Candles { closed, .. } => Some(closed.body),
            Event::Correction(rows) => Some(rows.body),
            _ => None,
        });
        bodies.flat_map(|body| rows::candles(&body)).map(|candle| (candle.open_time, candle)).collect()
    }

    /// What a client that follows the protocol knows by now.
    ///
    /// # Panics
    ///
    /// When the protocol was broken: no snapshot first, a candle closed twice or after its successor, a correction of
    /// nothing or without a higher revision.
    pub(super) fn view(&self) -> View {
        assert_eq!(self.cuts.load(Ordering::Relaxed), 0, "no session was cut");
        let mut view = View::default();
        let channels = self.channels.borrow();
        for (sub, event) in self.log() {
            match channels[sub as usize] {
                Channel::Trades => view.trades_event(&event),
                Channel::Candles(timeframe) => view.candles.entry(timeframe).or_default().event(&event),
                other => panic!("{other:?} has a view of its own"),
            }
        }
        view
    }
}

/// What a client knows.
#[derive(Debug, Default)]
pub(super) struct View {
    has_snapshot: bool,
    /// Trades of the snapshot, then the live ones.
    pub(super) trades: Vec<Trade>,
    /// Ids named as lost.
    pub(super) gaps: Vec<IdRange>,
    /// How many ids were said to be missing, one after the other.
    pub(super) missing: Vec<u64>,
    /// Repaired ones.
    pub(super) repairs: Vec<Trade>,
    pub(super) candles: BTreeMap<Timeframe, CandleView>,
}

/// What a client knows of one timeframe.
#[derive(Debug, Default)]
pub(super) struct CandleView {
    has_snapshot: bool,
    /// Closed candles by open time, as corrected.
    pub(super) closed: BTreeMap<UnixMillis, Candle>,
    pub(super) corrections: usize,
    pub(super) open: Option<Candle>,
    /// Ends of barriers, and whether this contract was called incomplete.
    pub(super) barriers: Vec<(UnixMillis, bool)>,
}

impl View {
    fn trades_event(&mut self, event: &Event) {
        assert_eq!(self.has_snapshot, !matches!(event, Event::Snapshot(_)), "one snapshot, at first");
        match event {
            Event::Snapshot(body) => {
                self.has_snapshot = true;
                self.trades = rows::trades(&body.body);
            }
            Event::Rows(body) => self.trades.extend(rows::trades(&body.body)),
            Event::Repair(body) => self.repairs.extend(rows::trades(&body.body)),
            Event::Gap(ids) => self.gaps.push(*ids),
            Event::Missing(missing) => self.missing.push(*missing),
            other => panic!("{other:?}"),
        }
    }

    /// Live and repaired trades, ascending.
    pub(super) fn held(&self) -> Vec<Trade> {
        assert!(self.trades.is_sorted_by(|a, b| a.id < b.id), "live trades ascend and none comes twice");
        assert_eq!(self.gaps, [], "nothing was lost on the way");
        let mut held = [self.trades.as_slice(), self.repairs.as_slice()].concat();
        held.sort_by_key(|trade| trade.id);
        assert!(held.is_sorted_by(|a, b| a.id < b.id), "no trade comes twice");
        held
    }
}

impl CandleView {
    fn event(&mut self, event: &Event) {
        assert_eq!(self.has_snapshot, !matches!(event, Event::Snapshot(_)), "one snapshot, at first");
        match event {
            Event::Snapshot(body) => {
                self.has_snapshot = true;
                for candle in rows::candles(&body.body) {
                    if candle.closed { self.close(candle) } else { self.update(candle) }
                }
            }
            Event::Candles { closed, open } => {
                rows::candles(&closed.body).into_iter().for_each(|candle| self.close(candle));
                open.iter().flat_map(|body| rows::candles(body)).for_each(|candle| self.update(candle));
            }
            Event::Correction(body) => rows::candles(&body.body).into_iter().for_each(|candle| self.correct(candle)),
            Event::Barrier { end, incomplete, .. } => self.barriers.push((*end, !incomplete.is_empty())),
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, candle: Candle) {
        assert!(candle.closed);
        assert!(
            self.open.is_none_or(|open| open.open_time <= candle.open_time),
            "closed before its successor: {candle:?}"
        );
        assert!(self.closed.keys().next_back().is_none_or(|last| *last < candle.open_time), "closed once: {candle:?}");
        self.closed.insert(candle.open_time, candle);
        self.open = None;
    }

    fn update(&mut self, candle: Candle) {
        assert!(!candle.closed && !candle.complete);
        assert!(!self.closed.contains_key(&candle.open_time), "no update after the close: {candle:?}");
        self.open = Some(candle);
    }

    fn correct(&mut self, candle: Candle) {
        self.corrections += 1;
        let last = self.closed.insert(candle.open_time, candle);
        assert!(last.is_none_or(|last| last.revision < candle.revision), "a higher revision: {candle:?}");
    }
}
