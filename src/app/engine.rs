//! How is the live path put together, from the venue's sockets to the publishers?
//!
//! The same engine runs on several threads over real sockets, or whole on one thread over in-memory streams in virtual
//! time: [`Placement`] and [`Seams`] are all that differs.

use crate::{
    app::supervisor::{Ward, Wards, watch_over},
    clock::Clock,
    exchange::binance::{DepthSpeed, Routes, StreamKind},
    feed::{self, Carried, FeedActor, Layout, Plan, Rotation, Sink, StreamKey, Streams},
    live::{self, Handle, TopicsActor, TopicsState},
    market::{
        AddError, Announcements, Bell, Bells, BookActor, BookPost, Contract, Contracts, Ending, Side, Spec,
        SymbolActor, SymbolState, VenueClock,
    },
    metrics::{Labels, Metrics},
    model::ContractId,
    net::Dial,
};
use actix::prelude::*;
use actix_rt::ArbiterHandle;
use arc_swap::ArcSwapOption;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

/// So many connections are opened anew at different times.
const STAGGERED: usize = 16;
/// A connection that brings nothing so often in a row is to be opened elsewhere.
const MUTES_MAX: u32 = 2;
/// The first and the longest rest of a connection whose actor panicked; one that has lived for the longest rests for the first again.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_mins(5));

/// What is recorded, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is recorded from the start on.
    pub contracts: Vec<Spec>,
    /// Which streams go to which path.
    pub routes: Routes,
    /// Streams on one connection.
    pub streams_per_connection_max: usize,
    /// Whether two connections carry each stream, so that one that ends loses nothing.
    pub is_doubled: bool,
    /// Streams of all contracts that are followed.
    pub market: Vec<StreamKind>,
    /// How often order books are told of.
    pub depth: DepthSpeed,
    /// One mark price of each stretch is stored; none when it is 0.
    pub mark_every_ms: i64,
    /// How connections behave.
    pub feed: feed::Options,
    /// How long an id waits for those before it.
    pub reorder_ms: i64,
    /// How publishers behave.
    pub live: live::Options,
}

/// What the engine stands on.
#[derive(Clone)]
pub struct Seams {
    /// Opens byte streams to the venue.
    pub dialer: Arc<dyn Dial>,
    /// Time.
    pub clock: Clock,
}

impl std::fmt::Debug for Seams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seams").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// On which threads actors live. At least one of each; they may be the same.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Connections and the contracts they carry.
    pub ingest: Vec<ArbiterHandle>,
    /// Publishers.
    pub live: Vec<ArbiterHandle>,
}

impl Placement {
    /// Everything on the current thread.
    ///
    /// # Panics
    ///
    /// Outside an actix system.
    pub fn inline() -> Self {
        let here = || vec![Arbiter::current()];
        Self { ingest: here(), live: here() }
    }
}

/// What can be done about streams that do not flow, the gentlest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// To ask for one anew on its connection.
    AskAgain(StreamKey),
    /// To ask for one on another connection.
    MoveAway(StreamKey),
    /// To open a connection anew.
    Renew(usize),
    /// To open it anew on another of the venue's paths.
    Reroute(usize),
}

impl Remedy {
    /// What it is called in figures.
    pub(super) fn labels(self) -> Labels<1> {
        let name = match self {
            Self::AskAgain(_) => "ask_again",
            Self::MoveAway(_) => "move_away",
            Self::Renew(_) => "renew",
            Self::Reroute(_) => "reroute",
        };
        Labels::new([("remedy", name)])
    }
}

/// The running live path. Dropping it ends the connections and the supervision; the other actors end with their arbiters.
#[derive(Debug)]
pub struct Engine {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Where subscriptions go.
    pub live: Handle,
    /// Rung when ids of a contract are missing.
    pub holes_bell: Arc<Bell>,
    /// Rung when a contract's order book wants a snapshot.
    pub snapshot_bell: Arc<Bell>,
    /// Rung when a contract has other figures beside its trades.
    pub figure_bells: Bells,
    /// Told when the venue says that its listing has changed.
    pub listing_news: Arc<Notify>,
    /// What has become of contracts.
    pub announcements: Arc<Announcements>,
    /// The venue's time.
    pub venue_clock: Arc<VenueClock>,
    assembly: RefCell<Assembly>,
    wards: Wards,
    supervision: JoinHandle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.supervision.abort();
    }
}

