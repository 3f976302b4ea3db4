//! How is the live path put together, from the venue's sockets to the publishers?
//!
//! The same engine runs on several threads over real sockets, or whole on one thread over in-memory streams in virtual
//! time: [`Placement`] and [`Seams`] are all that differs.

use crate::{
    app::supervisor::{Ward, watch},
    clock::Clock,
    exchange::binance::Routes,
    feed::{self, FeedActor, Plan},
    live::{self, Handle, TopicsActor, TopicsState},
    market::{Bell, Contract, Contracts, SymbolActor, SymbolHandle, SymbolState, TapeKind, VenueClock},
    metrics::Metrics,
    model::Symbol,
    net::Dial,
};
use actix::prelude::*;
use actix_rt::ArbiterHandle;
use arc_swap::ArcSwapOption;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// What is recorded, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Symbol, kind of tape, and least number of trades in its ring.
    pub contracts: Vec<(Symbol, TapeKind, usize)>,
    /// Which streams go to which path.
    pub routes: Routes,
    /// Streams on one connection.
    pub streams_per_connection_max: usize,
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

/// The running live path. Dropping it stops the supervision, not the actors: those end with their arbiters.
#[derive(Debug)]
pub struct Engine {
    /// What is recorded.
    pub contracts: Arc<Contracts>,
    /// Where subscriptions go.
    pub live: Handle,
    /// Where prints go, by contract.
    pub symbols: Vec<SymbolHandle>,
    /// Rung when ids of a contract are missing.
    pub holes_bell: Arc<Bell>,
    /// The venue's time.
    pub venue_clock: Arc<VenueClock>,
    supervision: JoinHandle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.supervision.abort();
    }
}

/// What the parts of the engine share while they are put together.
struct Assembly {
    options: Options,
    seams: Seams,
    placement: Placement,
    contracts: Arc<Contracts>,
    metrics: Arc<Metrics>,
    venue_clock: Arc<VenueClock>,
    bells: Vec<Arc<Bell>>,
    holes_bell: Arc<Bell>,
    live: Handle,
    symbols: Vec<SymbolHandle>,
    states: Vec<Arc<Mutex<SymbolState>>>,
}

impl Engine {
    /// Starts every actor. Must be called inside an actix system, whose thread does the supervision.
    ///
    /// `hold` is shown every contract first, to say what the store holds of it. Publishers start before contracts, and those before connections, so that nothing is sent to nobody.
    pub fn start(
        options: Options,
        seams: Seams,
        placement: Placement,
        metrics: &Arc<Metrics>,
        hold: impl Fn(&Contract),
    ) -> Self {
        let assembly = Assembly::new(options, seams, placement, Arc::clone(metrics), hold);
        let mut wards = assembly.publishers();
        wards.extend(assembly.symbol_wards());
        wards.extend(assembly.feeds());
        wards.iter().for_each(|ward| (ward.raise)());
        Self {
            contracts: assembly.contracts,
            live: assembly.live,
            symbols: assembly.symbols,
            holes_bell: assembly.holes_bell,
            venue_clock: assembly.venue_clock,
            supervision: actix_rt::spawn(watch(wards, Arc::clone(metrics))),
        }
    }
}

impl Assembly {
    fn new(
        options: Options,
        seams: Seams,
        placement: Placement,
        metrics: Arc<Metrics>,
        hold: impl Fn(&Contract),
    ) -> Self {
        let contracts = Arc::new(Contracts::new(options.contracts.iter().cloned()));
        contracts.iter().for_each(|contract| hold(contract));
        let threads = placement.live.len();
        let bells: Vec<_> = (0..threads).map(|_| Bell::new(contracts.len())).collect();
        let holes_bell = Bell::new(contracts.len());
        let live = Handle::new(threads);
        let state = |contract: &Arc<Contract>| {
            let bell = Arc::clone(&bells[live.thread_of(contract.id)]);
            let (reorder_ms, metrics) = (options.reorder_ms, Arc::clone(&metrics));
            let holes_bell = Arc::clone(&holes_bell);
            let state = SymbolState::new(contract, seams.clock, reorder_ms, vec![bell], holes_bell, metrics);
            Arc::new(Mutex::new(state.unwrap_or_else(|| unreachable!("a new tape has no writer yet"))))
        };
        let states = contracts.iter().map(state).collect();
        let symbols = contracts.iter().map(|contract| SymbolHandle::new(contract.id)).collect();
        let venue_clock = Arc::new(VenueClock::new(seams.clock));
        Self { options, seams, placement, contracts, metrics, venue_clock, bells, holes_bell, live, symbols, states }
    }

