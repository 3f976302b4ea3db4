//! How are holes healed beside the live path: fetched, told of where they cannot be, and their minutes made right?

use crate::{
    api::Background,
    app::{Engine, Keeping},
    exchange::binance::AGG_TRADES_ROWS_MAX,
    history::{
        adopting::Adopting,
        budget::Budget,
        jobs::{Arrival, Series},
        rest::{Absent, Piece, Source},
        seam::{Options, Seam, Told},
    },
    live::Refolder,
    market::Contracts,
    model::Symbol,
    store::{Holding, library::Library, record::Origin},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc},
    time::interval,
};

/// Runs of fetched ids whose minutes wait to be looked at; more are told again later.
const HEALED_MAX: usize = AGG_TRADES_ROWS_MAX as usize;
/// Arrivals of jobs that wait for their contract's actor; a job waits with them.
pub(super) const ARRIVALS_MAX: usize = 16;
/// How often it is looked whether the venue has banned us.
const BAN_EVERY: Duration = Duration::from_secs(1);

/// What heals holes.
pub struct Healing {
    /// Where trades come from.
    pub source: Source,
    /// How holes are filled while the stream goes on; not at all when none.
    pub seam: Option<Options>,
    /// Who is told of ids that have no trade there.
    pub told: Told,
    /// Trades that were back-filled in bulk, and ids that were proven absent.
    pub arrivals: mpsc::Receiver<Arrival>,
}

impl std::fmt::Debug for Healing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Healing").field("seam", &self.seam).finish_non_exhaustive()
    }
}

impl Engine {
    /// Heals the tapes' holes for ever, on whatever runtime polls it; once an engine. Each task that panics is started again
    /// over what tape and store say.
    pub fn heal(&self, healing: Healing, keeping: Keeping) -> impl Future<Output = ()> + Send + 'static {
        let Healing { source, seam, told, arrivals } = healing;
        let (healed, minutes) = mpsc::channel(HEALED_MAX);
        let contracts = || Arc::clone(&self.contracts);
        let refolder = Refolder { contracts: contracts(), live: self.live.clone() };
        let adopting = Adopting { contracts: contracts(), healed: healed.clone() };
        let seam = seam.map(|options| Seam {
            contracts: contracts(),
            bell: Arc::clone(&self.holes_bell),
            source,
            options,
            told,
            healed,
            metrics: Arc::clone(&keeping.metrics),
        });
        // What waits in them outlives who takes it.
        let (arrivals, minutes) = (Arc::new(Mutex::new(arrivals)), Arc::new(Mutex::new(minutes)));
        let (filling, following, folding) = (keeping.clone(), keeping.clone(), keeping);
        async move {
            let filling = async {
                if let Some(seam) = seam {
                    filling.keep(Background::Seam, move |_| seam.clone().run()).await;
                }
            };
            let following = following.keep(Background::Adopting, move |panics| {
                let (adopting, arrivals) = (adopting.clone(), Arc::clone(&arrivals));
                async move { adopting.run(&mut *arrivals.lock().await, panics > 0).await }
            });
            let folding = folding.keep(Background::Refolding, move |_| {
                let (refolder, minutes) = (refolder.clone(), Arc::clone(&minutes));
                async move { refolder.run(&mut *minutes.lock().await).await }
            });
            tokio::join!(filling, following, folding);
        }
    }
}

/// Says in the log what cannot be fetched over REST, and notes in the ledger what the venue steps over. Where that was the last
/// proof, `arrived` is told.
pub(super) fn tell(contracts: Arc<Contracts>, arrived: mpsc::Sender<Arrival>) -> Told {
    Arc::new(move |contract, piece| {
        let (Some(contract), Some(ids)) = (contracts.get(contract), piece.ids()) else { return };
        let (symbol, first, last) = (&contract.symbol, ids.first, ids.last);
        let state = if matches!(piece, Piece::Absent(_)) { "absent" } else { "awaiting_archive" };
        tracing::info!(%symbol, first, last, state, "the exchange's REST API does not give missing ids");
        if let (Piece::Absent(absent), Some(holding)) = (piece, contract.holding.get()) {
            note_absent(holding.clone(), contract.symbol.clone(), *absent, arrived.clone());
        }
    })
}

fn note_absent(holding: Holding, symbol: Symbol, absent: Absent, arrived: mpsc::Sender<Arrival>) {
    tokio::task::spawn_blocking(move || {
        let of = (holding.shelf().contract, holding.shelf().kind);
        if let Err(error) = holding.library().ledger().note_absent(of, absent.ids, Origin::Rest, absent.at) {
            tracing::warn!("what the exchange steps over cannot be noted, and will be asked for again: {error}");
        }
        if !holding.absent_parts(absent.ids).is_empty() {
            // Nobody listens any more only while everything ends.
            let arrival = Arrival { symbol, series: Series::Trades, ids: absent.ids };
            arrived.blocking_send(arrival).unwrap_or_default();
        }
    });
}

/// Keeps in the ledger until when the venue has banned us, for ever.
pub(super) async fn remember_ban(library: Arc<Library>, budget: Budget) {
    let mut looks = interval(BAN_EVERY);
    loop {
        looks.tick().await;
        let (banned_until, library) = (budget.banned_until(), Arc::clone(&library));
        if banned_until == library.ledger().banned_until() {
            continue;
        }
        let noting = tokio::task::spawn_blocking(move || library.ledger().note_ban(banned_until));
        if let Ok(Err(error)) = noting.await {
            tracing::warn!("a ban cannot be noted: a restart would ask too early: {error}");
        }
    }
}