/// What the parts of the engine share.
#[derive(Debug)]
struct Assembly {
    options: Options,
    seams: Seams,
    placement: Placement,
    contracts: Arc<Contracts>,
    metrics: Arc<Metrics>,
    venue_clock: Arc<VenueClock>,
    bells: Vec<Arc<Bell>>,
    /// Rung for everything but trades, one a live thread.
    figure_bells: Vec<Arc<Bell>>,
    holes_bell: Arc<Bell>,
    snapshot_bell: Arc<Bell>,
    listing_news: Arc<Notify>,
    sink: Arc<Sink>,
    live: Handle,
    plan: Plan,
    /// What each connection of the plan carries.
    streams: Vec<watch::Sender<Arc<Streams>>>,
    /// How often in a row each has brought nothing.
    mutes: Vec<Arc<AtomicU32>>,
}

impl Engine {
    /// Starts every actor. Must be called inside an actix system, whose thread does the supervision.
    ///
    /// `hold` is shown every contract first, to say what the store holds of it. Publishers start before contracts, and those before connections, so that nothing is sent to nobody.
    pub fn start(
        mut options: Options,
        seams: Seams,
        placement: Placement,
        metrics: &Arc<Metrics>,
        hold: impl Fn(&Contract),
    ) -> Self {
        let contracts = Arc::new(Contracts::new(options.contracts.drain(..)));
        contracts.iter().for_each(|contract| hold(&contract));
        let mut assembly = Assembly::new(options, seams, placement, Arc::clone(&contracts), Arc::clone(metrics));
        let mut wards = assembly.publishers();
        contracts.iter().for_each(|contract| wards.extend(assembly.place(&contract).0));
        assembly.options.market.clone().into_iter().for_each(|kind| {
            assembly.plan.assign(Carried::Market(kind));
        });
        wards.extend((0..assembly.plan.len()).flat_map(|at| assembly.feeds(at)).collect::<Vec<_>>());
        wards.iter().for_each(|ward| (ward.raise)());
        let wards: Wards = Rc::new(RefCell::new(wards));
        Self {
            contracts,
            live: assembly.live.clone(),
            holes_bell: Arc::clone(&assembly.holes_bell),
            snapshot_bell: Arc::clone(&assembly.snapshot_bell),
            figure_bells: Bells::new(assembly.figure_bells.iter().cloned()),
            listing_news: Arc::clone(&assembly.listing_news),
            announcements: Arc::default(),
            venue_clock: Arc::clone(&assembly.venue_clock),
            supervision: actix_rt::spawn(watch_over(Rc::clone(&wards), Arc::clone(metrics))),
            assembly: RefCell::new(assembly),
            wards,
        }
    }

    /// Begins with a contract, on a connection that has room, without touching the others.
    ///
    /// # Errors
    ///
    /// When it is recorded already, or too many were.
    pub fn record(&self, spec: Spec, hold: impl Fn(&Contract)) -> Result<Arc<Contract>, AddError> {
        let contract = self.contracts.add(spec)?;
        hold(&contract);
        let mut assembly = self.assembly.borrow_mut();
        let (wards, places) = assembly.place(&contract);
        wards.iter().for_each(|ward| (ward.raise)());
        self.wards.borrow_mut().extend(wards);
        // The feeds come last, so that nothing is sent to nobody.
        places.into_iter().for_each(|at| self.carry(&mut assembly, at));
        self.live.begin(contract.id);
        Ok(contract)
    }

    /// The connection that carries a stream.
    pub fn place_of(&self, key: StreamKey) -> Option<usize> {
        self.assembly.borrow().plan.place_of(key)
    }

