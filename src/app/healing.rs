//! How are holes healed beside the live path: fetched, told of where they cannot be, and their minutes made right?

use crate::{
    app::Engine,
    exchange::binance::AGG_TRADES_ROWS_MAX,
    history::{
        rest::{Piece, Source},
        seam::{Options, Seam, Told},
    },
    live::Refolder,
    market::Contracts,
    metrics::Metrics,
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runs of fetched ids whose minutes wait to be looked at; more are told again later.
const HEALED_MAX: usize = AGG_TRADES_ROWS_MAX as usize;

impl Engine {
    /// Heals the tapes' holes for ever, on whatever runtime polls it; once an engine.
    pub fn heal(
        &self,
        source: Source,
        options: Options,
        told: Told,
        metrics: &Arc<Metrics>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (healed, minutes) = mpsc::channel(HEALED_MAX);
        let refolder = Refolder { contracts: Arc::clone(&self.contracts), live: self.live.clone() };
        let seam = Seam {
            contracts: Arc::clone(&self.contracts),
            symbols: self.symbols.clone(),
            bell: Arc::clone(&self.holes_bell),
            source,
            options,
            told,
            healed,
            metrics: Arc::clone(metrics),
        };
        async {
            tokio::join!(seam.run(), refolder.run(minutes));
        }
    }
}

/// Says in the log what cannot be fetched over REST.
pub(super) fn tell_log(contracts: Arc<Contracts>) -> Told {
    Arc::new(move |contract, piece| {
        let (Some(contract), Some(ids)) = (contracts.get(contract), piece.ids()) else { return };
        let (symbol, first, last) = (&contract.symbol, ids.first, ids.last);
        match piece {
            Piece::Absent(_) => tracing::info!(%symbol, first, last, "the exchange steps over missing ids"),
            _ => tracing::info!(%symbol, first, last, "missing ids wait for the exchange's archive"),
        }
    })
}
