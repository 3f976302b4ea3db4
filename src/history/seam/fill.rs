//! How does one run of missing ids get from the venue to its contract's actor?

use crate::{
    history::rest::{FillError, Filled, Piece, Source, Want},
    history::seam::sight::Next,
    market::{Contract, Fetched},
    model::{IdRange, Trade},
    store::record::Origin,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

/// Pieces that wait for the contract's actor: with the one in hand and the one being fetched, four pages a fill.
const PIECES_MAX: usize = 2;
/// The first and the longest wait before trades that were not taken are offered again.
const OFFER_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Trades that are not taken for so long are let go, and fetched again later.
const OFFER_FOR: Duration = Duration::from_mins(10);

/// How a fill ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ids: IdRange,
    /// Ids that have no trade here yet, and why.
    pub(super) spoken: Vec<Piece>,
    pub(super) result: Result<Filled, FillError>,
}

/// Fetches what is wanted, and hands trades to the contract's actor as they come, ascending.
pub(super) async fn fill(source: Source, want: Want, next: Next, contract: Arc<Contract>) -> Ended {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let filling = async {
        let result = source.fill(&want, next.priority, &sender).await;
        drop(sender);
        result
    };
    let (result, spoken) = tokio::join!(filling, hand_over(receiver, &contract));
    Ended { ids: next.ids, spoken, result }
}

/// Hands every trade over; returns the other pieces.
async fn hand_over(mut pieces: mpsc::Receiver<Piece>, contract: &Contract) -> Vec<Piece> {
    let mut spoken = Vec::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Trades(trades) => {
                if !offer(trades, contract).await {
                    break;
                }
            }
            piece => spoken.push(piece),
        }
    }
    spoken
}

/// Offers trades until they are taken: the mailbox may be full, the actor in pieces, or the disk without room.
async fn offer(trades: Vec<Trade>, contract: &Contract) -> bool {
    let fetched = Fetched { trades: trades.into(), origin: Origin::Rest };
    let (begun, mut wait) = (Instant::now(), OFFER_AGAIN.0);
    while !contract.actor.fetched(fetched.clone()).await {
        if begun.elapsed() >= OFFER_FOR || contract.is_retired() {
            return false;
        }
        sleep(wait).await;
        wait = (2 * wait).min(OFFER_AGAIN.1);
    }
    true
}