    /// The connections that have brought nothing several times in a row; they count anew from now on.
    pub fn take_mute(&self) -> Vec<usize> {
        let assembly = self.assembly.borrow();
        let mutes = assembly.mutes.iter().enumerate();
        // A counter that guards no other data.
        let is_mute = |mutes: &AtomicU32| {
            mutes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count >= MUTES_MAX).then_some(0)).is_ok()
        };
        mutes.filter(|(_, mutes)| is_mute(mutes)).map(|(at, _)| at).collect()
    }

    /// Does something so that streams flow again that do not.
    pub fn revive(&self, remedy: Remedy) {
        let mut assembly = self.assembly.borrow_mut();
        let changed = match remedy {
            Remedy::AskAgain(key) => assembly.plan.ask_again(key).into_iter().collect(),
            Remedy::MoveAway(key) => assembly.plan.move_away(key).map_or_else(Vec::new, |(from, to)| vec![from, to]),
            Remedy::Renew(at) => {
                assembly.plan.renew(at);
                vec![at]
            }
            Remedy::Reroute(at) => {
                assembly.plan.reroute(at);
                vec![at]
            }
        };
        changed.into_iter().for_each(|at| self.carry(&mut assembly, at));
    }

    /// Tells a connection what it carries now; it is opened when it is new.
    fn carry(&self, assembly: &mut Assembly, at: usize) {
        if at < assembly.streams.len() {
            assembly.streams[at].send_replace(Arc::new(assembly.plan.streams(at).clone()));
            return;
        }
        let wards = assembly.feeds(at);
        wards.iter().for_each(|ward| (ward.raise)());
        self.wards.borrow_mut().extend(wards);
    }

    /// Ends with a contract: its stream, its actor, and the subscriptions to it. What was stored stays.
    pub fn forget(&self, id: ContractId, ending: Ending) -> Option<Arc<Contract>> {
        let contract = self.contracts.remove(id, ending)?;
        let mut assembly = self.assembly.borrow_mut();
        for key in [StreamKey::Trades(id), StreamKey::Book(id)] {
            if let Some(at) = assembly.plan.release(key) {
                self.carry(&mut assembly, at);
            }
        }
        self.wards.borrow_mut().retain(|ward| ward.contract != Some(id));
        contract.actor.retire();
        contract.book.iter().for_each(BookPost::retire);
        contract.stream.disprove_all();
        self.live.end(id, ending);
        Some(contract)
    }
}

impl Assembly {
    fn new(
        options: Options,
        seams: Seams,
        placement: Placement,
        contracts: Arc<Contracts>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let threads = placement.live.len();
        let bells = || (0..threads).map(|_| Bell::new()).collect::<Vec<_>>();
        let (bells, figure_bells, listing_news) = (bells(), bells(), Arc::<Notify>::default());
        let (news, every_ms) = (Arc::clone(&listing_news), options.mark_every_ms);
        let sink =
            Sink::new(Arc::clone(&contracts), Bells::new(figure_bells.iter().cloned()), news, every_ms, &metrics);
        let plan = Plan::new(Layout {
            routes: options.routes.clone(),
            streams_max: options.streams_per_connection_max,
            shards: placement.ingest.len(),
            depth: options.depth,
        });
        Self {
            venue_clock: Arc::new(VenueClock::new(seams.clock)),
            live: Handle::new(threads),
            holes_bell: Bell::new(),
            snapshot_bell: Bell::new(),
            sink: Arc::new(sink),
            streams: Vec::new(),
            mutes: Vec::new(),
            options,
            seams,
            placement,
            contracts,
            metrics,
            bells,
            figure_bells,
            listing_news,
            plan,
        }
    }

    fn publishers(&self) -> Vec<Ward> {
        (0..self.placement.live.len()).map(|thread| self.publisher(thread)).collect()
    }

    fn publisher(&self, thread: usize) -> Ward {
        let state = Arc::new(Mutex::new(TopicsState::new(
            Arc::clone(&self.contracts),
            (thread, self.placement.live.len()),
            [&self.bells[thread], &self.figure_bells[thread]].map(Arc::clone),
            self.seams.clock,
            Arc::clone(&self.venue_clock),
            self.options.live.clone(),
            Arc::clone(&self.metrics),
        )));
        let (arbiter, live, handle) = (self.placement.live[thread].clone(), self.live.clone(), self.live.clone());
        Ward {
            kind: "topics",
            contract: None,
            is_alive: Box::new(move || handle.is_alive(thread)),
            raise: Box::new(move || {
                let state = Arc::clone(&state);
                let address = TopicsActor::start_in_arbiter(&arbiter, move |_| TopicsActor::new(state));
                live.replace(thread, address);
            }),
        }
    }

    /// The thread of a connection, where its contracts live, too.
    fn shard_of(&self, connection: usize) -> ArbiterHandle {
        self.placement.ingest[self.plan.shard(connection)].clone()
    }

    /// Gives a contract's streams to connections: who reads them, and which connections those are.
    fn place(&mut self, contract: &Arc<Contract>) -> (Vec<Ward>, Vec<usize>) {
        let at = self.plan.assign(Carried::Trades(Arc::clone(contract)));
        let (mut wards, mut places) = (Vec::from_iter(self.symbol(contract, at)), vec![at]);
        if contract.book.is_some() {
            let at = self.plan.assign(Carried::Book(Arc::clone(contract)));
            wards.push(self.book(contract, at));
            places.push(at);
        }
        (wards, places)
    }