    fn publishers(&self) -> Vec<Ward> {
        (0..self.placement.live.len()).map(|thread| self.publisher(thread)).collect()
    }

    fn publisher(&self, thread: usize) -> Ward {
        let state = Arc::new(Mutex::new(TopicsState::new(
            &self.contracts,
            (thread, self.placement.live.len()),
            Arc::clone(&self.bells[thread]),
            self.seams.clock,
            Arc::clone(&self.venue_clock),
            self.options.live.clone(),
            Arc::clone(&self.metrics),
        )));
        let (arbiter, live, handle) = (self.placement.live[thread].clone(), self.live.clone(), self.live.clone());
        Ward {
            kind: "topics",
            is_alive: Box::new(move || handle.is_alive(thread)),
            raise: Box::new(move || {
                let state = Arc::clone(&state);
                let address = TopicsActor::start_in_arbiter(&arbiter, move |_| TopicsActor::new(state));
                live.replace(thread, address);
            }),
        }
    }

    fn plans(&self) -> Vec<Plan> {
        feed::plan(self.contracts.iter(), &self.options.routes, self.options.streams_per_connection_max)
    }

    fn shard_of(&self, plan: usize) -> ArbiterHandle {
        self.placement.ingest[plan % self.placement.ingest.len()].clone()
    }

    /// Contracts live on the thread of the connection that carries them.
    fn symbol_wards(&self) -> Vec<Ward> {
        let plans = self.plans();
        let placed =
            plans.iter().enumerate().flat_map(|(at, plan)| plan.streams.iter().map(move |stream| (at, stream)));
        placed.map(|(at, stream)| self.symbol_ward(&stream.contract, self.shard_of(at))).collect()
    }

    fn symbol_ward(&self, contract: &Contract, arbiter: ArbiterHandle) -> Ward {
        let state = Arc::clone(&self.states[contract.id.index()]);
        let handle = self.symbols[contract.id.index()].clone();
        let looked_at = handle.clone();
        Ward {
            kind: "symbol",
            is_alive: Box::new(move || looked_at.is_alive()),
            raise: Box::new(move || {
                let state = Arc::clone(&state);
                handle.replace(SymbolActor::start_in_arbiter(&arbiter, move |_| SymbolActor::new(state)));
            }),
        }
    }

    fn feeds(&self) -> Vec<Ward> {
        let feed = |(at, plan): (usize, Plan)| {
            let handles = plan.streams.iter().map(|stream| self.symbols[stream.contract.id.index()].clone()).collect();
            let mut options = self.options.feed.clone();
            options.seed = options.seed.wrapping_add(at as u64);
            let spec = feed::Spec {
                plan,
                handles,
                dialer: Arc::clone(&self.seams.dialer),
                options,
                venue_clock: Arc::clone(&self.venue_clock),
                clock: self.seams.clock,
                metrics: Arc::clone(&self.metrics),
            };
            feed_ward(spec, self.shard_of(at))
        };
        self.plans().into_iter().enumerate().map(feed).collect()
    }
}

fn feed_ward(spec: feed::Spec, arbiter: ArbiterHandle) -> Ward {
    let address: Arc<ArcSwapOption<Addr<FeedActor>>> = Arc::default();
    let looked_at = Arc::clone(&address);
    Ward {
        kind: "feed",
        is_alive: Box::new(move || looked_at.load().as_ref().is_some_and(|address| address.connected())),
        raise: Box::new(move || {
            let spec = spec.clone();
            address.store(Some(Arc::new(FeedActor::start_in_arbiter(&arbiter, move |_| FeedActor::new(spec)))));
        }),
    }
}