    fn book(&self, contract: &Arc<Contract>, connection: usize) -> Ward {
        let bells = vec![Arc::clone(&self.figure_bells[self.live.thread_of(contract.id)])];
        let (snapshot_bell, metrics) = (Arc::clone(&self.snapshot_bell), Arc::clone(&self.metrics));
        let (arbiter, looked_at, contract) = (self.shard_of(connection), Arc::clone(contract), Arc::clone(contract));
        Ward {
            kind: "book",
            contract: Some(contract.id),
            is_alive: Box::new(move || looked_at.book.as_ref().is_none_or(BookPost::is_alive)),
            raise: Box::new(move || {
                let (of, bells) = (Arc::clone(&contract), bells.clone());
                let (bell, metrics) = (Arc::clone(&snapshot_bell), Arc::clone(&metrics));
                let start = move |_: &mut Context<BookActor>| BookActor::new(of, bells, bell, metrics);
                let actor = BookActor::start_in_arbiter(&arbiter, start);
                contract.book.iter().for_each(|book| book.replace(actor.clone()));
            }),
        }
    }

    /// Nothing when the tape has a writer already.
    fn symbol(&self, contract: &Arc<Contract>, connection: usize) -> Option<Ward> {
        let bell = Arc::clone(&self.bells[self.live.thread_of(contract.id)]);
        let state = SymbolState::new(
            contract,
            self.seams.clock,
            self.options.reorder_ms,
            vec![bell],
            Arc::clone(&self.holes_bell),
            Arc::clone(&self.metrics),
        )?;
        let (state, arbiter) = (Arc::new(Mutex::new(state)), self.shard_of(connection));
        let (looked_at, contract) = (Arc::clone(contract), Arc::clone(contract));
        Some(Ward {
            kind: "symbol",
            contract: Some(contract.id),
            is_alive: Box::new(move || looked_at.actor.is_alive()),
            raise: Box::new(move || {
                let state = Arc::clone(&state);
                contract.actor.replace(SymbolActor::start_in_arbiter(&arbiter, move |_| SymbolActor::new(state)));
            }),
        })
    }

    /// A new connection of the plan, or two that carry the same.
    fn feeds(&mut self, at: usize) -> Vec<Ward> {
        let (sender, streams) = watch::channel(Arc::new(self.plan.streams(at).clone()));
        self.streams.push(sender);
        self.mutes.push(Arc::default());
        let count = if self.options.is_doubled { 2 } else { 1 };
        (0..count).map(|copy| self.feed(2 * at + copy, Side::of(copy > 0), streams.clone())).collect()
    }

    fn feed(&self, number: usize, side: Side, streams: watch::Receiver<Arc<Streams>>) -> Ward {
        let (mut options, at) = (self.options.feed.clone(), number / 2);
        options.seed = options.seed.wrapping_add(number as u64);
        options.rotation = Rotation::staggered(options.rotation.every, (number, STAGGERED));
        let spec = feed::Spec {
            streams,
            side,
            mutes: Arc::clone(&self.mutes[at]),
            rest: Duration::ZERO,
            sink: Arc::clone(&self.sink),
            dialer: Arc::clone(&self.seams.dialer),
            options,
            venue_clock: Arc::clone(&self.venue_clock),
            clock: self.seams.clock,
            metrics: Arc::clone(&self.metrics),
        };
        feed_ward(spec, self.shard_of(at))
    }
}

fn feed_ward(spec: feed::Spec, arbiter: ArbiterHandle) -> Ward {
    let address: Arc<ArcSwapOption<Addr<FeedActor>>> = Arc::default();
    let looked_at = Arc::clone(&address);
    // What makes it panic may come again at once, and the venue bans who connects too often.
    let rests = Cell::new((Duration::ZERO, Instant::now()));
    Ward {
        kind: "feed",
        contract: None,
        is_alive: Box::new(move || looked_at.load().as_ref().is_some_and(|address| address.connected())),
        raise: Box::new(move || {
            let (rest, since) = rests.get();
            let rest = if since.elapsed() > REST.1 { REST.0.min(rest) } else { rest };
            rests.set(((2 * rest).clamp(REST.0, REST.1), Instant::now()));
            let spec = feed::Spec { rest, ..spec.clone() };
            address.store(Some(Arc::new(FeedActor::start_in_arbiter(&arbiter, move |_| FeedActor::new(spec)))));
        }),
    }
}
